"""What is known of a job when its submission does not go well, and jobs that are left alone."""

import json
import re

import pytest
from apache_beam.runners.dataflow.internal import apiclient
from apache_beam.utils import retry

from pipelines.failures import cause_in_texts
from tests.pipelines.dataflow import stub as stub_module
from tests.pipelines.dataflow.stub import PROJECT, REGION, StubJob, embedded
from tests.pipelines.dataflow.templates import IMAGE, Template


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    """Lets Beam's client try again at once."""
    monkeypatch.setattr(retry.Clock, "sleep", lambda self, seconds: None)


def at_creation(fault):
    """Lets requests for a job fail."""
    return lambda method, path: fault if method == "POST" else None


def test_a_job_that_is_left_alone_is_submitted_and_nothing_else(stub, bucket):
    found = bucket.classify(*stub.flags(bucket.path), "--detach")
    job = stub.last
    assert (found.code, job.state) == (0, "JOB_STATE_PENDING")
    service = f"--project={PROJECT} --region={REGION} --dataflow_endpoint={stub.url}"
    assert found.out == f"watch it with: python -m pipelines.jobs {job.id} {service}\n"
    assert [line.split(" ")[0] for line in found.err.splitlines()] == ["job", "console:"]
    assert [method for method, _ in stub.requests] == ["GET", "POST"]  # one to check the project
    record = next(content for name, content in bucket.files().items() if "job.json" in name)
    assert json.loads(record)["id"] == job.id


def test_a_program_is_told_which_job_is_left_alone(stub, bucket):
    found = bucket.classify(*stub.flags(bucket.path), "--detach", "--json")
    run_id = stub.last.request["labels"]["textbeam-run"]
    assert json.loads(found.out) == {
        "status": "submitted", "output": bucket.output, "run_id": run_id, "job": stub.last.id,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "where"),
    [
        ((), "the work is done in this process"),
        (("--runner=DirectRunner",), "the work is done in this process"),
        (("--runner=PortableRunner", "--job_endpoint=localhost:1"), "and not for PortableRunner"),
    ],
    ids=["none", "direct", "portable"],
)
def test_only_a_job_that_can_be_found_again_is_left_alone(bucket, flags, where):
    found = bucket.classify("--detach", *flags)
    assert found.error == f"--detach is for jobs of --runner=DataflowRunner; {where}"
    assert bucket.files() == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_job_that_the_service_refuses_is_a_mistake(stub, bucket, status):
    stub.fault = at_creation(status)
    found = bucket.classify(*stub.flags(bucket.path))
    assert found.error.startswith(f"Dataflow in {REGION} of project {PROJECT} did not take the job")
    assert "injected" in found.error or "gcloud auth application-default login" in found.error
    assert bucket.files() == {}


def test_a_second_job_of_a_name_is_a_mistake(stub, bucket):
    stub.add("mine")
    found = bucket.classify(*stub.flags(bucket.path), "--job_name=mine")
    assert "There is already active job named mine" in found.error
    assert bucket.files() == {}


def test_a_job_is_followed_though_the_answer_that_named_it_was_lost(stub, bucket):
    stub.fault = at_creation("lost")
    found = bucket.classify(*stub.flags(bucket.path), "--detach")
    assert found.code == 0
    assert len(stub.jobs) == 1
    assert f"job {stub.last.id} is submitted" in found.err
    record = next(content for name, content in bucket.files().items() if "job.json" in name)
    assert json.loads(record)["id"] == stub.last.id


@pytest.mark.parametrize("fault", [503, "cut"])
def test_what_may_be_at_work_is_not_touched(stub, bucket, fault):
    stub.fault = at_creation(fault)
    found = bucket.classify(*stub.flags(bucket.path))
    assert found.code == 1
    assert (
        f"may have been submitted, and its files stay: python -m pipelines.jobs --project={P}"
        in (found.err)
    )
    assert any(name.endswith("plan.json") for name in bucket.files())


P = PROJECT


def test_files_that_cannot_be_staged_leave_nothing(stub, bucket, monkeypatch):
    def refuse(*_):
        raise OSError("no space")

    monkeypatch.setattr(apiclient.DataflowApplicationClient, "stage_file", refuse)
    found = bucket.classify(*stub.flags(bucket.path))
    assert (found.code, found.out) == (1, "")
    assert "no space" in found.error_line
    assert bucket.files() == {}
    assert not stub.jobs


def test_an_interrupt_before_the_job_is_asked_for_leaves_nothing(stub, bucket, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(apiclient.DataflowApplicationClient, "stage_file", interrupt)
    found = bucket.classify(*stub.flags(bucket.path))
    assert found.code == 130
    assert found.error_line == "interrupted; nothing was added to the output"
    assert bucket.files() == {}
    assert not stub.jobs


def test_an_interrupt_after_the_job_is_made_leaves_it_alone(stub, bucket, monkeypatch):
    from apache_beam.runners.dataflow import dataflow_runner

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataflow_runner.DataflowPipelineResult, "__init__", interrupt)
    found = bucket.classify(*stub.flags(bucket.path))
    assert found.code == 130
    assert f"interrupted; job {stub.last.id} goes on" in found.err
    assert any(name.endswith("job.json") for name in bucket.files())


def test_a_written_job_that_is_started_late_or_twice_changes_nothing(bucket, tmp_path, monkeypatch):
    """Somebody else may start it whenever he likes."""
    from transforms.writing import lock

    template = Template(tmp_path, bucket.path)
    written = template.run(IMAGE, f"--output={bucket.output}")
    assert written.code == 0, written.err
    first = template.pipeline()
    assert "is being written by another run" in bucket.classify().error
    monkeypatch.setattr(lock, "_owner", lambda *_: "dead")  # half an hour later
    assert bucket.classify("--if_exists=update").code == 0
    before = bucket.files()
    job = StubJob(0, {})
    monkeypatch.setattr(StubJob, "pipeline", lambda self: first)
    stub_module._run(job, embedded)
    assert job.state == "JOB_STATE_FAILED"
    said = cause_in_texts([job.messages[-1]["messageText"]])
    assert re.fullmatch(
        rf"run \S+ is not planned in {bucket.output} any more: it has ended, or another took its "
        "place",
        said,
    )
    assert bucket.files() == before
