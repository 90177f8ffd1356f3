"""A Dataflow on loopback, whose jobs are in an emulated bucket."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import classify as classify_command
from pipelines import jobs as jobs_command
from pipelines.dataflow import watch
from tests.pipelines.command_runs import Run, run
from tests.pipelines.dataflow.stub import DataflowStub, StubJob, embedded
from transforms.writing.folder import open_folder


@pytest.fixture
def stub() -> Iterator[DataflowStub]:
    """A service whose jobs do nothing and run until the test ends them."""
    with DataflowStub() as stub:
        yield stub


@pytest.fixture
def working_stub() -> Iterator[DataflowStub]:
    """A service that runs what was staged, in threads of this process."""
    with DataflowStub(embedded) as stub:
        yield stub


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets jobs be asked for without a pause."""
    monkeypatch.setattr(watch, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "_COUNT_SECONDS", 0.0)
    monkeypatch.setattr(watch, "_CAUSE_SECONDS", 0.1)


@dataclass
class Bucket:
    """A folder of the emulated bucket: with an input of two rows, and maybe results."""

    path: str

    def __post_init__(self) -> None:
        open_folder(self.path).write_whole("in/a.txt", b"a good one\na bad one")

    @property
    def output(self) -> str:
        return f"{self.path}/out"

    def files(self) -> dict[str, bytes]:
        """Returns all that is in the output folder, but for how fresh its lock is."""
        from apache_beam.io.filesystems import FileSystems

        (found,) = FileSystems.match([f"{self.output}/**"])
        return {
            each.path.removeprefix(f"{self.output}/"): FileSystems.open(each.path).read()
            for each in found.metadata_list
        }

    def classify(self, *flags: str) -> Run:
        """Runs the command in this process."""
        given = (f"--input={self.path}/in/a.txt", f"--output={self.output}")
        return run(classify_command.main, Path("none"), *given, *flags)


@pytest.fixture
def bucket(gcs_bucket: str) -> Bucket:
    return Bucket(gcs_bucket)


@pytest.fixture
def jobs(stub: DataflowStub) -> Callable[..., Run]:
    """Asks the stub for jobs as a user does."""
    return lambda *flags: run(jobs_command.main, Path("none"), *flags, *stub.service_flags())


@pytest.fixture
def on_poll(stub: DataflowStub) -> Callable[[Callable[[StubJob, int], int | str | None]], None]:
    """Lets a function do something at each poll of a job's state: it gets the job and a count.

    What it returns is done instead of answering, as `DataflowStub.fault` has it.
    """
    count = iter(range(1_000_000))

    def register(do: Callable[[StubJob, int], int | str | None]) -> None:
        def fault(method: str, path: str) -> int | str | None:
            last = path.partition("?")[0].rpartition("/")[2]
            if method == "GET" and last in stub.jobs:
                return do(stub.jobs[last], next(count))
            return None

        stub.fault = fault

    return register
