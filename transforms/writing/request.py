"""What a run wants of an output folder, and whether it may have it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from transforms.errors import OutputError
from transforms.files import is_remote, secret_in
from transforms.writing.folder import OutputFolder
from transforms.writing.manifest import FORMAT_VERSION, MANIFEST, describe_columns
from transforms.writing.parts import result_files
from transforms.writing.recovery import share_done
from transforms.writing.run_plan import IfExists, RunPlan
from transforms.writing.schemas import written_schema

# Settings whose names say nothing to a user.
_TITLES = {"adds": "the new columns"}


def check_name(output: str) -> None:
    """Raises `OutputError` if a folder's name is empty, holds a secret, or is not UTF-8.

    Args:
        output: The folder, as the user wrote it.
    """
    if not output.strip():
        raise OutputError("--output is empty: give a folder")
    if problem := secret_in(output):
        raise OutputError(f"--output={problem}")
    try:
        output.encode()
    except UnicodeEncodeError:
        raise OutputError(f"--output={os.fsencode(output)!r} is not UTF-8: rename it") from None


@dataclass(frozen=True)
class Request:
    """What a run wants of a folder."""

    output: str
    if_exists: IfExists
    settings: Mapping[str, Any]
    metadata: Mapping[str, str]
    output_format: str
    replace_if: Callable[[Mapping[str, Any]], bool] | None
    paths: frozenset[str]

    def resolve(
        self, folder: OutputFolder, earlier: Mapping[str, Any] | None, dead: RunPlan | None
    ) -> IfExists:
        """Returns what becomes of what is in a folder.

        Raises:
            OutputError: It must not be touched.
        """
        results = result_files(folder)
        if self.if_exists == "overwrite":
            return "overwrite" if results or earlier is not None else "error"
        if self.if_exists == "error" and self._may_replace(earlier, dead):
            return "overwrite" if results or earlier is not None else "error"
        if earlier is None and results:
            raise OutputError(
                f"--output={self.output} holds {len(results)} part files and no {MANIFEST}: they "
                "are not this program's; replace them with --if_exists=overwrite or give another "
                "folder"
            )
        if self.if_exists == "error":
            self._refuse(folder, earlier, dead)
            return "error"
        if self.if_exists == "append":
            if earlier is not None:
                self._check_appendable(earlier)
            return "error" if earlier is None else "append"
        if dead is not None and (self.goes_on(dead) or earlier is None):
            self._check_settings(dead.settings, "the run there that did not finish")
            if dead.if_exists == "overwrite" and earlier is not None:
                return "overwrite"
        elif earlier is not None:
            self._check_version(earlier)
            self._check_settings(earlier["settings"], "its rows")
        return "error" if earlier is None else "update"

    def goes_on(self, dead: RunPlan) -> bool:
        """Returns whether an update is to finish a run that died, rather than forget it.

        One that was to replace the results is finished only for the input that it had: else an
        update of other files would take the results away.
        """
        if dead.settings != self.settings:
            return False
        return dead.if_exists != "overwrite" or self.paths.issuperset(
            map(dead.absolute, (file.path for file in dead.files))
        )

    def _may_replace(self, earlier: Mapping[str, Any] | None, dead: RunPlan | None) -> bool:
        if self.replace_if is None or (earlier is None and dead is None):
            return False
        sources = {"inputs": [{"source": file.path} for file in dead.files]} if dead else None
        return all(self.replace_if(result) for result in (earlier, sources) if result is not None)

    def _refuse(
        self, folder: OutputFolder, earlier: Mapping[str, Any] | None, dead: RunPlan | None
    ) -> None:
        if dead is not None:
            share = share_done(folder, dead)
            raise OutputError(
                f"--output={self.output} holds a run that did not finish ({share:.0%} of it is "
                "done): go on with --if_exists=update, or begin anew with --if_exists=overwrite"
            )
        if earlier is not None:
            rows = earlier.get("rows", {}).get("written", "unknown")
            raise OutputError(
                f"--output={self.output} holds results already ({rows} rows, finished "
                f"{earlier.get('finished', 'at an unknown time')}): give --if_exists=update, "
                "append or overwrite, or another folder"
            )

    def _check_version(self, earlier: Mapping[str, Any]) -> None:
        version = earlier.get("format_version")
        if version != FORMAT_VERSION:
            raise OutputError(
                f"--output={self.output} has a manifest of format version {version}, and this "
                f"program adds to version {FORMAT_VERSION}: give another folder or "
                "--if_exists=overwrite"
            )

    def _check_appendable(self, earlier: Mapping[str, Any]) -> None:
        self._check_version(earlier)
        if earlier["output_format"] != self.output_format:
            raise OutputError(
                f"--if_exists=append to --output={self.output}: its parts are "
                f"{earlier['output_format']}, and this run has "
                f"--output_format={self.output_format}: give --output_format="
                f"{earlier['output_format']}, or another folder"
            )
        for name, value in self.metadata.items():
            before = earlier["metadata"].get(name)
            if before != value:
                raise OutputError(
                    f"--if_exists=append to --output={self.output}: its rows were made with {name} "
                    f"{before}, this run has {value}"
                )

    def _check_settings(self, before: Mapping[str, Any], whose: str) -> None:
        for name in {**before, **self.settings}:
            old, new = before.get(name), self.settings.get(name)
            if old != new:
                title = _TITLES.get(name, name)
                raise OutputError(
                    f"--if_exists=update of --output={self.output}: {whose} had {title} "
                    f"{_shown(old)}, this one has {_shown(new)}; give the same options, or "
                    "--if_exists=overwrite"
                )


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} ({said})" for name, said in value.items()) or "none"
    return "none" if value is None else f"{value}"


def check_columns(earlier: Mapping[str, Any], schema: pa.Schema) -> None:
    """Checks that rows can stand beside those of an earlier result.

    Args:
        earlier: Manifest of the result.
        schema: Columns of the record batches that will be written.

    Raises:
        OutputError: They have other columns.
    """
    before, now = earlier["columns"], describe_columns(written_schema(schema))
    for name in [*before, *now]:
        if name not in now:
            problem = f"column {name} ({before[name]}) is in its results but not in this run"
        elif name not in before:
            problem = f"column {name} ({now[name]}) is in this run but not in its results"
        elif before[name] != now[name]:
            problem = f"column {name} is {before[name]} in its results and {now[name]} in this run"
        else:
            continue
        raise OutputError(problem)


def check_inputs_survive(folder: OutputFolder, if_exists: IfExists, sources: Sequence[str]) -> None:
    """Checks that a run does not remove what it is to read.

    Args:
        folder: The output folder.
        if_exists: What becomes of the results in it.
        sources: Paths of the inputs.

    Raises:
        OutputError: One of them is among these results.
    """
    if if_exists not in ("overwrite", "update"):
        return
    replaced = {f"{folder.path}/{name}" for name in result_files(folder)}
    for source in sources:
        if (source if is_remote(source) else os.path.abspath(source)) in replaced:
            raise OutputError(
                f"--if_exists={if_exists} would remove the input {source}: give another --output"
            )
