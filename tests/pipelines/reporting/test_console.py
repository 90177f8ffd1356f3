import errno
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from pipelines.reporting.console import progress_bar, report, run_command, run_process
from tests.pipelines.command_runs import (
    ENVIRONMENT,
    ROOT,
    Run,
    TerminalProcess,
    screen,
)
from tests.pipelines.conftest import TEXTS

MANY = 600_000


@pytest.fixture(scope="module")
def large_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes seconds to label: many texts, no two alike."""
    words = " ".join(TEXTS).split()
    generator = random.Random(0)
    starts = [" ".join(generator.choices(words, k=30)) for _ in range(1_000)]
    texts = [f"{starts[row % len(starts)]} {row}" for row in range(MANY)]
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    pq.write_table(pa.table({"text": texts}), path)
    return path


# Exit codes


def test_what_a_command_returns_is_its_exit_code(capsys):
    assert run_command(lambda argv: len(argv), ["a", "b", "c"]) == 3
    assert capsys.readouterr() == ("", "")


def test_without_arguments_those_of_the_process_are_taken(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["the command", "--flag"])
    found = []
    run_command(lambda argv: found.extend(argv) or 0, None)
    assert found == ["--flag"]


def test_the_users_mistake_is_one_line_and_exit_code_2(capsys):
    def fail(argv):
        raise UserError("no column 'a';\nthere is 'b'")

    assert run_command(fail, []) == 2
    assert capsys.readouterr() == ("", "error: no column 'a'; there is 'b'\n")


def test_an_interrupt_is_one_line_and_exit_code_130(capsys):
    def interrupt(argv):
        raise KeyboardInterrupt

    assert run_command(interrupt, []) == 130
    assert capsys.readouterr() == ("", "error: interrupted; nothing was added to the output\n")


def test_a_mistake_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda argv: 1 // 0, [])


def run_as_process(
    body: str, redirection: str = "", before: str = "", **environment: str
) -> tuple[int, str, str]:
    """Runs a body of a `main` as a process does; returns its exit code and what it printed."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    code = f"""
import os, signal, sys, threading, time
from {run_process.__module__} import report, run_command, run_process
def main():
{lines}
run_process(main)
"""
    done = subprocess.run(
        ["sh", "-c", f'{before} exec "$0" -c "$1" {redirection}', sys.executable, code],
        cwd=ROOT,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_process_ends_at_once_with_what_it_printed():
    body = """
threading.Thread(target=time.sleep, args=(60,)).start()
print("the last words")
return 7
"""
    assert run_as_process(body) == (7, "the last words\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_told_to_end_cleans_up_first(number):
    body = f"""
def command(argv):
    try:
        os.kill(os.getpid(), {number:d})
        time.sleep(60)
    finally:
        print("clean")
return run_command(command, [])
"""
    told = "error: interrupted; nothing was added to the output\n"
    assert run_as_process(body) == (128 + number, "clean\n", told)


def test_a_process_that_is_to_outlive_its_terminal_does():
    body = "os.kill(os.getpid(), signal.SIGHUP)\nreturn 7"
    assert run_as_process(body, before="trap '' HUP;") == (7, "", "")


def test_letters_that_the_output_lacks_are_no_error():
    found = run_as_process("print('caf\\xe9')\nreturn 0", PYTHONIOENCODING="ascii")
    assert found == (0, "caf?\n", "")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_streams_that_take_nothing_are_no_error(redirection, tmp_path):
    body = f"""
with open({str(tmp_path / "file")!r}, "w") as file, report("done"):
    os.write(2, b"of native code")
    print("the last words", flush=True)
print("an error", file=sys.stderr)
return 7
"""
    assert run_as_process(body, redirection)[0] == 7
    assert (tmp_path / "file").read_bytes() == b""


def test_a_report_that_nobody_can_read_leaves_the_result_as_it_is(capsys):
    with report("it is done"):
        raise BrokenPipeError
    with report("it is done"):
        raise SystemExit(1)  # what rich does then
    assert capsys.readouterr().err == ""
    with report("it is done"):
        raise OSError(errno.ENOSPC, "No space left on device")
    told = "error: it is done, and cannot be told of: No space left on device\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(("said", "told"), [("", "it is done"), ("half of it is", "half of it is")])
def test_who_interrupts_a_report_is_told_what_is_done(said, told):
    with pytest.raises(KeyboardInterrupt, match=f"^{told}$"), report("it is done"):
        raise KeyboardInterrupt(said)


def test_a_command_whose_output_nobody_reads_ends_with_one_line(capsys):
    def fail(argv):
        raise BrokenPipeError

    assert run_command(fail, []) == 1
    assert capsys.readouterr().err.startswith("error: standard output was closed")


# The progress bar


def test_without_a_terminal_there_is_no_bar(capsys):
    with progress_bar(10, lambda: (5, 5), seconds=0.001):
        pass
    assert capsys.readouterr() == ("", "")


def test_the_time_left_is_told_in_hours_where_it_takes_hours():
    # A tenth of a hundredth of the work each time that it looks, fifty times a second.
    code = """
