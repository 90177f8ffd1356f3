"""Trials: a run with a fault, a look at what is left, the same run again, and a look at that."""

import contextlib
import io
import os
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import RunError, UserError
from tests.faults.injection import Fault, Injector, injected
from tests.faults.null_run import null_run
from tests.transforms.writing.results import rows_in_part
from transforms.verification import repair, verify
from transforms.writing.manifest import read_manifest

UNIT_BYTES = 300
"""Small, so that a few files make several units, and some of these several chunks."""

Row = tuple[str, int]


@dataclass(frozen=True)
class Scene:
    """What a run finds, and what it is to do.

    Attributes:
        name: What it is called in a table.
        before: Contents of the input files for an earlier, whole run; none if there was none.
        inputs: Contents of the input files.
        if_exists: What the run does about the earlier result.
        output_format: What both are written as.
    """

    name: str
    before: dict[str, str]
    inputs: dict[str, str]
    if_exists: str
    output_format: str = "parquet"


def _rows(name: str, count: int) -> str:
    return "".join(f"{name} row {number}\n" for number in range(count))


_A, _B, _C = _rows("a", 50), _rows("b", 5), _rows("c", 3)
_BAD = _B + "\x00not UTF-8\udcff\n"
_CHANGED = _rows("B", 8)

SCENES = [
    Scene("first", {}, {"a.txt": _A, "b.txt": _BAD, "c.txt": _C}, "error"),
    Scene("overwrite", {"a.txt": _A, "b.txt": _BAD}, {"a.txt": _C, "b.txt": _A}, "overwrite"),
    Scene("append", {"a.txt": _A, "b.txt": _BAD}, {"c.txt": _C, "d.txt": _BAD}, "append"),
    Scene(
        "update",
        {"a.txt": _A, "b.txt": _BAD, "gone.txt": _C},
        {"a.txt": _A, "b.txt": _CHANGED, "c.txt": _C},
        "update",
    ),
]
SCENES += [
    replace(SCENES[3], name="update csv", output_format="csv"),
    replace(SCENES[3], name="update jsonl", output_format="jsonl"),
]


def rows_of(scene: Scene, contents: dict[str, str], folder: Path) -> Counter[Row]:
    found: Counter[Row] = Counter()
    for name, content in contents.items():
        position = 0
        for line in content.encode("utf-8", "surrogateescape").split(b"\n")[:-1]:
            found[str(folder / "in" / name), position] += 1
            position += len(line) + 1
    return found


def rows_in(folder: Path) -> Counter[Row]:
    """The rows that a reader of all visible parts, rejected ones too, sees."""
    found: Counter[Row] = Counter()
    for path in sorted((folder / "out").glob("**/part-*")):
        if "_runs" not in path.parts:
            found.update(_places(path))
    return found


def _places(part: Path) -> Iterator[Row]:
    return ((row["source"], int(row["position"])) for row in rows_in_part(part))


def put(contents: dict[str, str], folder: Path) -> None:
    (folder / "in").mkdir(exist_ok=True)
    for old in (folder / "in").iterdir():
        if old.name not in contents:
            old.unlink()
    for name, content in contents.items():
        path = folder / "in" / name
        data = content.encode("utf-8", "surrogateescape")
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


class Trial:
    """One scene in a folder of its own."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene = scene
        self.folder = folder
        folder.mkdir(parents=True)
        if scene.before:
            put(scene.before, folder)
            self.run("error")
        put(scene.inputs, folder)
        self.before = rows_of(scene, scene.before, folder)
        self.after = self._expected()

    def _expected(self) -> Counter[Row]:
        ours = rows_of(self.scene, self.scene.inputs, self.folder)
        if self.scene.if_exists in ("error", "overwrite"):
            return ours
        # Rows of files that are as they were, or gone, stay.
        stay = {
            name: content
            for name, content in self.scene.before.items()
            if self.scene.if_exists == "append" or name not in self.scene.inputs
        }
        return ours + rows_of(self.scene, stay, self.folder)

    def run(self, if_exists: str) -> None:
        null_run(
            [str(self.folder / "in")], str(self.folder / "out"), if_exists, UNIT_BYTES,
            self.scene.output_format,
        )  # fmt: skip

    def fail(self, fault: Fault, at: int, lasts: bool = False) -> int | None:
        """Runs the scene in another process with a fault; returns how many operations it had.

        None stands for a process that was killed.
        """
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._fail_here(fault, at, lasts, writer)
        os.close(writer)
        with os.fdopen(reader) as said:
            count = said.read()
        os.waitpid(pid, 0)
        return int(count) if count else None

    def _fail_here(self, fault: Fault, at: int, lasts: bool, writer: int) -> None:
        injector = Injector(fault, at, lasts)
        with contextlib.redirect_stderr(io.StringIO()), injected(injector):
            try:
                self.run(self.scene.if_exists)
            except (UserError, RunError, KeyboardInterrupt, OSError):
                pass
            except BaseException:
                (self.folder / "unexpected").write_text(traceback.format_exc())
        os.write(writer, str(injector.count).encode())
        os._exit(0)

    def check(self) -> list[str]:
        """Says what is wrong after a fault, and after the same run again."""
        return [*self._look(), *self._again()]

    def _look(self) -> Iterator[str]:
        if (self.folder / "unexpected").exists():
            yield (self.folder / "unexpected").read_text()
        doubled = [row for row, count in rows_in(self.folder).items() if count > 1]
        if doubled:
            yield f"a reader of all parts sees {len(doubled)} rows twice"
        manifest = read_manifest(str(self.folder / "out"))
        if manifest is None:
            if self.before:
                yield "the manifest is gone"
            return
        listed: Counter[Row] = Counter()
        for part in (*manifest["parts"], *manifest["rejected_parts"]):
            path = self.folder / "out" / part["path"]
            if not path.exists():
                yield f"the manifest lists {part['path']}, which is gone"
                continue
            listed.update(_places(path))
        if listed not in (self.before, self.after):
            yield "the manifest lists neither the earlier result nor the new one"

    def _again(self) -> Iterator[str]:
        out = self.folder / "out"
        manifest = read_manifest(str(out))
        # Without its plan nothing tells that it died: it had done all but give the lock back.
        is_over = manifest is not None and not list(out.glob("_runs/*/plan.json"))
        if is_over and rows_in(self.folder) == self.after:
            repair(str(out))
        else:
            try:
                self.run(self.scene.if_exists)
            except UserError as error:
                if "--if_exists=update" not in str(error):
                    yield f"the same run again: {error}"
                    return
                self.run("update")
        if rows_in(self.folder) != self.after:
            yield "after the same run again the rows are not those that they should be"
        found = verify(str(out), [str(self.folder / "in")])
        yield from (f"verify: {problem}" for problem in (*found.problems, *found.notes))
        strays = {path.name for path in out.iterdir()} - {"_MANIFEST.json", "rejected"}
        strays = {name for name in strays if not name.startswith("part-")}
        if strays:
            yield f"left behind: {sorted(strays)}"


@contextlib.contextmanager
def trial(scene: Scene) -> Iterator[Trial]:
    """Gives a trial in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="trial-"))
    try:
        yield Trial(scene, folder / "trial")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
