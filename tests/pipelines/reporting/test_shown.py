import contextlib
import io
import json
import logging
import re
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import RunError, UserError
from pipelines import presets as presets_command
from pipelines.finetuning.data_report import DataReport
from pipelines.finetuning.figures import Figures
from pipelines.finetuning.report import print_data, print_figures
from pipelines.reporting.console import run_command
from pipelines.reporting.shown import SafeNotices, printable, safe_logs, visible
from pipelines.reporting.summary import print_summary
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, TerminalProcess, run
from tests.pipelines.hostile import HOSTILE, LONG, assert_harmless
from tests.pipelines.reporting.test_summary import manifest_of

SECRET = "s3cretS3cret"
SIGNED = f"https://ann:{SECRET}@example.com/a?X-Amz-Signature={SECRET}"


@pytest.fixture(params=HOSTILE)
def name(request) -> str:
    return HOSTILE[request.param]


# Texts


def test_a_message_spells_out_what_a_terminal_would_obey(name):
    assert_harmless(visible(name))
    assert visible(name).startswith("a")
    assert visible("a\x1b[31mb\u202ec\0") == r"a\x1b[31mb\u202ec\x00"
    assert visible("two\nlines\r\nand  spaces é 漢字 🙂") == "two lines and  spaces é 漢字 🙂"


def test_a_name_loses_what_a_terminal_would_obey(name):
    assert_harmless(printable(name))


def test_a_long_name_is_cut_and_a_long_message_in_its_middle():
    assert printable(LONG) == 200 * "x" + "…"
    message = visible(f"no column {LONG!r}; did you mean 'text'?")
    assert message.startswith("no column 'xxx")
    assert message.endswith("xxx'; did you mean 'text'?")
    assert len(message) < 2_100


def test_a_secret_is_in_neither():
    for shown in (visible(SIGNED), printable(SIGNED)):
        assert shown == "https://***@example.com/a?X-Amz-Signature=***"


# Errors


@pytest.mark.parametrize("kind", [UserError, RunError])
def test_an_error_is_one_harmless_line(kind, name, capsys):
    def fail(argv):
        raise kind(f"no column {name} in {SIGNED}{LONG}; give another")

    assert run_command(fail, []) in (1, 2)
    err = capsys.readouterr().err
    assert_harmless(err)
    assert err.startswith("error: no column a")
    assert err.endswith("; give another\n")
    assert err.count("\n") == 1
    assert SECRET not in err


def test_the_name_of_a_column_or_of_a_flag_does_not_reach_the_terminal(classify, name, tmp_path):
    pq.write_table(pa.table({name: ["x"], "id": [1]}), tmp_path / "a.parquet")
    found = classify(f"--input={tmp_path}/a.parquet")
    assert "no column 'text'" in found.error
    assert_harmless(found.err)
    assert_harmless(classify(f"--input={tmp_path}/a.parquet", f"--{name}").err)
    assert_harmless(classify(f"--input={tmp_path}/a.parquet", f"--text_column={name}2").err)


