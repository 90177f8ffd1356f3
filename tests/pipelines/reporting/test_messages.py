import json
import logging
import math
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import orjson
import pytest

from models.errors import Advice, RunError, UserError
from pipelines.reporting.console import (
    progress_bar,
    progress_lines,
    run_command,
    transfer_bar,
)
from pipelines.reporting.messages import Manner, manner, say, say_outcome, shows_outcome
from pipelines.reporting.waits import waiting
from tests.pipelines.command_runs import run_process

SECRET = "https://ann:s3cretS3cret@example.com/a"


@pytest.fixture
def said(capsys):
    """Runs a command with flags; returns its exit code, standard output and standard error."""

    def run(command, *flags):
        code = run_command(command, flags)
        return (code, *capsys.readouterr())

    return run


def records(err: str) -> list[dict]:
    """The lines of standard error, each an object with what every one has."""
    found = [json.loads(line) for line in err.splitlines()]
    for record in found:
        moment = datetime.fromisoformat(record.pop("time").replace("Z", "+00:00"))
        assert moment.utcoffset().total_seconds() == 0
        assert record["severity"] in ("INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL")
        assert record["message"]
    return found


def speak(argv):
    say("INFO", "a third is done", rows=3)
    say("NOTICE", "a hint")
    say("WARNING", "a few rows were rejected")
    say_outcome("all is done", rows=9)
    return 0


# For a person


def test_what_goes_on_goes_to_standard_error_and_what_is_done_to_standard_output(said):
    assert said(speak) == (
        0,
        "all is done\n",
        "a third is done\nnote: a hint\nwarning: a few rows were rejected\n",
    )


def test_quiet_is_silent_of_all_but_what_is_wrong(said):
    assert said(speak, "--quiet") == (0, "", "note: a hint\nwarning: a few rows were rejected\n")

    def fail(argv):
        raise UserError("no such thing")

    assert said(fail, "--quiet") == (2, "", "error: no such thing\n")


def test_the_manner_ends_with_the_command(said):
    def look(argv):
        return 10 * manner().is_json + manner().is_quiet

    before, stderr = manner(), sys.stderr
    assert said(look, "--quiet", "--log_format=json")[0] == 11
    assert said(look)[0] == 0
    assert (manner(), sys.stderr) == (before, stderr)
    assert shows_outcome()


def test_commands_at_once_may_end_in_any_order(capsys):
    entered, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def first(argv):
        entered.set()
        begun.wait()
        return 0

    def second(argv):
        begun.set()
        ended.wait()
        say("INFO", "on the way")
        say("WARNING", "look")
        return 0

    before = manner()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(run_command, first, [])
        entered.wait()
        other = pool.submit(run_command, second, ["--quiet"])
        assert one.result() == 0
        ended.set()
        assert other.result() == 0
    assert manner() is before
    assert capsys.readouterr().err == "warning: look\n"


@pytest.mark.parametrize(
    ("argv", "is_json"),
    [
        (["--log_format=json"], True),
        (["--log_format", "json"], True),
        (["--log_format=text"], False),
        (["--log_format"], False),
        (["--log_format=json", "--log_format", "text"], False),
        (["--log_format", "text", "--log_format=json"], True),
        (["json"], False),
        ([], False),
    ],
    ids=str,
)
def test_the_format_is_known_before_flags_are_parsed(argv, is_json):
    assert Manner.asked(argv).is_json is is_json


# For a scheduler


def test_every_line_is_an_object_and_the_last_one_has_the_exit_code(said):
    code, out, err = said(speak, "--log_format=json")
    assert (code, out) == (0, "")
    *found, last = records(err)
    assert found == [
        {"severity": "INFO", "message": "a third is done", "rows": 3},
        {"severity": "NOTICE", "message": "a hint"},
        {"severity": "WARNING", "message": "a few rows were rejected"},
        {"severity": "INFO", "message": "all is done", "rows": 9},
    ]
    assert last.pop("seconds") >= 0
    assert last == {"severity": "INFO", "message": "ended with exit code 0", "exit_code": 0}


@pytest.mark.parametrize(
    ("error", "code"), [(UserError, 2), (RunError, 1), (KeyboardInterrupt, 130)], ids=str
)
def test_an_error_is_an_object_too(said, error, code):
    def fail(argv):
        raise error("no luck")

    ended, out, err = said(fail, "--log_format=json")
    assert (ended, out) == (code, "")
    first, last = records(err)
    assert first["severity"] == "ERROR"
    assert "no luck" in first["message"]
    assert (last["severity"], last["exit_code"]) == ("ERROR", code)


