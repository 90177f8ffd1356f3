"""A submitter that waits for its job: what it says, and what it never touches."""

import json
import re
import time
from types import SimpleNamespace

import pytest

from pipelines.dataflow import watch
from tests.pipelines.dataflow.stub import PROJECT, REGION

WORKER_ERROR = """\
Traceback (most recent call last):
  File "/usr/local/lib/python3.11/site-packages/transforms/versions.py", line 99, in check_unchanged
    raise ChangedInputError(f"{path} has changed")
transforms.versions.ChangedInputError: gs://b/in/a.txt has changed [while running 'Read']
"""


def lines_of(err: str) -> list[str]:
    """What was said, without the times."""
    return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", "", line) for line in err.splitlines()]


def test_a_job_is_told_of_at_once_and_followed_to_its_end(
    stub, bucket, quick, on_poll, monkeypatch
):
    monkeypatch.setattr(watch, "_LINE_SECONDS", 0.0)

    def go_on(job, count):
        job.counters = {"rows_done": 600.0 * count, "bytes_read": 10.0 * count}
        if count == 3:
            job.say("a disk is full", "JOB_MESSAGE_WARNING")
            job.say("nothing worth telling")
        if count == 5:
            job.end("JOB_STATE_CANCELLED")

    on_poll(go_on)
    found = bucket.classify(*stub.flags(bucket.path))
    job = stub.last.id
    said = lines_of(found.err)
    console = f"https://console.cloud.google.com/dataflow/jobs/{REGION}/{job}?project={PROJECT}"
    assert said[:4] == [f"job {job} is submitted", f"console: {console}", "pending", "running"]
    assert any(re.fullmatch(r"600 rows, \d+%", line) for line in said)
    second = r"1,200 rows, [\d,]+ rows/s, \d+%, \d:\d\d left"
    assert any(re.fullmatch(second, line) for line in said)
    assert said.count("Dataflow: a disk is full") == 1
    assert "nothing worth telling" not in found.err
    assert said[-2:] == ["cancelled", f"error: job {job} was cancelled"]
    assert (found.code, found.out) == (1, "")
    assert bucket.files() == {}


def test_a_job_has_a_name_and_labels_by_which_its_run_is_found(stub, bucket, quick, on_poll):
    on_poll(lambda job, count: job.end("JOB_STATE_CANCELLED"))
    bucket.classify(*stub.flags(bucket.path), "--labels=team=search", "--max_rejected=1%")
    request = stub.last.request
    told = json.loads(stub.last.options["textbeam_run"])
    run_id = told.pop("run_id")
    assert told == {
        "command": "classify", "output": bucket.output, "max_rejected": "1%", "size": 20,
    }  # fmt: skip
    assert request["name"] == f"textbeam-classify-{run_id}"
    assert request["labels"] == {
        "team": "search", "textbeam-command": "classify", "textbeam-run": run_id,
    }  # fmt: skip
    bucket.classify(*stub.flags(bucket.path), "--job_name=mine")
    assert stub.last.request["name"] == "mine"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (403, "403 injected"),
        (401, "the login to Google Cloud is missing or has expired"),
        (404, "404 injected"),
        (429, "429 injected"),
        (503, "503 injected"),
        ("cut", "the connection was lost"),
        ("page", "another server answers in its place"),
        ("latin", "another server answers in its place"),
    ],
)
def test_a_poll_that_fails_harms_nothing(stub, bucket, quick, on_poll, fault, reason):
    before, after = [], []

    def fail(job, count):
        if count == 1:
            before.append(bucket.files())
        if 2 <= count < 6:
            return fault
        if count == 6:
            after.append(bucket.files())
            job.end("JOB_STATE_CANCELLED")
        return None

    on_poll(fail)
    found = bucket.classify(*stub.flags(bucket.path))
    said = lines_of(found.err)
    lost = [line for line in said if line.startswith("no answer (")]
    assert len(lost) == 1  # the same is told once
    assert reason in lost[0]
    assert lost[0].endswith("; the job goes on, and is asked for again")
    assert said[said.index(lost[0]) + 1] == "answers again"
    assert found.code == 1
    assert "was cancelled" in said[-1]
    assert before == after
    assert {name.rpartition("/")[2] for name in after[0]} == {
        "plan.json", "job.json", "lock-000001.json",
    }  # fmt: skip


