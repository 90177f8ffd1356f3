"""The command that says how jobs on Dataflow are going."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from pipelines import classify as classify_command
from pipelines import jobs as jobs_command
from pipelines.dataflow.service import Service
from tests.pipelines.command_runs import run
from tests.pipelines.dataflow.stub import PROJECT, REGION
from transforms.writing.folder import open_folder


@pytest.mark.parametrize(
    "told",
    [
        "[]",
        '{"command": 1, "output": 5, "run_id": "20261127t000000-abcdef"}',
        '{"command": "classify", "output": "gs://b/o", "run_id": "../../elsewhere"}',
        '{"command": "classify", "output": "gs://b/o", "run_id": "20261127t000000-abcdef", '
        '"size": "big"}',
    ],
    ids=["list", "numbers", "path", "size"],
)
def test_what_another_program_says_of_its_run_is_not_believed(stub, jobs, quick, told):
    job = stub.add("x", environment={"sdkPipelineOptions": {"options": {"textbeam_run": told}}})
    assert "not known: the job is not of classify or embed" in jobs(job.id).out
    job.end()
    assert "does not say what it has written" in jobs(job.id).err


def test_jobs_are_listed_the_newest_first_without_those_of_others(stub, jobs):
    stub.add("textbeam-embed-1", "JOB_STATE_DONE", labels={"textbeam-command": "embed"})
    stub.add("somebody-else-s")
    stub.add("mine", "JOB_STATE_FAILED", labels={"textbeam-command": "classify"})
    newest = stub.add("textbeam-classify-2")
    newest.counters = {"rows_done": 1234567}
    found = jobs()
    assert (found.code, found.err) == (0, "")
    title, *rows = [re.split("  +", line.strip()) for line in found.out.splitlines()]
    assert title == ["job", "state", "rows", "started", "name"]
    assert [(row[1], row[2], row[-1]) for row in rows] == [
        ("running", "1,234,567", "textbeam-classify-2"),
        ("failed", "0", "mine"),
        ("done", "0", "textbeam-embed-1"),
    ]
    assert all(datetime.strptime(row[3], "%Y-%m-%d %H:%M") for row in rows)


def test_a_project_without_jobs_says_so(jobs):
    assert jobs().out == f"no jobs of Textbeam in {REGION} of project {PROJECT}\n"


def test_a_job_that_is_going_says_how_far_it_is(stub, bucket, jobs):
    bucket.classify(*stub.flags(bucket.path), "--detach")
    job = stub.last
    job.state, job.counters = "JOB_STATE_RUNNING", {"rows_done": 2000, "bytes_read": 5}
    found = jobs(job.id)
    assert (found.code, found.err) == (0, "")
    facts = dict(re.split("  +", line.strip(), maxsplit=1) for line in found.out.splitlines())
    assert facts["job"] == f"{job.id} ({job.request['name']})"
    assert facts["state"].startswith("running, started 20")
    assert (facts["rows"], facts["output"]) == ("2,000, 25% of the input", bucket.output)
    assert facts["console"].endswith(f"/{REGION}/{job.id}?project={PROJECT}")


def test_a_job_that_is_done_prints_what_its_run_would_have_printed(working_stub, bucket, quick):
    flags = working_stub.flags(bucket.path)
    waited = bucket.classify(*flags)
    job = working_stub.last

    def ask(*more: str):
        return run(jobs_command.main, Path("none"), job.id, *more, *working_stub.service_flags())

    found = ask()
    assert found.code == 0
    # Only who waited knows how long the start took, as the stub runs in its process.
    assert found.out.splitlines()[1:] == waited.out.splitlines()[1:]
    assert found.out.startswith("2 rows labelled in ")
    assert bucket.classify(*flags, "--if_exists=append").code == 0
    assert (
        ask().out
        == f"job {job.id} is done: 2 rows in {bucket.output}; another run was there since\n"
    )
    assert bucket.classify(*flags, "--if_exists=overwrite").code == 0
    replaced = ask()
    assert replaced.code == 1
    assert "does not hold its results: they were replaced or removed" in replaced.err


def test_too_many_rejected_rows_are_a_failure_here_too(working_stub, bucket, quick):
    open_folder(bucket.path).write_whole("in/b.jsonl", b'{"text": "good"}\n{"text": 3\n')
    given = (f"--input={bucket.path}/in/b.jsonl", f"--output={bucket.output}", "--max_rejected=0")
    flags = (*given, *working_stub.flags(bucket.path), "--detach")
    assert run(classify_command.main, Path("none"), *flags).code == 0
    assert working_stub.last.ended.wait(60)
    service = working_stub.service_flags()
    found = run(jobs_command.main, Path("none"), working_stub.last.id, *service)
    assert found.code == 1
    assert "error: 1 of 2 rows were rejected, more than --max_rejected=0 allows" in found.err


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_job_that_is_not_done_says_what_is_kept_and_changes_nothing(
    stub, bucket, jobs, quick, state
):
    bucket.classify(*stub.flags(bucket.path), "--detach")
    stub.last.end(f"JOB_STATE_{state}", "Workflow failed." if state == "FAILED" else "")
    before = bucket.files()
    found = jobs(stub.last.id)
    how = "failed: Workflow failed." if state == "FAILED" else "was cancelled"
    assert (found.code, found.out) == (1, "")
    assert found.err.splitlines()[-1] == (
        f"error: job {stub.last.id} {how}; nothing was added to {bucket.output}"
    )
    assert bucket.files() == before


def test_a_job_that_is_waited_for_is_followed_to_its_end(stub, bucket, jobs, quick, on_poll):
    bucket.classify(*stub.flags(bucket.path), "--detach")
    on_poll(lambda job, count: job.end("JOB_STATE_CANCELLED") if count == 5 else None)
    found = jobs(stub.last.id, "--wait")
    assert found.code == 1
    assert [line[21:] for line in found.err.splitlines()[:-1]] == ["running", "cancelled"]


def test_a_job_is_cancelled_when_a_user_says_so(stub, bucket, jobs):
    bucket.classify(*stub.flags(bucket.path), "--detach")
    found = jobs(stub.last.id, "--cancel")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"job {stub.last.id} is to end; python -m pipelines.jobs ")
    assert stub.last.state == "JOB_STATE_CANCELLED"
    again = jobs(stub.last.id, "--cancel")
    assert again.error == f"job {stub.last.id} has ended: it is cancelled"


def test_a_cancelling_that_is_interrupted_does_not_say_how_it_went(stub, jobs, monkeypatch):
    def interrupted(service, identity):
        raise KeyboardInterrupt

    job = stub.add("textbeam-classify-1")
    monkeypatch.setattr(Service, "cancel", interrupted)
    found = jobs(job.id, "--cancel")
    assert (found.code, found.error_line) == (130, f"interrupted; job {job.id} may go on, or end")


def test_a_job_of_another_program_is_not_cancelled(stub, jobs):
    job = stub.add("somebody-else-s")
    assert jobs(job.id, "--cancel").error == (
        f"job {job.id} (somebody-else-s) is not of classify or embed, and is left alone: gcloud "
        "dataflow jobs cancel ends any job"
    )
    assert job.state == "JOB_STATE_RUNNING"


def test_a_job_of_another_program_is_told_of_as_far_as_it_is_known(stub, jobs, quick):
    job = stub.add("somebody-else-s")
    assert "not known: the job is not of classify or embed" in jobs(job.id).out
    job.end()
    found = jobs(job.id)
    assert (found.code, found.out) == (0, "")
    assert "does not say what it has written" in found.err
    job.end("JOB_STATE_FAILED", "Workflow failed.")
    assert jobs(job.id).code == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("no-such-job",),
            f"there is no job no-such-job in {REGION} of project {PROJECT}; without",
        ),
        (("--cancel",), "--cancel needs the ID of a job; without an ID the jobs are listed"),
        (("--wait",), "--wait needs the ID of a job; without an ID the jobs are listed"),
        (("x", "--wait", "--cancel"), "not allowed with argument"),
        (("x", "y"), "'y' belongs to no option"),
        (("--porject=p",), "unknown option --porject; did you mean --project?"),
        (("a/b",), "'a/b' is not the id of a job; without an ID the jobs are listed"),
        (("..",), "'..' is not the id of a job; without an ID the jobs are listed"),
    ],
    ids=["no job", "cancel", "wait", "both", "two", "typo", "slash", "dots"],
)
def test_mistakes_are_one_line(jobs, flags, said):
    assert said in jobs(*flags).error


@pytest.mark.parametrize(
    ("flags", "missing"),
    [(["--region=us-central1"], "--project"), (["--project=p-roject"], "--region")],
)
def test_where_the_jobs_are_must_be_said(flags, missing, monkeypatch):
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)
    monkeypatch.setenv("PATH", "")  # no gcloud that knows a default
    found = run(jobs_command.main, Path("none"), *flags)
    assert found.error == f"{missing} is required: the one in which the jobs run"


def test_each_place_that_cannot_be_is_a_line(stub):
    flags = [*stub.service_flags(), "--project=a/b", "--region=us-central1-b", "a/b"]
    found = run(jobs_command.main, Path("none"), *flags)
    assert (found.code, found.out, stub.requests) == (2, "", [])
    assert [line.split(":")[1].split(" is ")[0] for line in found.err.splitlines()] == [
        " --project=a/b", " --region=us-central1-b", " 'a/b'",
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "code"), [(403, 2), (401, 2), (503, 1)])
def test_a_service_that_does_not_answer_is_one_line(stub, jobs, status, code):
    stub.fault = lambda method, path: status
    found = jobs()
    assert found.code == code
    assert found.error_line.startswith(f"Dataflow in {REGION} of project {PROJECT} does not answer")
