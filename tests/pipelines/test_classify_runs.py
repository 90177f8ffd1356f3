import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models import BertTokenizer
from models.inference.predictor import Predictor
from pipelines import classify as classify_command
from pipelines import command, running
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, Run, run, run_process
from tests.pipelines.conftest import TEXTS
from tests.pipelines.labelling import LENGTH, LONG, NOISE, predicted
from transforms.progress import RunProgress
from transforms.reading import units
from transforms.verification import verify
from transforms.writing.local_folder import LocalFolder


def test_a_long_text_read_in_windows_has_their_mean_probabilities(classify, tiny_preset, tmp_path):
    (tmp_path / "a.txt").write_text(f"{LONG}\n{TEXTS[0]}")
    flags = ("--long_text=windows", f"--sequence_length={LENGTH}", "--probabilities")
    found = classify(f"--input={tmp_path}/a.txt", *flags)
    windows = Predictor.from_preset(tiny_preset, sequence_length=LENGTH, long_text="windows")
    expected = windows([LONG, TEXTS[0]])
    probabilities = np.array([list(row.values()) for row in found.column("probabilities")])
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert found.column("truncated") == [False, False]
    assert (
        pq.ParquetFile(found.parts[0]).metadata.metadata[b"long_text"]
        == found.manifest["model"]["long_text"].encode()
        == b"windows"
    )


@pytest.fixture(scope="module")
def multi_label_preset(tiny_preset, tmp_path_factory):
    from models import BertClassifier

    folder = tmp_path_factory.mktemp("presets") / "multi"
    BertClassifier.from_preset(tiny_preset, activation="sigmoid").save_to_preset(folder)
    return folder


