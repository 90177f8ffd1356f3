"""Submitters as processes of their own, ended by signals while their job is at work."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.pipelines.command_runs import ENVIRONMENT, ROOT, TerminalProcess, screen


def command(stub, bucket, *flags: str) -> list[str]:
    given = (f"--input={bucket.path}/in/a.txt", f"--output={bucket.output}")
    return [sys.executable, "-m", "pipelines.classify", *given, *stub.flags(bucket.path), *flags]


def wait_for_polls(stub, count: int) -> None:
    deadline = time.monotonic() + 120
    while sum(method == "GET" for method, _ in stub.requests) < count:
        assert time.monotonic() < deadline, stub.requests
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name
)
def test_a_signal_ends_the_submitter_and_not_the_job(stub, bucket, number):
    process = subprocess.Popen(
        command(stub, bucket),
        cwd=ROOT,
        env={**ENVIRONMENT, **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_polls(stub, 3)
    before = bucket.files()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    job = stub.last
    assert bucket.files() == before
    assert any(name.endswith("job.json") for name in before)
    assert not [path for method, path in stub.requests if method == "PUT"]
    assert out == ""
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number
        assert f"error: interrupted; job {job.id} goes on: python -m pipelines.jobs" in err
    assert "Traceback" not in err
    # Whoever comes next, on any machine, finds the job at work; when it has ended, the folder.
    again = bucket.classify("--if_exists=overwrite")
    assert f"is being written by job {job.id} (running)" in again.error
    job.end("JOB_STATE_FAILED")
    assert bucket.classify("--if_exists=update").code == 0


@pytest.mark.slow
def test_on_a_terminal_a_bar_stands_below_what_is_said(stub, bucket):
    terminal = TerminalProcess(*command(stub, bucket), **os.environ)
    job = stub.wait_for_job()
    job.counters = {"rows_done": 1, "bytes_read": 10}
    terminal.wait_for("1 rows")
    terminal.wait_for("running")
    job.end("JOB_STATE_CANCELLED")
    code, out = terminal.finish()
    assert (code, out) == (1, "")
    lines = [line.partition("  ")[2] or line for line in screen(terminal.written)]
    assert lines[0] == f"job {job.id} is submitted"
    assert lines[2:-1] == ["pending", "running", "cancelled"]
    assert lines[-1] == f"error: job {job.id} was cancelled"
