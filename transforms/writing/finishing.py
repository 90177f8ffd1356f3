"""The last steps of publishing, which can be repeated until they are all done."""

import json
from collections.abc import Mapping
from typing import Any

from transforms.writing.folder import OutputFolder
from transforms.writing.lock import unfinished_files
from transforms.writing.manifest import MANIFEST, load_manifest, paths_in
from transforms.writing.parts import REJECTED_FOLDER, result_files
from transforms.writing.run_plan import run_folder


def begin_publishing(
    folder: OutputFolder, run_id: str, manifest: Mapping[str, Any], places: Mapping[str, str]
) -> None:
    """Stores what the result will be: from here on nothing is left to compute.

    Args:
        folder: The output folder.
        run_id: The run.
        manifest: The manifest to be.
        places: Where its new parts are, by their names in it.
    """
    staged = {"manifest": manifest, "parts": places}
    folder.write_whole(_name(run_id), _json(staged))


def to_be_published(folder: OutputFolder, run_id: str) -> dict[str, Any] | None:
    """Returns the manifest to be and the `parts` of a run whose publishing has begun, or None."""
    try:
        staged = json.loads(folder.read(_name(run_id)) or b"")
        paths_in(staged["manifest"])
        dict(staged["parts"])
    except (ValueError, LookupError, TypeError):
        return None  # there is none, or it is damaged: then it is published anew
    return staged


def finish_publishing(folder: OutputFolder, run_id: str) -> dict[str, Any] | None:
    """Goes forward from wherever the publishing of a run, which had begun, ended.

    New parts get further names, the manifest is replaced, and what it does not list is removed. If
    there are parts to remove, a first manifest lists the new ones where they are: so the old ones
    can go before the new ones appear, and nobody who reads all parts sees rows twice.

    Returns:
        The manifest, or None if the publishing had not begun, or was finished.
    """
    staged = to_be_published(folder, run_id)
    if staged is None:
        return None
    manifest, places = staged["manifest"], staged["parts"]
    listed = paths_in(manifest)
    strays = [name for name in result_files(folder) if name not in listed]
    now = load_manifest(folder, broken_as_empty=True)
    if now != manifest:
        if not paths_in(now).isdisjoint(strays):
            folder.write_whole(MANIFEST, _json(_with_places(manifest, places)))
        folder.remove(strays)
        folder.link(places)
        folder.write_whole(MANIFEST, _json(manifest))
    else:
        folder.remove(strays)
    folder.remove_if_empty(REJECTED_FOLDER)
    folder.remove(unfinished_files(folder))
    # The plan stays to the last: by it the same run, started again, knows that it is done.
    for rest in ("parts", "records"):
        folder.remove_tree(f"{run_folder(run_id)}/{rest}")
    folder.remove([_name(run_id)])
    return manifest


def _name(run_id: str) -> str:
    return f"{run_folder(run_id)}/manifest.json"


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def _with_places(manifest: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Returns a manifest that lists parts where they are before they are published."""
    lists = {
        key: [{**part, "path": places.get(part["path"], part["path"])} for part in manifest[key]]
        for key in ("parts", "rejected_parts")
    }
    return {**manifest, **lists}
