"""The flag `--report` and the command `report`, as a user types them."""

import json
import os
import threading

import pytest

from pipelines import report as report_command
from pipelines.reports import making
from tests.pipelines.command_runs import run, run_process
from tests.pipelines.conftest import TEXTS
from tests.pipelines.hostile import assert_harmless


@pytest.fixture
def corpus(tmp_path):
    file = tmp_path / "a.jsonl"
    rows = [{"text": f"{text} {i}"} for i in range(20) for text in TEXTS]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, {"text": None}]))
    return file


@pytest.fixture
def report(tmp_path):
    """Runs the command in this process."""

    def run_report(*arguments):
        return run(report_command.main, tmp_path, *map(str, arguments))

    return run_report


def test_classify_writes_a_page_beside_its_result(classify, corpus, tmp_path, open_page, look):
    file = tmp_path / "pages" / "report.html"
    found = classify(f"--input={corpus}", "--probabilities", f"--report={file}")
    assert (found.code, found.err) == (0, f"{file} is written: open it in a browser\n")
    opened = open_page(file, *look)
    opened.check()
    assert opened.page.title() == "Labels in out"
    assert opened.page.locator(".figures dd").first.text_content() == "200"
    assert opened.page.get_by_role("heading", name="Labels that compete").count() <= 1
    assert_harmless(found.err)


def test_report_makes_the_same_page_of_a_result_that_is_there(classify, corpus, tmp_path, report):
    file, again = tmp_path / "report.html", tmp_path / "again.html"
    classify(f"--input={corpus}", f"--report={file}")
    found = report(tmp_path / "out", f"--report={again}")
    assert (found.code, found.err) == (0, "")
    assert found.out == f"{again} is written: open it in a browser\n"
    assert again.read_bytes() == file.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} >= {"report.html", "again.html"}
    assert not list(tmp_path.glob(".*.html*"))


def test_the_command_says_what_it_did_as_it_was_asked_for(classify, corpus, tmp_path, report):
    classify(f"--input={corpus}")
    file = tmp_path / "report.html"
    quiet = report(tmp_path / "out", f"--report={file}", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    told = report(tmp_path / "out", f"--report={file}", "--log_format=json")
    assert (told.code, told.out) == (0, "")
    assert json.loads(told.err.splitlines()[0])["message"].startswith(f"{file} is written")


def test_an_update_with_nothing_to_do_makes_the_page_all_the_same(classify, corpus, tmp_path):
    file = tmp_path / "report.html"
    classify(f"--input={corpus}")
    found = classify(f"--input={corpus}", "--if_exists=update", f"--report={file}")
    assert found.code == 0
    assert "is up to date" in found.out
    assert file.stat().st_size > 0


def test_a_page_may_be_in_the_result_s_folder(classify, corpus, tmp_path):
    found = classify(f"--input={corpus}", f"--report={tmp_path}/out/report.html")
    assert found.code == 0
    assert (tmp_path / "out" / "report.html").is_file()


def test_columns_that_are_named_like_what_is_added_are_found(classify, tmp_path, open_page):
    (tmp_path / "a.jsonl").write_text(
        "".join(f'{{"label": "first {i}", "score": "second {i}"}}\n' for i in range(8))
    )
    columns = ["--text_column=label", "--text_pair_column=score"]
    file = tmp_path / "report.html"
    found = classify(
        f"--input={tmp_path}/a.jsonl", *columns, "--long_text=windows", f"--report={file}"
    )
    assert found.code == 0
    opened = open_page(file)
    opened.check()
    opened.page.get_by_role("combobox", name="certainty").select_option("all")
    texts = opened.page.locator(".text:visible").all_text_contents()
    assert sorted(texts) == sorted(
        f"{which} {i}" for which in ("first", "second") for i in range(8)
    )
    inputs = opened.page.get_by_role("region", name="Inputs").inner_text()
    assert "since a column of that name was added" in inputs


def test_a_page_that_fails_leaves_the_result(classify, corpus, tmp_path):
    # Where the page shall be, the run puts a file.
    file = tmp_path / "out" / "part-00000-of-00001.parquet" / "report.html"
    found = classify(f"--input={corpus}", f"--report={file}")
    assert found.code == 1
    assert "200 rows labelled" in found.out
    assert found.error_line.startswith("the results are written, but not the report: ")
    assert found.error_line.endswith("; make it again with python -m pipelines.report")
    assert len(found.table) == 200


def test_a_page_takes_the_place_of_nothing_that_the_run_writes(classify, corpus, tmp_path):
    found = classify(f"--input={corpus}", f"--report={tmp_path}/out/_MANIFEST.json")
    assert found.code == 1
    assert "_MANIFEST.json is there already, and is not an HTML page" in found.error_line
    assert found.manifest["rows"]["written"] == 200


def test_a_page_that_cannot_be_written_is_one_line(classify, corpus, tmp_path, report):
    classify(f"--input={corpus}")
    found = report(tmp_path / "out", "--report=/proc/page.html")
    assert (found.code, found.out) == (1, "")
    assert found.error_line == "cannot write /proc/page.html: No such file or directory"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["model"], None, "does not say all that a run writes there"),
        (["model", "labels"], [{"a": 1}], "does not say all that a run writes there"),
        (["model", "preset"], [1], "does not say all that a run writes there"),
        (["finished"], "<script>", "does not say all that a run writes there"),
        (["rows", "written"], "many", "does not say all that a run writes there"),
        (["parts", 0, "rows"], True, "its parts are wrong"),
        (["parts", 0, "rows"], 1 << 70, "its parts are wrong"),
        (["parts", 0, "path"], None, "its parts are wrong"),
        (["parts", 0, "path"], "../a.jsonl", "its parts are wrong"),
        (["rejected_parts", 0, "path"], "/etc/passwd", "its parts are wrong"),
    ],
    ids=str,
)
def test_a_manifest_that_was_changed_is_one_line(
    classify, corpus, tmp_path, report, path, value, said
):
    manifest = classify(f"--input={corpus}").manifest
    within = manifest
    for step in path[:-1]:
        within = within[step]
    within[path[-1]] = value
    (tmp_path / "out" / "_MANIFEST.json").write_text(json.dumps(manifest))
    found = report(tmp_path / "out", f"--report={tmp_path}/a.html")
    assert found.code == 2
    assert said in found.error
    assert not (tmp_path / "a.html").exists()