import itertools, time
from pipelines.reporting import late_bar
from pipelines.reporting.console import progress_bar
late_bar.SECONDS = 0.0
done = itertools.count()
with progress_bar(1_000_000, lambda: ((n := next(done)), 3 * n), seconds=0.02):
    time.sleep(1.6)
"""
    terminal = TerminalProcess(sys.executable, "-c", code)
    assert terminal.finish() == (0, "")
    assert "starting" in terminal.written
    assert " rows/s" in terminal.written
    hours = int(terminal.written.rpartition(" left")[0].split()[-1].split(":")[0])
    assert 4 <= hours <= 12  # 5.6 on an idle machine
    assert screen(terminal.written) == []


@pytest.mark.slow
def test_a_terminal_shows_rows_speed_and_time_left_and_is_clean_afterwards(
    tiny_preset, large_corpus, tmp_path
):
    folder = tmp_path / "out"
    terminal = TerminalProcess(
        *(sys.executable, "-m", "pipelines.classify", f"--input={large_corpus}"),
        *(f"--preset={tiny_preset}", f"--output={folder}"),
    )
    code, out = terminal.finish()
    shown = terminal.written
    assert code == 0, shown
    assert Run(code, out, "", folder).manifest["rows"]["written"] == MANY
    assert out.startswith(f"{MANY:,} rows labelled in ")
    assert "starting" in shown
    for pattern in (r"\d,\d{3} rows", r"[\d,]+ rows/s", r"\d:\d\d left"):
        assert re.search(pattern, shown), pattern
    assert screen(shown) == []
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


@pytest.mark.slow
def test_a_run_that_was_interrupted_says_in_one_line_how_to_go_on(
    tiny_preset, large_corpus, tmp_path, classify
):
    folder = tmp_path / "out"
    terminal = TerminalProcess(
        *(sys.executable, "-m", "pipelines.classify", f"--input={large_corpus}"),
        *(f"--preset={tiny_preset}", f"--output={folder}"),
    )
    terminal.wait_for(r"\d,\d{3} rows")
    assert list(folder.glob("_runs/*/plan.json"))
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == (130, "")
    (said,) = screen(terminal.written)
    kept = re.fullmatch(
        r"error: interrupted; (\d+)% of the work is kept: go on with --if_exists=update", said
    )
    assert kept or said == "error: interrupted; nothing was added to the output"
    refused = classify(f"--input={large_corpus}")
    if kept:
        assert f"did not finish ({kept[1]}% of it is done): go on with" in refused.error
    finished = classify(f"--input={large_corpus}", "--if_exists=update")
    assert finished.manifest["rows"]["written"] == MANY
    assert finished.column("position") == list(range(MANY))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_earlier_results(tiny_preset, large_corpus, classify, tmp_path, number):
    (tmp_path / "a.txt").write_text("x")
    earlier = classify(f"--input={tmp_path}/a.txt")
    before = {path: path.read_bytes() for path in earlier.folder.rglob("*") if path.is_file()}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pipelines.classify", f"--input={large_corpus}"),
            *(f"--preset={tiny_preset}", f"--output={earlier.folder}", "--if_exists=overwrite"),
        ],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(earlier.folder.glob("_runs/*/plan.json")):
        time.sleep(0.05)
    time.sleep(0.3)  # into the start of Beam
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err == "error: interrupted; nothing was added to the output\n"
    after = {path: path.read_bytes() for path in earlier.folder.rglob("*") if path.is_file()}
    assert after == before


# Training


@pytest.fixture
def training(tiny_preset, tmp_path):
    """Starts a training of some 300 steps an epoch on a terminal."""
    rows = [{"text": f"{TEXTS[i % 10]} {i}", "label": "ab"[i % 2]} for i in range(1_500)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return TerminalProcess(
        *(sys.executable, "-m", "pipelines.finetune", f"--input={tmp_path}/rows.jsonl"),
        *(f"--preset={tiny_preset}", f"--output={tmp_path}/out", "--batch_size=4", "--epochs=2"),
    )


@pytest.mark.slow
def test_epochs_are_told_on_standard_output_and_steps_on_the_terminal(training):
    code, out = training.finish()
    assert code == 0
    told = [line.partition("  ")[0] for line in out.splitlines() if line.startswith("epoch")]
    assert told == ["epoch 1/2", "epoch 2/2"]
    assert re.search(r"epoch 1/2 .* compiling the model", training.written)
    assert re.search(r"\d+/3\d\d steps", training.written)
    assert screen(training.written) == []


@pytest.mark.slow
def test_an_interrupt_of_a_training_takes_the_bar_away(training, tmp_path):
    training.wait_for(r"[1-9]\d*/3\d\d steps")
    training.process.send_signal(signal.SIGINT)
    assert training.finish()[0] == 130
    shown = training.written
    assert screen(shown) == ["error: interrupted; nothing was added to the output"]
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