def test_a_mistake_of_the_program_is_one_object_with_its_traceback(said):
    code, _, err = said(lambda argv: 1 // 0, "--log_format=json")
    assert code == 1
    first, last = records(err)
    assert first["severity"] == "CRITICAL"
    assert first["message"].startswith("Traceback (most recent call last)")
    assert "ZeroDivisionError" in first["message"]
    assert last["exit_code"] == 1


def test_what_libraries_log_print_and_warn_of_is_objects(said):
    def work(argv):
        logger = logging.getLogger("a_library")
        logger.warning("trying %s again", SECRET)
        logger.error("failed")
        logger.info("nothing worth telling")
        print("half ", end="", file=sys.stderr)
        print("a line\nanother", file=sys.stderr)
        warnings.warn("buy a larger machine", Advice, stacklevel=1)
        sys.stderr.write("unfinished")
        return 0

    _, out, err = said(work, "--log_format=json")
    assert out == ""
    found = [(record["severity"], record["message"]) for record in records(err)]
    assert found[:-1] == [
        ("WARNING", "trying https://***@example.com/a again"),
        ("ERROR", "failed"),
        ("NOTICE", "half a line"),
        ("NOTICE", "another"),
        ("NOTICE", "buy a larger machine"),
        ("NOTICE", "unfinished"),
    ]
    assert records(err)[0]["logger"] == "a_library"


def test_an_object_has_no_secret_and_no_line_break(said):
    def work(argv):
        say("INFO", f"read {SECRET}\nand \x1b[31mmore\u2028", path=SECRET)
        return 0

    err = said(work, "--log_format=json")[2]
    assert len(err.splitlines()) == 2
    assert "s3cretS3cret" not in err
    assert err.isascii()
    assert "\x1b" not in err


def test_numbers_that_json_lacks_are_null(said):
    def work(argv):
        say("INFO", "an epoch", loss=math.nan, figures={"f1": math.inf, "rows": 3})
        return 0

    record = records(said(work, "--log_format=json")[2])[0]
    assert record["loss"] is None
    assert record["figures"] == {"f1": None, "rows": 3}


def test_a_name_that_is_no_text_is_an_object_that_every_reader_takes(said):
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")

    def work(argv):
        print(f"of a library: {name}", file=sys.stderr)
        raise UserError(f"no such file: {name}")

    err = said(work, "--log_format=json")[2]
    found = [orjson.loads(line)["message"] for line in err.encode().splitlines()]
    assert found[:2] == ["of a library: caf\\udce9.txt", "no such file: caf\\udce9.txt"]


def test_a_usage_error_of_the_process_is_an_object(tmp_path):
    done = run_process("classify", tmp_path, "--log_format=json", "--nothing=3")
    assert (done.code, done.out) == (2, "")
    first, last = records(done.err)
    assert "unknown option --nothing" in first["message"]
    assert last["exit_code"] == 2


# Progress without a terminal


def work_of(rows_a_look):
    """What `progress_bar` reads: a tenth of the work more at each look."""
    done = iter(range(1_000_000))

    def read():
        looks = next(done)
        return 10.0 * looks, rows_a_look * looks

    return read


@pytest.fixture
def clock(monkeypatch):
    """The time, which tests set."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def look_at_work(clock):
    """A command that looks every 20 seconds for 150 how far its work is, and says so each 60."""

    def work(argv):
        look = progress_lines(1_000, work_of(500), every=60.0)
        for _ in range(8):
            look()
            clock[0] += 20
        return 0

    return work


def test_a_line_tells_rows_speed_share_and_time_left(said, clock):
    _, out, err = said(look_at_work(clock))
    assert out == ""
    assert err.splitlines() == [
        "1,500 rows, 25 rows/s, 3%, 32:20 left",
        "3,000 rows, 25 rows/s, 6%, 31:20 left",
    ]


def test_progress_for_a_scheduler_is_numbers(said, clock):
    first, second, last = records(said(look_at_work(clock), "--log_format=json")[2])
    assert first.pop("message").startswith("1,500 rows, ")
    facts = {"rows": 1_500, "rows_per_second": 25.0, "percent": 3.0, "seconds_left": 1_940}
    assert first == {"severity": "INFO", **facts}
    assert second["rows"] == 3_000
    assert last["exit_code"] == 0


def test_work_is_looked_at_again_and_again(said):
    looks, enough = work_of(500), threading.Event()

    def read():
        done, rows = looks()
        if rows == 1_500:
            enough.set()
        return done, rows

    def work(argv):
        with progress_bar(1_000, read, every=0.001):
            enough.wait(60)
        return 0

    _, out, err = said(work)
    assert out == ""
    assert {"starting: no rows yet", "500 rows, 1%"} <= {*err.splitlines()}


@pytest.mark.parametrize("flags", [["--quiet"], ["--quiet", "--log_format=json"]], ids=str)
def test_nobody_who_wants_quiet_hears_of_progress(said, flags):
    def work(argv):
        with progress_bar(1_000, lambda: 1 // 0, every=0.0) as tell:
            tell("a job is submitted")
        with transfer_bar("weights") as on_progress, waiting("drawing a map"):
            assert on_progress is None
        return 0

    assert said(work, *flags) == (0, "", "")


def test_what_is_transferred_is_told_in_lines(said, monkeypatch):
    monkeypatch.setattr("pipelines.reporting.console.LINE_SECONDS", 0.0)

    def work(argv):
        with transfer_bar("some\nweights") as on_progress:
            on_progress(1_000_000, 4_000_000)
            monkeypatch.undo()
            on_progress(2_000_000, 4_000_000)
            on_progress(3_000_000, 4_000_000)  # within the same minute
        return 0

    told = "some weights: 1.0 MB of 4.0 MB, 25%\nsome weights: 2.0 MB of 4.0 MB, 50%\n"
    assert said(work) == (0, "", told)


def test_short_runs_say_nothing_on_the_way(said):
    def work(argv):
        with (
            progress_bar(10, lambda: (5, 5)),
            transfer_bar("weights") as on_progress,
            waiting("drawing a map"),
        ):
            on_progress(1, 2)
        return 0

    assert said(work) == (0, "", "")