def test_a_damaged_part_is_named(classify, corpus, tmp_path, report):
    part = next(classify(f"--input={corpus}").folder.glob("part-*"))
    part.write_bytes(part.read_bytes()[:500])
    found = report(tmp_path / "out", f"--report={tmp_path}/a.html")
    assert found.code == 2
    assert found.error.startswith(f"cannot read {part}: ")
    assert "python -m pipelines.verify says what is wrong with it" in found.error


def test_an_interrupt_while_the_page_is_made_says_what_is_there(classify, corpus, monkeypatch):
    def interrupted(output):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "result_page", interrupted)
    found = classify(f"--input={corpus}", "--report=report.html")
    assert found.code == 130
    assert found.error_line == "interrupted; the results are written, but not the report"
    assert len(found.table) == 200


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--report={folder}"], "--report={folder} is a folder: name a file, such as"),
        (
            ["--report=pages/"],
            "--report=pages/ is a folder: name a file, such as pages/report.html",
        ),
        (
            ["--report=gs://b/a.html"],
            "a report is written to a file on this machine",
        ),
        (["--report=a.html", "--plan"], "with --plan the command ends before there is a result"),
        (
            ["--report=a.html", "--detach"],
            "with --detach the command ends before",
        ),
        (
            ["--report=a.html", "--template_location=gs://b/t", "--runner=DataflowRunner"],
            "with --template_location the command ends before there is a result",
        ),
        (["--report={folder}/a.txt/b.html"], "nothing can be written to {folder}/a.txt"),
        (["--report={folder}/a.txt"], "a.txt is there already, and is not an HTML page: name"),
        (["--report={folder}/" + 300 * "a"], "aaa: File name too long"),
    ],
    ids=[
        *("folder", "slash", "bucket", "plan", "detach", "template", "file"),
        *("input", "long"),
    ],
)
def test_what_cannot_become_a_page_is_refused_before_any_work(classify, tmp_path, flags, message):
    (tmp_path / "a.txt").write_text("a text")
    given = [flag.format(folder=tmp_path) for flag in flags]
    found = classify(f"--input={tmp_path}/a.txt", *given)
    assert message.format(folder=tmp_path) in found.error
    assert not (tmp_path / "out").exists()


def test_without_its_packages_the_flag_names_them_before_any_work(classify, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "_PACKAGES", ("no_such_package",))
    (tmp_path / "a.txt").write_text("a text")
    found = classify(f"--input={tmp_path}/a.txt", f"--report={tmp_path}/a.html")
    assert found.error == (
        "a report is drawn by packages that are not installed: pip install altair vl-convert-python"
    )
    assert not (tmp_path / "out").exists()


def test_what_is_no_file_is_written_to_and_not_replaced(classify, corpus, tmp_path, report):
    classify(f"--input={corpus}")
    pipe, link, file = tmp_path / "pipe", tmp_path / "link.html", tmp_path / "file.html"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert report(tmp_path / "out", f"--report={pipe}").code == 0
    reader.join()
    assert read[0].startswith("<!doctype html>")
    assert pipe.is_fifo()
    link.symlink_to(file)
    assert report(tmp_path / "out", f"--report={link}").code == 0
    assert link.is_symlink()
    assert file.read_text().startswith("<!doctype html>")


def test_report_says_what_it_did_as_it_is_asked_to(classify, corpus, tmp_path, report):
    classify(f"--input={corpus}")
    given = [tmp_path / "out", f"--report={tmp_path}/a.html"]
    assert (report(*given, "--quiet").out, (tmp_path / "a.html").exists()) == ("", True)
    found = report(*given, "--log_format=json")
    assert found.out == ""
    assert json.loads(found.err.splitlines()[0])["message"].endswith("open it in a browser")


def test_a_folder_without_a_result_is_refused(report, tmp_path):
    found = report(tmp_path, f"--report={tmp_path}/a.html")
    assert found.error.endswith(
        "holds no result: give the --output folder of a run that has finished"
    )
    assert not (tmp_path / "a.html").exists()


@pytest.mark.slow
def test_the_commands_run_as_a_user_starts_them(tmp_path):
    given = [f"--output={tmp_path}/out", f"--report={tmp_path}/a.html"]
    done = run_process("classify", tmp_path, *given)
    assert (done.code, done.err) == (0, f"{tmp_path}/a.html is written: open it in a browser\n")
    done = run_process("report", tmp_path, f"{tmp_path}/out", f"--report={tmp_path}/b.html")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
