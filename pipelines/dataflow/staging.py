"""What a job brings to its workers through its bucket: the preset, and packages."""

import atexit
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from models import backends
from models.errors import UserError
from models.presets.lookup import find_preset
from pipelines.reporting.console import transfer_bar

if TYPE_CHECKING:
    import argparse

    from models.presets.preset import Preset
    from pipelines.job import Plan

# Below the folder for temporary files.
_PRESETS = "presets"
_DIGITS = 32  # of the digest, in a folder's name


def with_staged_preset(plan: "Plan", beam_flags: Sequence[str]) -> "Plan":
    """Returns a plan whose workers need nothing but its bucket to open the preset.

    For Dataflow, what does not come with the program and is in no bucket yet is copied to a folder
    that its digest names, below the folder for temporary files: a second run finds it there.

    Args:
        plan: The plan.
        beam_flags: Beam's options.

    Raises:
        UserError: The bucket does not take it.
    """
    from pipelines.dataflow.checks import DATAFLOW
    from pipelines.flags.beam_flags import beam_options
    from pipelines.running import runner_of

    preset = plan.asked.preset
    if runner_of(beam_flags) != DATAFLOW or is_in_reach(preset.name):
        return plan
    location = beam_options(beam_flags).temp_location
    if not location.startswith("gs://"):  # of a service on this machine
        return plan
    return replace(plan, asked=replace(plan.asked, staged=_stage(preset, location)))


def is_in_reach(name: str) -> bool:
    """Returns whether workers have a preset, or read it from a bucket.

    Args:
        name: Name of a bundled or registered preset, a folder, or a URI.
    """
    known = find_preset(name)
    return known.state == "bundled" or (known.uri or "").startswith("gs://")


def _stage(preset: "Preset", location: str) -> str:
    """Returns the folder of a bucket in which a preset is, and puts there what it lacks."""
    from models.hubs import buckets
    from models.hubs.checksums import checksums
    from models.hubs.remote import RemoteFile, RemoteUri, files_of_a_preset

    digest = preset.digest.partition(":")[2][:_DIGITS]
    remote = RemoteUri.parse(f"{location.rstrip('/')}/{_PRESETS}/{digest}")
    paths = (path for path in preset.folder.rglob("*") if path.is_file())
    local = {path.relative_to(preset.folder).as_posix(): path for path in paths}
    # What a worker would fetch of the folder, and no notes or checkpoints beside it.
    named = RemoteUri(preset.name, remote.scheme, remote.parts)
    files = files_of_a_preset(
        named, [RemoteFile(name, path.stat().st_size) for name, path in local.items()]
    )
    there = {name: blob.crc32c for name, blob in buckets.list_blobs(remote).items()}
    missing = [
        file
        for file in files
        if there.get(file.name) != checksums(local[file.name], ["crc32c"])["crc32c"]
    ]
    done, total = 0, sum(file.size for file in missing)
    with transfer_bar(f"{preset.name} to {remote.parts['bucket']}") as on_progress:
        for file in missing:
            buckets.upload(remote, {file.name: local[file.name]})
            done += file.size
            if on_progress is not None:
                on_progress(done, total)
    return remote.text


def backend_flags(given: "argparse.Namespace") -> list[str]:
    """Returns options of Beam that bring the workers a backend that the program's own lacks.

    Args:
        given: Beam's options as the user gave them.

    Raises:
        UserError: They have requirements already, and not this one.
    """
    backend = backends.name()
    if backend == "tensorflow" or given.sdk_container_image:
        return []
    wanted = f"{backend}=={version(backend)}"
    if given.requirements_file is None:
        cache = [] if given.requirements_cache else ["--requirements_cache=skip"]
        return [f"--requirements_file={_written(wanted)}", *cache]
    lines = Path(given.requirements_file).read_text("utf-8").splitlines()
    if not any(re.match(rf"{backend}(?![\w-])", line.strip()) for line in lines):
        raise UserError(
            f"--requirements_file={given.requirements_file} does not name {backend}, which "
            f"--backend={backend} needs on the workers: add the line {wanted}"
        )
    return []


def _written(requirement: str) -> str:
    """Returns the path of a requirements file, which is there until this process ends."""
    file, path = tempfile.mkstemp(prefix="textbeam-requirements-", suffix=".txt")
    with os.fdopen(file, "w") as stream:
        stream.write(f"{requirement}\n")
    atexit.register(Path(path).unlink, missing_ok=True)
    return path
