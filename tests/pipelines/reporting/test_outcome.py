"""What a run says of itself in each of the ways that can be asked for."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines import presets, verify
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, run
from tests.pipelines.reporting.test_messages import records


@pytest.fixture
def corpus(tmp_path):
    """Three rows, one of which is rejected."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "good"}\n{"text": 3}\n{"text": "bad"}\n')
    return f"--input={path}"


REJECTED = "warning: 1 row rejected, kept in {folder}/rejected\n"


def test_a_quiet_run_tells_rejected_rows_alone(classify, corpus):
    found = classify(corpus, "--quiet")
    assert (found.code, found.out) == (0, "")
    assert found.err == REJECTED.format(folder=found.folder)
    assert found.manifest["rows"] == {"read": 3, "written": 2, "rejected": 1, "truncated": 0}
    again = classify(corpus, "--quiet", "--if_exists=update")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_a_quiet_run_with_json_prints_that(classify, corpus):
    found = classify(corpus, "--quiet", "--json")
    assert json.loads(found.out)["rows"]["written"] == 2


def test_a_quiet_run_still_fails_aloud(classify, corpus):
    found = classify(corpus, "--quiet", "--max_rejected=0")
    assert found.code == 1
    assert found.err.endswith(
        "error: 1 of 3 rows were rejected, more than --max_rejected=0 allows\n"
    )


def test_a_run_for_a_scheduler_is_told_in_objects(classify, corpus):
    found = classify(corpus, "--log_format=json")
    assert (found.code, found.out) == (0, "")
    summary, warning, last = records(found.err)
    assert summary["message"].startswith("2 rows labelled in ")
    assert summary["summary"]["rows"] == {"read": 3, "written": 2, "rejected": 1, "truncated": 0}
    assert summary["summary"]["output"] == str(found.folder)
    assert (warning["severity"], warning["rejected"]) == ("WARNING", 1)
    assert last["exit_code"] == 0


def test_the_summary_is_also_a_file(classify, corpus, tmp_path):
    path = tmp_path / "new" / "summary.json"
    found = classify(corpus, f"--summary_json={path}")
    assert found.code == 0
    assert found.out.startswith("2 rows labelled in ")
    written = json.loads(path.read_text())
    assert path.read_text().count("\n") == 1
    assert written["status"] == "done"
    assert written["rows"]["rejected"] == 1
    again = classify(corpus, f"--summary_json={path}", "--json", "--if_exists=update")
    assert path.read_text() == again.out
    assert json.loads(again.out)["status"] == "up to date"


def test_the_file_is_of_this_run_or_not_there(classify, corpus, tmp_path):
    path = tmp_path / "summary.json"
    path.write_text('{"status": "done"}\n')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_MANIFEST.json").write_text("{}")
    refused = classify(corpus, f"--summary_json={path}")
    assert refused.code == 2
    assert not path.exists()


@pytest.mark.parametrize("status", ["done", "up to date", "planned", "submitted", "written"])
def test_the_summary_of_any_earlier_run_is_replaced(classify, corpus, tmp_path, status):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"status": status, "output": "elsewhere"}))
    assert classify(corpus, f"--summary_json={path}").code == 0
    assert json.loads(path.read_text())["output"] == str(tmp_path / "out")


@pytest.mark.parametrize("is_linked", [False, True], ids=["file", "link"])
@pytest.mark.parametrize(
    "content", ['{"text": "good"}\n', '{"status": 1}', "[1]", "a text", "\udcff"], ids=ascii
)
def test_what_is_no_summary_is_not_replaced(classify, corpus, tmp_path, content, is_linked):
    path = tmp_path / "mine"
    path.write_text(content, errors="surrogateescape")
    given = path
    if is_linked:
        given = tmp_path / "link"
        given.symlink_to(path)
    found = classify(corpus, f"--summary_json={given}")
    assert found.error == (
        f"--summary_json={given} is there already, and is not the summary of an earlier run: name "
        "another file"
    )
    assert path.read_text(errors="surrogateescape") == content
    assert not found.folder.exists()


def test_the_manifest_of_the_run_is_not_replaced_by_the_summary(classify, corpus, tmp_path):
    found = classify(corpus, f"--summary_json={tmp_path}/out/_MANIFEST.json")
    assert found.code == 1
    assert "the results are written, and the summary is lost: --summary_json=" in found.err
    assert found.manifest["rows"]["written"] == 2


def test_what_is_no_summary_in_a_bucket_is_not_replaced(classify, corpus, gcs_bucket):
    from transforms.writing.folder import open_folder

    folder = open_folder(f"{gcs_bucket}/a")
    folder.write_whole("mine", b"a text")
    found = classify(corpus, f"--summary_json={gcs_bucket}/a/mine")
    assert "is not the summary of an earlier run" in found.error
    assert folder.read("mine") == b"a text"


def test_a_plan_is_also_a_file(classify, corpus, tmp_path):
    path = tmp_path / "plan.json"
    found = classify(corpus, "--plan", "--quiet", f"--summary_json={path}")
    assert found.code == 0
    assert "nothing was written" in found.out  # it was asked for
    assert json.loads(path.read_text())["status"] == "planned"


def test_a_file_in_a_bucket(classify, corpus, gcs_bucket):
    from transforms.writing.folder import open_folder

    found = classify(corpus, f"--summary_json={gcs_bucket}/a/summary.json")
    assert found.code == 0, found.err
    content = open_folder(f"{gcs_bucket}/a").read("summary.json")
    assert content is not None
    assert json.loads(content)["rows"]["written"] == 2


