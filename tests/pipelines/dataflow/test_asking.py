"""A run that finds a job of an earlier one in its output folder."""

import json

import pytest

from pipelines import verify as verify_command
from pipelines.dataflow import asking, service
from tests.pipelines.command_runs import run
from tests.pipelines.dataflow.stub import PROJECT, REGION
from transforms.writing import lock
from transforms.writing.folder import open_folder


@pytest.fixture
def detached(stub, bucket, monkeypatch):
    """A job at work, whose submitter is gone, and whose lock counts as dead by its silence."""
    monkeypatch.setattr(lock, "_SILENT_SECONDS_ELSEWHERE", -1)
    assert bucket.classify(*stub.flags(bucket.path), "--detach").code == 0
    monkeypatch.setattr(lock, "_HELD", set())
    return stub.last


@pytest.mark.parametrize(
    ("runner", "if_exists"),
    [
        ("here", "error"),
        ("here", "overwrite"),
        ("here", "append"),
        ("here", "update"),
        ("dataflow", "update"),
    ],
)
def test_a_second_run_leaves_a_job_at_work_alone(stub, bucket, detached, runner, if_exists):
    detached.state = "JOB_STATE_RUNNING"
    before = bucket.files()
    flags = stub.flags(bucket.path) if runner == "dataflow" else []
    found = bucket.classify(*flags, f"--if_exists={if_exists}")
    service = f"--project={PROJECT} --region={REGION} --dataflow_endpoint={stub.url}"
    assert found.error == (
        f"--output={bucket.output} is being written by job {detached.id} (running): wait for its "
        f"end (python -m pipelines.jobs {detached.id} {service} --wait), end it (--cancel), or "
        "give another folder"
    )
    assert bucket.files() == before
    assert len(stub.jobs) == 1


def test_a_repair_leaves_a_job_at_work_alone(bucket, detached, tmp_path):
    before = bucket.files()
    found = run(verify_command.main, tmp_path, bucket.output, "--repair")
    assert f"is being written by job {detached.id}" in found.error
    assert bucket.files() == before


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "DONE"])
def test_a_job_that_has_ended_is_no_longer_waited_for_however_young_its_lock(stub, bucket, state):
    bucket.classify(*stub.flags(bucket.path), "--detach")
    stub.last.end(f"JOB_STATE_{state}")
    found = bucket.classify(*stub.flags(bucket.path), "--if_exists=update", "--detach")
    assert found.code == 0
    assert len(stub.jobs) == 2
    records = [json.loads(c) for name, c in bucket.files().items() if name.endswith("job.json")]
    assert [record["id"] for record in records] == [stub.last.id]


@pytest.mark.parametrize("status", [403, 401, 503])
def test_a_job_that_cannot_be_asked_for_may_be_at_work(stub, bucket, detached, status):
    stub.fault = lambda method, path: status
    before = bucket.files()
    found = bucket.classify("--if_exists=overwrite")
    assert found.error.startswith(
        f"--output={bucket.output} is being written by job {detached.id}, unless that has ended, "
        "which cannot be asked: "
    )
    assert bucket.files() == before


def with_record(bucket, **changes):
    """Changes the record of a job, as anybody can who writes to the bucket."""
    folder = open_folder(bucket.output)
    (name,) = [name for name in bucket.files() if name.endswith("job.json")]
    folder.write_whole(name, json.dumps({**json.loads(folder.read(name)), **changes}).encode())


@pytest.mark.parametrize("is_given", [False, True], ids=["found", "given"])
def test_a_login_is_sent_to_google_or_where_the_user_says(
    stub, bucket, detached, monkeypatch, is_given
):
    from google.auth.credentials import AnonymousCredentials

    sent = []
    make = asking.Service._client

    def note(self, kind):
        sent.append(service._credentials(self._options))
        return make(self, kind)

    monkeypatch.setattr(asking.Service, "_client", note)
    detached.state = "JOB_STATE_RUNNING"
    given = [f"--dataflow_endpoint={stub.url}"] if is_given else []
    found = bucket.classify("--if_exists=overwrite", *given)
    assert "is being written by job" in found.error
    assert [isinstance(each, AnonymousCredentials) for each in sent] == [not is_given]


@pytest.mark.parametrize(
    ("endpoint", "is_google"),
    [
        ("", True),
        ("https://dataflow.googleapis.com", True),
        ("dataflow.us-central1.rep.googleapis.com", True),
        ("http://dataflow.googleapis.com", False),
        ("https://dataflow.googleapis.com.evil.example", False),
        ("https://evil.example/dataflow.googleapis.com", False),
        ("https://evil.example#.googleapis.com", False),
    ],
)
def test_google_is_known_by_its_address(endpoint, is_google):
    assert bool(asking._GOOGLE.fullmatch(endpoint)) == is_google


def test_a_record_that_is_none_is_passed_over(bucket, detached):
    with_record(bucket, project=3)
    assert bucket.classify("--if_exists=update").code == 0


def test_a_command_to_copy_holds_nothing_that_a_shell_obeys():
    place = asking.Place("p; rm -rf x", "$(id)", "")
    assert place.watching("a b") == (
        "python -m pipelines.jobs 'a b' '--project=p; rm -rf x' '--region=$(id)'"
    )


def test_of_a_job_that_no_service_knows_the_lock_decides(stub, bucket, detached):
    stub.jobs.clear()
    assert bucket.classify("--if_exists=update").code == 0


def forget_id(bucket):
    """Leaves what a submitter has written that was killed before the service answered."""
    with_record(bucket, id=None)


def test_a_job_whose_submitter_was_killed_before_it_knew_the_id_is_found_by_its_name(
    bucket, detached
):
    forget_id(bucket)
    found = bucket.classify("--if_exists=overwrite")
    assert f"is being written by job {detached.id} (pending)" in found.error


def test_a_submission_that_may_be_under_way_is_left_alone(stub, bucket):
    bucket.classify(*stub.flags(bucket.path), "--detach")
    forget_id(bucket)
    stub.jobs.clear()
    before = bucket.files()
    found = bucket.classify("--if_exists=overwrite")
    assert "is being written by another run: wait for it" in found.error
    assert bucket.files() == before


def test_a_submitter_that_finds_its_folder_taken_over_removes_nothing(stub, bucket, quick, on_poll):
    """The job fails while nobody asks for it; another run goes on before its submitter knows."""
    kept = []

    def take_over(job, count):
        if count == 1:
            job.end("JOB_STATE_FAILED", "Workflow failed.")
            stub.fault = lambda method, path: None
            again = bucket.classify(*stub.flags(bucket.path), "--if_exists=update", "--detach")
            assert again.code == 0, again.err
            kept.append(bucket.files())

    on_poll(take_over)
    assert bucket.classify(*stub.flags(bucket.path)).code == 1
    assert len(stub.jobs) == 2
    assert bucket.files() == kept[0]