def test_a_text_may_have_several_labels_or_none(classify, multi_label_preset, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    scores = Predictor.from_preset(multi_label_preset)(TEXTS)
    threshold = float(np.sort(scores.ravel())[len(TEXTS)])
    given = (f"--input={tmp_path}/a.txt", f"--preset={multi_label_preset}")
    found = classify(*given, f"--threshold={threshold}")
    assert found.table.schema.names[-3:] == ["label", "score", "labels"]
    names = ["negative", "positive"]
    for labels, row in zip(found.column("labels"), scores, strict=True):
        ranked = sorted(zip(row, names, strict=True), reverse=True)
        expected = [name for score, name in ranked if score >= threshold]
        assert [entry["label"] for entry in labels] == expected
    assert {len(labels) for labels in found.column("labels")} > {1}
    assert found.column("label") == [names[best] for best in scores.argmax(axis=1)]
    assert found.manifest["model"]["threshold"] == threshold
    every_label = [entry["label"] for labels in found.column("labels") for entry in labels]
    assert found.manifest["labels"] == Counter(every_label)
    assert "this run has 0.5" in classify(*given, "--if_exists=append").error


@pytest.mark.parametrize(
    ("value", "message"),
    [("0.3", "gives each text one label"), ("1.5", "must be from 0 to 1, not '1.5'")],
)
def test_a_threshold_that_means_nothing_is_refused(classify, tmp_path, value, message):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", f"--threshold={value}")
    assert message in found.error
    assert not found.folder.exists()


def test_a_run_of_its_own_prints_a_summary_and_no_noise(tiny_preset, predictor, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    folder = tmp_path / "out"
    flags = (f"--input={tmp_path}/a.txt", f"--preset={tiny_preset}", f"--output={folder}")
    found = run_process("classify", folder, *flags)
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("10 rows labelled in ")
    assert not [word for word in NOISE if word in found.out]
    assert found.column("label") == predicted(predictor, TEXTS)[0]


@pytest.fixture
def shown(monkeypatch):
    """For each run that showed a bar its bytes in all, and at its end its bytes and rows done."""
    ended = []

    @contextlib.contextmanager
    def bar(total, read):
        yield
        ended.append((total, *read()))

    monkeypatch.setattr(running, "progress_bar", bar)
    return ended


@pytest.mark.slow
def test_two_workers_in_processes_of_their_own_find_the_same_labels(
    classify, predictor, tmp_path, shown, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the workers
    monkeypatch.setattr(units, "_LEAST_BYTES", len("\n".join(TEXTS)))
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text("\n".join(TEXTS))
    found = classify(
        f"--input={folder}", "--direct_running_mode=multi_processing", "--direct_num_workers=2"
    )
    assert (found.code, found.err) == (0, "")
    assert shown == []  # by a bar: what is done elsewhere is not known here
    assert len(found.parts) == 8  # a part of each unit
    labels = dict(zip(TEXTS, predicted(predictor, TEXTS)[0], strict=True))
    assert found.column("label") == [labels[text] for text in found.column("text")]
    assert Counter(found.column("text")) == dict.fromkeys(TEXTS, 8)


def workers_of(pid: int) -> list[int]:
    """The processes of Beam's workers among those below a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            is_worker = command.startswith(sys.executable.encode()) and b"sdk_worker" in command
            found += [child] if is_worker else workers_of(child)
    return found


@pytest.mark.slow
def test_a_worker_process_that_is_killed_costs_its_chunk_alone(classify, tiny_preset, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = 0
    for number in range(8):  # each a unit of its own
        lines = [f"{text} {number} {i}" for i in range(20_000) for text in TEXTS]
        (folder / f"{number}.txt").write_text("\n".join(lines))
        rows += len(lines)
    flags = [f"--input={folder}", f"--output={tmp_path}/out", f"--preset={tiny_preset}"]
    workers = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.classify", *flags, *workers],
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(tmp_path.glob("out/_runs/*/records/*.json")):
        time.sleep(0.1)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    kept = re.fullmatch(
        r"error: a worker process died: was it killed, or short of memory\?; (\d+)% of the work is "
        r"kept: go on with --if_exists=update",
        err.splitlines()[-1],
    )
    assert kept, err
    assert "Traceback" not in err
    finished = classify(f"--input={folder}", "--if_exists=update")
    assert finished.manifest["rows"]["written"] == rows
    assert verify(str(finished.folder), [str(folder)]).problems == []


@pytest.mark.parametrize("flags", [(), ("--direct_running_mode=multi_processing",)])
def test_a_preset_that_changes_after_the_plan_ends_the_run(
    classify, tiny_preset, tmp_path, monkeypatch, flags
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for workers in processes of their own
    preset = shutil.copytree(tiny_preset, tmp_path / "preset")
    build = command._build

    def change_and_build(*arguments):
        labels = (preset / "labels.json").read_text()
        (preset / "labels.json").write_text(labels.replace("negative", "bad"))
        build(*arguments)

    monkeypatch.setattr(command, "_build", change_and_build)
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", f"--preset={preset}", *flags)
    assert found.code == 2
    assert found.error_line == (
        f"preset {str(preset)!r} has changed since the run was planned; start the run again"
    )
    assert not found.parts


@pytest.mark.parametrize("how", ["before", "while it is read"])
def test_an_input_that_changes_ends_the_run_and_publishes_nothing(
    classify, tmp_path, monkeypatch, how
):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(TEXTS))

    def append() -> None:
        with path.open("a") as file:
            file.write("\none more")

    if how == "before":
        build = command._build
        monkeypatch.setattr(command, "_build", lambda *given: (append(), build(*given)))
    else:
        add_done = RunProgress.add_done
        monkeypatch.setattr(
            RunProgress, "add_done", lambda self, rows: (append(), add_done(self, rows))
        )
    found = classify(f"--input={path}")
    assert found.code == 1
    assert found.error_line.startswith(f"the input {str(path)!r} changed after the run was planned")
    assert found.error_line.endswith("nothing is published; run it on what is there now")
    assert not found.folder.exists()


def test_an_update_computes_only_what_changed(classify, tmp_path, shown):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("\n".join(TEXTS))
    flags = (f"--input={tmp_path}/*.txt", "--if_exists=update")
    classify(*flags)
    (tmp_path / "b.txt").write_text("\n".join(TEXTS[:3]))
    (tmp_path / "c.txt").write_text(TEXTS[0])
    found = classify(*flags)
    assert found.out.startswith("4 rows labelled in ")
    assert "update" in found.out
    assert "3 files: 1 new, 1 changed, 1 as before" in found.out
    assert Counter(found.column("text")) == Counter(TEXTS + TEXTS[:3] + TEXTS[:1])
    again = classify(*flags)
    assert (again.code, again.err) == (0, "")
    assert again.out == f"{found.folder} is up to date: 14 rows of 3 input files\n"
    (tmp_path / "a.txt").unlink()
    assert "; 1 of them gone, with their rows kept" in classify(*flags).out
    assert "is for a trial" in classify(*flags, "--limit=3").error
    other = classify(*flags, "--sequence_length=9")
    assert "its rows had sequence_length 128, this one has 9" in other.error
    more = classify(*flags, "--probabilities")
    assert "its rows had the new columns label (string), score (float), this one has" in more.error


def test_an_empty_file_is_an_update_without_rows(classify, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": 1, "text": TEXTS[0]}) + "\n")
    flags = (f"--input={tmp_path}/*.jsonl", "--if_exists=update")
    classify(*flags)
    (tmp_path / "c.jsonl").write_text("")
    assert classify(*flags).manifest["rows"]["written"] == 2
    (tmp_path / "a.jsonl").write_text("")
    found = classify(*flags)
    assert (found.code, found.manifest["rows"]["written"]) == (0, 1)
    assert [entry["rows"] for entry in found.manifest["inputs"]] == [1, 0, 0]
    assert "is up to date: 1 row of 3 input files" in classify(*flags).out


def test_a_summary_can_be_json_for_programs(classify, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    flags = (f"--input={tmp_path}/*.txt", "--if_exists=update", "--json")
    said = json.loads(classify(*flags).out)
    assert said["status"] == "done"
    assert said["rows"] == {"read": 10, "written": 10, "rejected": 0, "truncated": 0}
    assert sum(said["labels"].values()) == said["total_rows"] == 10
    assert said["files"] == {"new": 1, "changed": 0, "same": 0, "gone": 0}
    again = json.loads(classify(*flags).out)
    assert (again["status"], again["rows"]["read"]) == ("up to date", 0)
    assert again["total_rows"] == 10
    assert again["files"] == {"new": 0, "changed": 0, "same": 1, "gone": 0}


def test_an_update_with_nothing_to_do_imports_neither_beam_nor_tensorflow(
    classify, tiny_preset, tmp_path
):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    folder = classify(f"--input={tmp_path}/a.txt").folder
    flags = [f"--input={tmp_path}/a.txt", f"--output={folder}", f"--preset={tiny_preset}"]
    code = f"""
import sys
from pipelines.classify import main
assert main({[*flags, "--if_exists=update"]!r}) == 0
assert not {{"apache_beam", "tensorflow"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is up to date" in done.stdout


def test_a_run_imports_nothing_that_it_does_not_use(tiny_preset, tmp_path):
    for name in ("torch", "jax", "sklearn"):
        package = tmp_path / "installed" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise SystemExit('{name} is imported')")
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    flags = [f"--input={tmp_path}/a.txt", f"--output={tmp_path}/out", f"--preset={tiny_preset}"]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.classify", *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def interruptible():
    """Lets SIGINT interrupt, which is ignored where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_during_publishing_waits_and_says_that_all_is_there(
    classify, tmp_path, monkeypatch
):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    link = LocalFolder.link

    def interrupt_and_link(self, names):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        link(self, names)

    monkeypatch.setattr(LocalFolder, "link", interrupt_and_link)
    found = classify(f"--input={tmp_path}/a.txt")
    assert found.code == 130
    assert found.error_line == "interrupted; the results were published before, and are whole"
    assert found.manifest["rows"]["written"] == len(TEXTS)
    assert not (found.folder / "_runs").exists()


def test_the_tokenizer_is_built_once(classify, tmp_path, monkeypatch):
    built = []
    make = BertTokenizer.__init__

    def count_and_make(self, *arguments, **named):
        built.append(self)
        make(self, *arguments, **named)

    monkeypatch.setattr(BertTokenizer, "__init__", count_and_make)
    (tmp_path / "a.txt").write_text("x")
    assert classify(f"--input={tmp_path}/a.txt").code == 0
    assert len(built) == 1


def test_runs_of_one_process_show_each_its_own_progress(classify, tmp_path, shown):
    for rows in (3, 7):
        (tmp_path / "a.txt").write_text("good film\n" * rows)
        done = classify(f"--input={tmp_path}/a.txt", "--if_exists=overwrite")
        assert done.code == 0
    assert shown == [(30, 30, 3), (70, 70, 7)]


def test_runs_at_the_same_time_show_each_its_own_progress(tiny_preset, tmp_path, shown):
    amounts = (2_000, 5_000)

    def label(rows):
        path = tmp_path / f"{rows}.txt"
        path.write_text("".join(f"good film {row % 1000:03}\n" for row in range(rows)))
        folder = tmp_path / f"out-{rows}"
        flags = (f"--input={path}", f"--preset={tiny_preset}", f"--output={folder}")
        return classify_command.main(flags), Run(0, "", "", folder).table.num_rows

    with contextlib.redirect_stdout(io.StringIO()), ThreadPoolExecutor() as pool:
        assert list(pool.map(label, amounts)) == [(0, rows) for rows in amounts]
    assert sorted(shown) == [(14 * rows, pytest.approx(14 * rows), rows) for rows in amounts]


def test_without_arguments_the_sample_is_labelled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(classify_command.main, tmp_path / "output")
    assert (found.code, found.err) == (0, "")
    assert found.table.num_rows == 200
    assert found.table.column_names[:3] == ["id", "product", "text"]
    assert set(found.column("label")) == {"negative", "positive"}
    assert found.manifest["model"]["preset"] == "sentiment_tiny_en"


def test_the_sample_run_replaces_its_own_result_and_no_other(tmp_path, monkeypatch, classify):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "output"
    assert run(classify_command.main, folder, "--limit=3").code == 0
    again = run(classify_command.main, folder, "--limit=2")
    assert again.code == 0
    assert again.table.num_rows == 2
    (tmp_path / "a.txt").write_text("mine")
    mine = classify(f"--input={tmp_path}/a.txt", f"--output={folder}", "--if_exists=overwrite")
    assert mine.code == 0
    assert "holds results already" in run(classify_command.main, folder).error
