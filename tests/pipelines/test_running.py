import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.runner import PipelineRunner, PipelineState

from models.errors import RunError
from pipelines import classify as classify_command
from pipelines import running
from pipelines.running import is_local, runner_of
from tests.pipelines.command_runs import run
from transforms.writing.folder import open_folder


class _Job:
    """A job on other machines, of which this process only knows how the wait for it ends."""

    def __init__(self, interrupted: bool, is_lost: bool = False) -> None:
        self._is_lost = is_lost
        self._interrupted = interrupted
        self.is_cancelled = False

    def wait_until_finish(self, duration=None):
        if self._interrupted and not self.is_cancelled:
            raise KeyboardInterrupt

    def cancel(self):
        self.is_cancelled = True

    @property
    def state(self):
        if self._is_lost:
            raise ConnectionError("who is there?")
        return PipelineState.CANCELLED if self.is_cancelled else PipelineState.DONE


class Elsewhere(PipelineRunner):
    """Submits jobs that do nothing."""

    job = _Job(interrupted=False)

    def run_pipeline(self, pipeline, options):
        return self.job


ELSEWHERE = f"--runner={__name__}.Elsewhere"


@pytest.mark.parametrize(
    ("flags", "runner"),
    [
        ([], "FnApiRunner"),
        (["--temp_location=gs://b/t"], "FnApiRunner"),
        (["--runner=DataflowRunner", "--project=p"], "DataflowRunner"),
        (["--project=p", "--runner", "PortableRunner"], "PortableRunner"),
        (["--runner=dataflow"], "DataflowRunner"),
        (["--runner=directrunner"], "DirectRunner"),
        (["--runner=apache_beam.runners.direct.direct_runner.DirectRunner"], "DirectRunner"),
        (["--runner=NoSuchRunner"], "NoSuchRunner"),
    ],
)
def test_the_runner_is_found_among_the_flags_of_beam(flags, runner):
    assert runner_of(flags) == runner


def test_runners_of_this_process_are_told_from_others():
    assert is_local("FnApiRunner")
    assert is_local("DirectRunner")
    assert not is_local("DataflowRunner")
    assert not is_local("PortableRunner")


@pytest.fixture
def earlier(classify, tmp_path):
    """A finished run."""
    (tmp_path / "a.txt").write_text("x")
    return classify(f"--input={tmp_path}/a.txt")


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*.*")}


def test_a_job_that_needs_this_process_is_cancelled_when_the_wait_for_it_is_interrupted(
    classify, earlier, tmp_path, monkeypatch
):
    job = _Job(interrupted=True)
    monkeypatch.setattr(Elsewhere, "job", job)
    before = files_in(earlier.folder)
    flags = (ELSEWHERE, "--environment_type=LOOPBACK", "--if_exists=overwrite")
    found = classify(f"--input={tmp_path}/a.txt", *flags)
    assert (found.code, found.out) == (130, "")
    assert found.error_line == "interrupted; nothing was added to the output"
    assert job.is_cancelled
    assert files_in(earlier.folder) == before


def test_a_job_elsewhere_goes_on_and_keeps_its_files_when_the_wait_for_it_is_interrupted(
    classify, earlier, tmp_path, monkeypatch
):
    job = _Job(interrupted=True, is_lost=True)
    monkeypatch.setattr(Elsewhere, "job", job)
    found = classify(f"--input={tmp_path}/a.txt", ELSEWHERE, "--if_exists=overwrite")
    assert (found.code, found.out) == (130, "")
    assert found.error_line.startswith("interrupted; the job may go on elsewhere, and its files")
    assert not job.is_cancelled
    assert list(earlier.folder.glob("_runs/*/plan.json"))
    again = classify(f"--input={tmp_path}/a.txt", "--if_exists=overwrite")
    assert "is being written by another run" in again.error


def test_the_results_of_an_earlier_run_are_not_taken_for_those_of_a_job_that_did_not_finish(
    classify, earlier, tmp_path
):
    found = classify(f"--input={tmp_path}/a.txt", ELSEWHERE, "--if_exists=append")
    assert (found.code, found.out) == (1, "")
    assert "holds no results of this run" in found.error_line
    assert not Elsewhere.job.is_cancelled


def test_a_job_is_written_for_dataflow_alone(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--template_location=gs://b/t/job")
    assert found.error == "--template_location=gs://b/t/job is for --runner=DataflowRunner"
    assert not found.folder.exists()


@pytest.fixture
def write_job(gcs_bucket, tmp_path):
    """Writes a job for Dataflow."""
    open_folder(gcs_bucket).write_whole("in/a.txt", b"x")
    flags = (
        *(f"--input={gcs_bucket}/in/a.txt", f"--output={gcs_bucket}/out"),
        *("--runner=DataflowRunner", "--project=p-roject", "--region=us-central1"),
        *(f"--temp_location={gcs_bucket}/t", f"--template_location={gcs_bucket}/job"),
        "--sdk_container_image=i:1",
    )
    return lambda: run(classify_command.main, tmp_path, *flags)


def test_a_job_that_is_written_keeps_its_output_without_anybody_waiting(write_job, monkeypatch):
    job = _Job(interrupted=True)
    monkeypatch.setattr(DataflowRunner, "run_pipeline", lambda *_, **__: job)
    found = write_job()
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("wrote the job to gs://textbeam-test/")
    assert not job.is_cancelled
    assert "is being written by another run" in write_job().error


def test_a_job_that_cannot_be_written_gives_its_output_back(write_job, gcs_bucket, monkeypatch):
    def fail(*_: object, **__: object):
        raise RunError("no such bucket")

    monkeypatch.setattr(DataflowRunner, "run_pipeline", fail)
    found = write_job()
    assert (found.code, found.out) == (1, "")
    assert "no such bucket" in found.error_line
    assert open_folder(f"{gcs_bucket}/out").files() == {}


def test_runs_at_the_same_time_leave_the_logs_as_they_were():
    level, show = logging.getLogger().level, threading.excepthook
    both_at_work = threading.Barrier(2, timeout=30)
    first_has_ended = threading.Event()

    def run(is_first: bool) -> None:
        with running._quiet_logs:
            both_at_work.wait()
            assert logging.getLogger().level == logging.CRITICAL
            if not is_first:
                first_has_ended.wait(30)
        first_has_ended.set()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [True, False]))
    assert logging.getLogger().level == level
    assert threading.excepthook is show