def test_after_hours_without_an_answer_the_job_is_left_alone(
    stub, bucket, quick, on_poll, monkeypatch
):
    monkeypatch.setattr(watch, "_PATIENCE_SECONDS", 0.2)
    on_poll(lambda job, count: 403 if count > 1 else None)
    found = bucket.classify(*stub.flags(bucket.path))
    job = stub.last.id
    assert found.code == 1
    assert lines_of(found.err)[-1] == (
        f"error: no answer for 0:00 (403 injected); job {job} goes on: python -m pipelines.jobs "
        f"{job} --project={PROJECT} --region={REGION} --dataflow_endpoint={stub.url} says how it "
        "is going, and with --cancel ends it; what it leaves undone, --if_exists=update finishes"
    )
    assert stub.last.state == "JOB_STATE_RUNNING"
    assert any(name.endswith("plan.json") for name in bucket.files())
    assert not [path for method, path in stub.requests if method == "PUT"]


def test_an_interrupt_leaves_the_job_alone(stub, bucket, quick, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    # Of the watching alone: threads of the storage's client sleep, too.
    clock = SimpleNamespace(sleep=interrupt, monotonic=time.monotonic)
    monkeypatch.setattr(watch, "time", clock)
    found = bucket.classify(*stub.flags(bucket.path))
    job = stub.last.id
    assert found.code == 130
    assert f"error: interrupted; job {job} goes on: python -m pipelines.jobs {job}" in found.err
    assert stub.last.state == "JOB_STATE_RUNNING"
    assert not [path for method, path in stub.requests if method == "PUT"]
    assert any(name.endswith("plan.json") for name in bucket.files())


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (["The worker lost contact with the service.", WORKER_ERROR, "Workflow failed."],
         "gs://b/in/a.txt has changed"),
        (["Workflow failed. Causes: quota 'CPUS'\nexceeded"],
         "Workflow failed. Causes: quota 'CPUS' exceeded"),
        ([], "the service does not say why"),
    ],
    ids=["traceback", "message", "silent"],
)  # fmt: skip
def test_why_a_job_failed_is_one_line(stub, bucket, quick, on_poll, errors, said):
    def fail(job, count):
        if count == 1:
            for error in errors:
                job.say(error, "JOB_MESSAGE_ERROR")
            job.end("JOB_STATE_FAILED")

    on_poll(fail)
    found = bucket.classify(*stub.flags(bucket.path))
    assert found.code == 1
    assert lines_of(found.err)[-1] == f"error: job {stub.last.id} failed: {said}"
    assert bucket.files() == {}


def test_of_a_job_that_failed_the_share_that_is_done_is_kept(
    working_stub, bucket, quick, monkeypatch
):
    from transforms import read
    from transforms.reading import units

    monkeypatch.setattr(units, "_LEAST_BYTES", 10)
    process = read._ReadUnit.process

    def fail_at_the_second(self, element):
        unit, _ = element
        if "b.txt" in unit.files[0].path:
            raise MemoryError
        yield from process(self, element)

    from transforms.writing.folder import open_folder

    open_folder(bucket.path).write_whole("in/b.txt", b"another one\nand another")
    flags = (f"--input={bucket.path}/in/b.txt", *working_stub.flags(bucket.path))
    with monkeypatch.context() as patch:
        patch.setattr(read._ReadUnit, "process", fail_at_the_second)
        found = bucket.classify(*flags)
    assert found.code == 1
    kept = re.search(r"; (\d+)% of the work is kept: go on with --if_exists=update$", found.err)
    assert kept is not None, found.err
    assert 0 < int(kept[1]) < 100
    left = bucket.files()
    assert not any(name.endswith("job.json") or "lock" in name for name in left)
    again = bucket.classify(*flags, "--if_exists=update")
    assert again.code == 0
    assert again.out.startswith("4 rows labelled")
    assert len(working_stub.jobs) == 2
