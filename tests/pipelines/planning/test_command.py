"""`--plan` as a user gives it."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from models.hubs import store
from pipelines import classify as classify_command
from pipelines import embed as embed_command
from pipelines.reporting import console
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, run
from tests.pipelines.planning.corpora import many_small, texts
from transforms.reading import units as reading_units
from transforms.reading.corpus import find_files, plan_corpus


def planned(main, *flags):
    """What a plan says, as JSON."""
    found = run(main, ROOT, *flags, "--plan", "--json")
    assert found.code == 0, found.err
    assert found.err == ""
    return json.loads(found.out)


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    generator = np.random.default_rng(1)
    for number in range(30):
        rows = texts(generator, 40, 12, 1.0)
        lines = "".join(f"{json.dumps({'text': text})}\n" for text in rows)
        (folder / f"{number}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def checked(plan, done):
    """What a run counted, which must be near to what was planned."""
    assert done.code == 0, done.err
    counted = json.loads(done.out)
    rows = counted["rows"]
    assert plan["rows"]["estimate"] == pytest.approx(rows["read"], rel=0.1)
    assert plan["tokens"]["estimate"] == pytest.approx(counted["tokens"], rel=0.1)
    assert plan["truncated"]["share"] == pytest.approx(rows["truncated"] / rows["read"], abs=0.03)
    return counted


def test_a_run_counts_what_a_plan_says(classify, tiny_preset, corpus):
    flags = (f"--input={corpus}", "--sequence_length=32")
    plan = planned(classify_command.main, f"--preset={tiny_preset}", *flags)
    done = classify(*flags, "--json")
    assert checked(plan, done)["rows"]["truncated"] > 0


def test_a_run_over_a_large_corpus_counts_what_a_sample_says(classify, tiny_preset, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    many_small(folder)
    flags = (f"--input={folder}", "--sequence_length=16")
    plan = planned(classify_command.main, f"--preset={tiny_preset}", *flags)
    assert not plan["sample"]["is_whole"]
    done = classify(*flags, "--json")
    checked(plan, done)


def test_nothing_is_written_and_tensorflow_beam_and_keras_are_not_started(corpus, tmp_path):
    out, home, cache = (tmp_path / name for name in ("out", "home", "cache"))
    for folder in (out, home):
        folder.mkdir()
    (out / "_MANIFEST.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    code = (
        "import sys\nfrom pipelines.classify import main\n"
        f"code = main(['--plan', '--input={corpus}', '--output={out}', '--deadline=8h'])\n"
        "print(code, [name for name in ('tensorflow', 'keras', 'jax', 'apache_beam') "
        "if name in sys.modules])"
    )
    environment = {"HOME": str(home), "TEXTBEAM_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0 []"
    assert sorted(tmp_path.rglob("*")) == before
    assert (out / "_MANIFEST.json").read_text() == "{}"


def test_a_person_sees_rows_tokens_lengths_and_machines(corpus):
    flags = ("--plan", f"--input={corpus}", "--deadline=8h", "--price=g2-standard-8=1")
    found = run(classify_command.main, ROOT, *flags)
    assert found.code == 0, found.err
    assert found.out.startswith("1,200 rows, ")
    for said in (
        "30 files of JSON Lines",
        "nothing was written",
        "those that make it in 8 h",
        "too long",
    ):
        assert said in found.out
    (line,) = (line for line in found.out.splitlines() if line.startswith("g2-standard-8 *"))
    assert line.split()[-1] == "0.17"  # ten minutes to start


def test_the_bundled_sample_is_planned_without_an_input():
    assert planned(classify_command.main)["rows"] == {"estimate": 200, "error": 0}


def test_what_embed_puts_before_texts_counts(corpus, tiny_preset):
    flags = (f"--preset={tiny_preset}", f"--input={corpus}")
    without = planned(embed_command.main, *flags)
    prefixed = planned(embed_command.main, *flags, "--prefix=the soup was hot: ")
    each = (prefixed["tokens"]["estimate"] - without["tokens"]["estimate"]) / 1200
    assert each == pytest.approx(round(each))
    assert each >= 5


def test_windows_are_computed_with_their_overlap(corpus):
    flags = (f"--input={corpus}", "--sequence_length=16")
    cut = planned(classify_command.main, *flags)
    windows = planned(classify_command.main, *flags, "--long_text=windows")
    assert windows["tokens"] == cut["tokens"]
    assert windows["computed_tokens"]["estimate"] > windows["tokens"]["estimate"]
    assert cut["computed_tokens"]["estimate"] < cut["tokens"]["estimate"]
    assert (windows["truncated"]["share"], cut["truncated"]["share"] > 0.1) == (0, True)


def test_a_limit_is_planned(corpus):
    plan = planned(classify_command.main, f"--input={corpus}", "--limit=100")
    assert (plan["rows"]["estimate"], plan["units"]) == (100, 1)


def test_an_update_says_that_all_is_counted(corpus):
    flags = ("--plan", f"--input={corpus}", "--if_exists=update")
    found = run(classify_command.main, ROOT, *flags)
    assert "All of the input is counted, not only what the output lacks." in found.out


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--deadline=8h"], "--deadline is for --plan, which says what a run would take"),
        (["--price=zen5-2=1"], "--price is for --plan, which says what a run would take"),
        (["--plan", "--deadline=8"], "argument --deadline: must be a number above 0 and s, m, h"),
        (["--plan", "--deadline=0h"], "argument --deadline: must be a number above 0"),
        (["--plan", "--price=0.39"], "argument --price: must be a machine and its price"),
        (["--plan", "--price=zen5-2=-1"], "argument --price: must be a machine and its price"),
        (["--plan", "--price=zen5=1"], "--price=zen5=… is of a machine whose speed is not known;"),
        (["--plan", "--text_column=body"], "no column 'body'"),
        (["--plan", "--sequence_length=2"], "--sequence_length=2 leaves no room for text"),
    ],
)
def test_mistakes_are_refused(flags, error, corpus):
    found = run(classify_command.main, ROOT, f"--input={corpus}", *flags)
    assert error in found.error


def test_a_preset_that_is_not_here_is_not_fetched(monkeypatch, corpus, cache):
    monkeypatch.setattr(store, "fetch", None)
    flags = ("--plan", f"--input={corpus}", "--preset=hf://someone/model")
    found = run(embed_command.main, ROOT, *flags)
    assert found.error == (
        "--preset=hf://someone/model is not on this machine, and --plan fetches nothing: python -m "
        "pipelines.presets fetch hf://someone/model"
    )
    assert not cache.exists()


def test_a_corpus_in_a_bucket_is_planned_by_reading_little_of_it(gcs_bucket, gcs_proxy):
    from apache_beam.io.filesystems import FileSystems

    content = "a fine day, and a very long one\n" * (20 << 15)
    with FileSystems.create(f"{gcs_bucket}/a.txt") as file:
        file.write(content.encode())
    plan = planned(classify_command.main, f"--input={gcs_bucket}/a.txt")
    assert plan["rows"]["estimate"] == pytest.approx(content.count("\n"), rel=0.02)
    assert plan["sample"]["rows"] < content.count("\n") / 3


def test_on_a_narrow_terminal_the_machines_keep_their_names(corpus, monkeypatch):
    monkeypatch.setattr(console, "_UNBROKEN", 60)
    flags = ("--plan", f"--input={corpus}", "--deadline=8h", "--price=g2-standard-8=1")
    found = run(classify_command.main, ROOT, *flags)
    lines = found.out.splitlines()
    (title,) = (line for line in lines if line.startswith("machine"))
    assert title.split() == ["machine", "alone", "workers", "together", "cost"]
    (line,) = (line for line in lines if line.startswith("n1-standard-8+t4 *"))
    assert max(len(title), len(line)) <= 60


def test_one_long_row_is_planned(tmp_path):
    (tmp_path / "a.txt").write_text("a very long one " * 200_000 + "\n")
    found = run(classify_command.main, ROOT, "--plan", f"--input={tmp_path / 'a.txt'}")
    assert found.out.startswith("1 row, 800,002 tokens; nothing was written")
    assert "800,002 a row" in found.out


def test_of_a_machine_without_a_speed_in_a_precision_it_is_said_that_it_is_not_shown(corpus):
    flags = ("--plan", f"--input={corpus}", "--precision=int8", "--price=g2-standard-8=1")
    found = run(classify_command.main, ROOT, *flags)
    assert "Not shown, for want of a speed in int8: g2-standard-8." in found.out


@pytest.mark.parametrize(
    ("sizes", "units"), [([10] * 6, 6), ([6] * 6, 3), ([50, 1, 1], 5)], ids=["one", "two", "cut"]
)
def test_small_files_go_into_units_as_a_run_puts_them(sizes, units, tmp_path, monkeypatch):
    monkeypatch.setattr(reading_units, "_LEAST_BYTES", 16 << 10)
    line = "a fine day, and a very long one\n"
    for number, size in enumerate(sizes):
        (tmp_path / f"{number}.txt").write_text(line * (size << 10 >> 5))
    plan = planned(classify_command.main, f"--input={tmp_path}")
    corpus = plan_corpus(find_files([str(tmp_path)]))
    assert plan["units"] == len(reading_units.plan_units(corpus)) == units
