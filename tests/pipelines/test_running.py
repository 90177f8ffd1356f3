import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.runners.runner import PipelineRunner, PipelineState

from pipelines import running
from pipelines.running import is_local, runner_of


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


def test_a_job_elsewhere_goes_on_when_the_wait_for_it_is_interrupted(
    classify, earlier, tmp_path, monkeypatch
):
    job = _Job(interrupted=True, is_lost=True)
    monkeypatch.setattr(Elsewhere, "job", job)
    found = classify(f"--input={tmp_path}/a.txt", ELSEWHERE, "--if_exists=overwrite")
    assert (found.code, found.out) == (130, "")
    assert found.error_line.startswith("interrupted; the job may go on elsewhere, and its files")
    assert not job.is_cancelled


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


def test_what_a_job_has_written_stays_if_nobody_knows_whether_it_goes_on(
    classify, earlier, tmp_path, monkeypatch
):
    monkeypatch.setattr(Elsewhere, "job", _Job(interrupted=True, is_lost=True))
    found = classify(f"--input={tmp_path}/a.txt", ELSEWHERE, "--if_exists=overwrite")
    assert (found.code, found.out) == (130, "")
    assert found.error_line.startswith("interrupted; the job may go on elsewhere, and its files")
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