def test_a_device_is_written_to_as_it_is(classify, corpus, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        found = classify(corpus, f"--summary_json={pipe}")
        written = read.result()
    assert found.code == 0
    assert json.loads(written)["status"] == "done"
    assert pipe.is_fifo()


def test_a_stream_that_goes_to_a_file_is_added_to(classify, corpus, tmp_path):
    with (tmp_path / "log").open("w") as log:
        print("before", file=log, flush=True)
        found = classify(corpus, f"--summary_json=/dev/fd/{log.fileno()}")
        assert found.code == 0
    assert (tmp_path / "log").read_text().startswith("before\n")
    assert '"status": "done"' in (tmp_path / "log").read_text()


@pytest.mark.parametrize("path", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_stream_that_goes_to_a_pipe_is_written_to(classify, corpus, path):
    reader, writer = os.pipe()
    with os.fdopen(reader) as said:
        found = classify(corpus, f"--summary_json={path.format(writer)}")
        os.close(writer)
        assert (found.code, json.loads(said.read())["status"]) == (0, "done")


@pytest.mark.parametrize(
    "flag", ["--summary_json={folder}/s.json", "--report={folder}/r.html", "--json"]
)
def test_an_interrupt_after_the_end_says_that_the_results_are_there(
    classify, corpus, tmp_path, monkeypatch, flag
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    named = {"--s": "summary_file.LocalFile.write", "--r": "", "--j": "outcome.print"}[flag[:3]]
    where = f"pipelines.reporting.{named}" if named else "pipelines.reports.making.result_page"
    if named.startswith("summary_file"):
        monkeypatch.setattr("pipelines.reporting.summary_file.LocalFile.begin", lambda self: None)
    monkeypatch.setattr(where, interrupt, raising=False)
    found = classify(corpus, flag.format(folder=tmp_path))
    assert found.code > 128
    assert found.error_line.startswith("interrupted; the results are written")
    assert found.manifest["rows"]["written"] == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{folder}", "--summary_json={folder} must name a file"),
        ("", "--summary_json= must name a file"),
        ("{folder}/", "--summary_json={folder}/ must name a file"),
        ("gs://bucket", "--summary_json=gs://bucket must name a file"),
        ("{folder}/a.jsonl/x", "cannot write --summary_json={folder}/a.jsonl/x: "),
        ("https://example.com/x", "cannot use --output=https://example.com: results are written"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_refused_before_any_work(
    classify, corpus, tmp_path, path, message
):
    found = classify(corpus, f"--summary_json={path.format(folder=tmp_path)}")
    assert found.error.startswith(message.format(folder=tmp_path))
    assert not found.folder.exists()


def test_a_summary_that_is_lost_is_an_error(classify, corpus, tmp_path, monkeypatch):
    from pipelines.reporting.summary_file import SummaryFile

    path = tmp_path / "there" / "summary.json"
    begin = SummaryFile.begin

    def begin_and_break(self):
        begin(self)
        path.parent.rmdir()
        path.parent.write_text("a file in its place")

    monkeypatch.setattr(SummaryFile, "begin", begin_and_break)
    found = classify(corpus, f"--summary_json={path}")
    assert found.code == 1
    assert (
        f"the results are written, and the summary is lost: cannot write --summary_json={path}"
        in found.err
    )
    assert found.manifest["rows"]["written"] == 2


# Other commands


def test_verify_says_what_is_wrong_and_quietly_nothing_else(classify, corpus):
    folder = classify(corpus).folder
    found = run(verify.main, folder, str(folder))
    assert (found.code, found.err) == (0, "")
    assert "is whole: 2 rows in 1 part" in found.out
    assert run(verify.main, folder, str(folder), "--quiet").out == ""
    found = run(verify.main, folder, str(folder), "--log_format=json")
    assert found.out == ""
    assert "is whole" in records(found.err)[0]["message"]
    next(folder.glob("part-*")).unlink()
    broken = run(verify.main, folder, str(folder), "--quiet")
    assert broken.code == 1
    assert "is not whole: 2 problems" in broken.out
    broken = run(verify.main, folder, str(folder), "--log_format=json")
    assert [record["severity"] for record in records(broken.err)] == ["ERROR"] * 4


def test_a_preset_is_fetched_quietly(tmp_path):
    given = ("fetch", "sentiment_tiny_en", f"--output={tmp_path}/p")
    assert run(presets.main, tmp_path, *given, "--quiet").out == ""
    assert (tmp_path / "p" / "config.json").is_file()
    found = run(presets.main, tmp_path, *given, "--log_format=json")
    assert found.out == ""
    assert records(found.err)[0]["output"] == f"{tmp_path}/p"


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--quiet", "--log_format=json"])
def test_a_training_is_told_as_it_was_asked_for(tiny_preset, tmp_path, flag):
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pipelines.finetune", f"--input={tmp_path}/rows.jsonl", flag),
            *(f"--preset={tiny_preset}", f"--output={tmp_path}/out", "--epochs=1"),
        ],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "out" / "training.json").is_file()
    if flag == "--quiet":
        assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
        return
    found = records(done.stderr)
    assert next(record for record in found if "epoch" in record)["loss"] > 0
    assert found[-2]["output"] == f"{tmp_path}/out"
    assert 0 <= found[-2]["figures"]["accuracy"] <= 1
    assert found[-1]["exit_code"] == 0