def test_an_earlier_manifest_does_not_reach_the_terminal(classify, name, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    folder = classify(f"--input={tmp_path}/a.txt").folder
    manifest = json.loads((folder / "_MANIFEST.json").read_bytes())
    manifest["settings"]["text_column"] = manifest["metadata"]["weights"] = name
    manifest["columns"] = [{"name": name, "type": name}]
    manifest["inputs"][0]["source"] = name
    (folder / "_MANIFEST.json").write_text(json.dumps(manifest))
    for if_exists in ("error", "append", "update"):
        found = classify(f"--input={tmp_path}/a.txt", f"--if_exists={if_exists}")
        assert found.code == 2
        assert_harmless(found.out + found.err)


def test_a_preset_does_not_reach_the_terminal(classify, name, tiny_preset, tmp_path, capsys):
    folder = tmp_path / "preset"
    shutil.copytree(tiny_preset, folder)
    (tmp_path / "a.txt").write_text("good\nbad")
    (folder / "labels.json").write_text(json.dumps([name, name + LONG[:50_000]]))
    found = classify(f"--input={tmp_path}/a.txt", f"--preset={folder}")
    assert found.code == 0
    assert_harmless(found.out + found.err)
    for command in (["show", str(folder)], ["show", str(folder), "--json"]):
        done = run(presets_command.main, folder, *command)
        assert done.code == 0
        assert_harmless(done.out, 200_000)
    described = run(presets_command.main, folder, "show", str(folder), "--json")
    assert json.loads(described.out)["labels"][0] == name
    (folder / "config.json").write_text(json.dumps({"class_name": name, "config": {}}))
    done = run(presets_command.main, folder, "show", str(folder))
    assert done.code == 2
    assert_harmless(done.err)


def test_a_bug_is_shown_in_full_and_harmless():
    code = f"""
from pipelines.reporting.console import run_command, run_process
def fail(argv):
    raise ZeroDivisionError({SIGNED + HOSTILE["link"]!r})
run_process(lambda: run_command(fail, []))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last):\n" in done.stderr
    assert "ZeroDivisionError: https://***@example.com" in done.stderr
    assert_harmless(done.stderr)
    assert SECRET not in done.stderr


# Reports


def test_a_summary_is_harmless(name, capsys, tmp_path):
    rows = [{"text": f"{name} {SIGNED} {LONG}", "label": name + LONG, "score": 0.5}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "part-0.parquet")
    manifest = manifest_of({name + LONG: 1}, renamed={name + LONG: name})
    manifest["runs"][0]["rows"] |= {"rejected": 1}
    manifest["rejected"] = {"errors": {f"{name} {SIGNED} {LONG}": 1}}
    manifest["model"]["preset"] = f"{name}{LONG}"
    print_summary(manifest, output=str(tmp_path))
    out = capsys.readouterr().out
    assert_harmless(out)
    assert SECRET not in out


def test_the_tables_of_a_training_are_harmless(name, capsys):
    label = name + LONG
    print_data(DataReport([("labels", f"{printable(label)} 3; {label}")], [label], {}))
    figures = dict.fromkeys(("precision", "recall", "f1", "rows"), 1)
    labels = {label: figures, f"b{label}": figures}
    model = {"accuracy": 0.5, "labels": labels, "confusion": [[1, 2], [3, 4]]}
    mistake = {"text": label, "label": label, "predicted": [label], "score": 0.5}
    print_figures(Figures("accuracy", model, {"a": {"accuracy": 0.5}}, [mistake], [label]))
    assert_harmless(capsys.readouterr().out, 50_000)


def test_the_title_of_a_bar_is_harmless(name):
    code = f"""
from pipelines.reporting import late_bar
from pipelines.reporting.console import transfer_bar
late_bar.SECONDS = 0.0
with transfer_bar({f"{name} {SIGNED}"!r}) as on_progress:
    on_progress(1, 2)
"""
    terminal = TerminalProcess(sys.executable, "-c", code)
    assert terminal.finish() == (0, "")
    assert "a" in terminal.written
    without_rich = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]", "", terminal.written)
    assert_harmless(without_rich)
    assert name not in terminal.written or name.isprintable()
    assert SECRET not in terminal.written


# What libraries say


@pytest.fixture
def logged():
    """A library's logger with a handler of its own, and what that wrote."""
    written = io.StringIO()
    logger, handler = logging.getLogger("a_library"), logging.StreamHandler(written)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def test_what_libraries_log_is_harmless(name, logged, capsys):
    def work(argv):
        logger = logging.getLogger("a_library")
        logger.warning("Retrying %s after %s", SIGNED, name)
        try:
            raise ValueError(f"{SIGNED} {name}")
        except ValueError:
            logger.exception("failed")
        return 0

    assert run_command(work, []) == 0
    said = logged.getvalue()
    assert "Retrying https://***@example.com/a?X-Amz-Signature=*** after a" in said
    assert "ValueError: https://***@example.com" in said
    assert_harmless(said)
    assert SECRET not in said


def test_logs_are_afterwards_as_before(logged):
    make = logging.getLogRecordFactory()
    with safe_logs():
        assert logging.getLogRecordFactory() is not make
    assert logging.getLogRecordFactory() is make


def test_what_libraries_print_is_harmless(name, capsys):
    with contextlib.redirect_stdout(SafeNotices()):
        print(f"fetched {name} from {SIGNED}")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fetched a")
    assert captured.err.endswith(" from https://***@example.com/a?X-Amz-Signature=***\n")
    assert_harmless(captured.err)


# Inputs, outputs and presets


@pytest.mark.parametrize(
    "path",
    [
        f"s3://AKIA1:{SECRET}@bucket/a.csv",
        f"https://example.com/a.csv?X-Goog-Signature={SECRET}",
        f"gs://bucket/a.csv?token={SECRET}",
    ],
)
def test_a_path_with_a_secret_is_refused_and_told_without_it(classify, path, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    for flags in (
        [f"--input={path}"],
        [f"--input={tmp_path}/a.txt", f"--output={path}"],
        [f"--input={tmp_path}/a.txt", f"--preset={path}"],
    ):
        found = classify(*flags)
        assert "holds a password, a token or a signature" in found.error
        assert SECRET not in found.err
        assert not found.folder.exists()


def test_an_error_of_a_row_is_kept_without_the_secret_in_it(classify, tmp_path):
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"text": "good"}) + "\n" + json.dumps({"text": [SIGNED]}) + "\n"
    )
    found = classify(f"--input={tmp_path}/a.jsonl")
    assert found.code == 0
    (row,) = found.rejected
    assert "https://***@example.com" in row["error"]
    assert SECRET not in row["error"]
    assert SECRET not in (found.folder / "_MANIFEST.json").read_text()
    assert SECRET not in found.out
    assert SECRET.encode() in row["raw"]
