from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.reporting.summary import print_summary
from transforms.files import CorpusFile
from transforms.writing.output import Todo


def manifest_of(labels: dict[str, int] | None = None, **changes: Any) -> dict[str, Any]:
    """The manifest of one run, of which only what a summary looks at is true to life."""
    written = sum((labels or {}).values())
    rows = {"read": written, "written": written, "rejected": 0, "truncated": 0}
    run = {"rows": rows, "seconds": 2.0, "tokens": 10 * written, "parts": 1}
    manifest: dict[str, Any] = {
        "runs": [run | ({"labels": labels} if labels else {})],
        "rows": rows,
        "output_format": "parquet",
        "columns": dict.fromkeys(("text", "label", "score"), ""),
        "text_column": "text",
        "renamed": {},
        "filled": {},
        "inputs": [{"source": "a.txt"}],
        "model": {"preset": "a_preset", "sequence_length": 64},
        "parts": [{"path": "part-0.parquet", "rows": written, "bytes": 1_234_567}],
        "rejected": {"errors": {}},
    }
    return manifest | changes


@pytest.fixture
def summary(capsys, tmp_path, monkeypatch):
    """Returns what is printed of a manifest, without the spaces at the ends of lines."""
    monkeypatch.setenv("COLUMNS", "120")

    def print_and_read(manifest, output=str(tmp_path), **kwargs) -> str:
        print_summary(manifest, output=output, **kwargs)
        return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())

    return print_and_read


def write_part(folder: Path, name: str, *texts: str) -> None:
    rows = [{"text": text, "label": "good", "score": 0.987} for text in texts]
    pq.write_table(pa.Table.from_pylist(rows), folder / name)


def test_rows_and_tokens_a_second_come_first(summary):
    said = summary(manifest_of({"good": 3_000}))
    assert said.startswith("3,000 rows labelled in 2.0 s: 1,500 rows/s, 15,000 tokens/s")


def test_rows_of_a_run_that_died_do_not_count_as_work(summary):
    manifest = manifest_of({"good": 3_000})
    manifest["runs"][-1]["speed"] = {"seconds": 1.0, "rows": [600, 400], "before": 2_000}
    said = summary(manifest)
    assert said.startswith(
        "3,000 rows labelled in 2.0 s, 2,000 of them before by a run that stopped: 500 rows/s\n"
    )


def test_an_empty_text_is_told_as_such(summary, tmp_path):
    write_part(tmp_path, "part-0.parquet", "")
    assert "good  0.99  (empty)" in summary(manifest_of({"good": 1}))


def test_the_start_does_not_count_as_work(summary):
    said = summary(manifest_of({"good": 3_000}), start_seconds=0.5)
    assert said.startswith("3,000 rows labelled in 2.0 s, 0.5 s of it to start: 2,000 rows/s")


def test_labels_are_ranked_with_their_share(summary):
    said = summary(manifest_of({"rare": 1, "common": 3}))
    lines = said.splitlines()
    common = lines.index(f"  common  3  75.0%  {18 * '█'}")
    assert lines[common + 1] == f"  rare    1  25.0%  {6 * '█'}"
    said = summary(manifest_of({"all": 4}))
    assert f"  all  4  100.0%  {24 * '█'}" in said


def test_vectors_are_described_in_place_of_labels(summary):
    embedding = {
        "pooling": "cls",
        "normalize": False,
        "dimensions": 384,
        "embedding_dtype": "float16",
        "prefix": "",
        "prompt": None,
        "modules": [],
    }
    manifest = manifest_of({"": 4})
    del manifest["runs"][0]["labels"]
    manifest["model"] |= {"embedding": embedding, "long_text": "windows"}
    said = summary(manifest)
    assert said.startswith("4 rows embedded in 2.0 s: 2 rows/s, 20 tokens/s")
    assert "vectors  384 × float16, cls pooling\n" in f"{said}\n"
    assert "a_preset, 64 tokens a window" in said


@pytest.mark.parametrize(
    ("rows", "clipped", "said"),
    [
        (4096, 0, "of 4,096 rows"),
        (4096, 25, "of 4,096 rows; 0.25% of the numbers are outside, and clipped"),
        (
            *(150, 200),
            "of 150 rows; 2.00% of the numbers are outside, and clipped: --if_exists=overwrite "
            "finds new ones",
        ),
        (99, 0, "of 99 rows, which is few: rows that are added later may not fit them"),
    ],
)
def test_ranges_of_vectors_are_described(summary, rows, clipped, said):
    embedding = {
        "pooling": "cls",
        "normalize": False,
        "dimensions": 2,
        "embedding_dtype": "int8",
        "prefix": "",
        "prompt": None,
        "modules": [],
    }
    counters = {"quantized": {"numbers": 10_000, "clipped": clipped}}
    manifest = manifest_of({"": 4}, ranges={"rows": rows}, counters=counters)
    del manifest["runs"][0]["labels"]
    manifest["model"] |= {"embedding": embedding}
    assert f"\nranges   {said}\n" in f"{summary(manifest)}\n"


def test_many_labels_are_counted_together(summary):
    said = summary(manifest_of({f"label {i:02}": i + 1 for i in range(15)}))
    assert "label 14" in said
    assert "label 02" not in said
    assert "3 other labels" in said


def test_one_is_not_said_as_many(summary):
    assert summary(manifest_of({"good": 1})).startswith("1 row labelled in 2.0 s")
    labels = {f"label {i:02}": i + 1 for i in range(13)}
    assert "1 other label " in summary(manifest_of(labels))


def test_names_and_sizes_of_the_output(summary):
    manifest = manifest_of({"good": 1})
    assert "out (1 Parquet file, 1.2 MB)" in summary(manifest, output="out")
    manifest["parts"] *= 2
    assert "gs://b/out (2 Parquet files, 2.5 MB)" in summary(manifest, output="gs://b/out")
    manifest["parts"] = [{"path": "x", "bytes": 999}]
    assert "out (1 Parquet file, 999 bytes)" in summary(manifest, output="out")
    manifest["output_format"] = "jsonl"
    assert "out (1 JSONL file, 999 bytes)" in summary(manifest, output="out")
    assert "a_preset, 64 tokens a text" in summary(manifest)


@pytest.mark.parametrize(
    ("asked", "counts", "said"),
    [
        ("auto", {}, "64 tokens a text"),
        ("auto", {"float32": 5}, "64 tokens a text"),
        ("fast", {}, "64 tokens a text"),
        ("fast", {"float32": 5}, "64 tokens a text, computed in float32"),
        ("auto", {"float32": 5, "bfloat16": 0}, "64 tokens a text"),
        ("fast", {"int8": 5}, "64 tokens a text, computed in int8"),
        ("auto", {"int8": 5, "float32": 2}, "64 tokens a text, computed in float32 and int8"),
        ("int8", {"int8": 5, "bfloat16": 2}, "64 tokens a text, computed in bfloat16 and int8"),
    ],
)
def test_what_was_computed_in_is_said_unless_it_is_float32(summary, asked, counts, said):
    model = {"preset": "a_preset", "sequence_length": 64, "precision": asked}
    manifest = manifest_of({"good": 5}, counters={"precision": counts}, model=model)
    lines = [line.rstrip() for line in summary(manifest).splitlines()]
    assert [line for line in lines if line.endswith(f" a_preset, {said}")]


def test_truncated_rejected_and_renamed_are_said_only_where_there_are_some(summary):
    manifest = manifest_of({"good": 5})
    said = summary(manifest, output="out/")
    assert not {"truncated", "rejected", "renamed", "filled"} & set(said.split())
    manifest["runs"][0]["rows"] |= {"truncated": 1_000, "rejected": 9}
    manifest["rejected"] = {"errors": {"a": 4, "b": 3, "[c]": 1, "d": 1}}
    manifest["renamed"] = {"label": "input_label"}
    said = summary(manifest, output="out/")
    assert "truncated  1,000 rows longer than 64 tokens" in said
    assert "rejected   9 rows, kept in out/rejected" in said
    assert [line.split() for line in said.splitlines() if "×" in line] == [
        ["4", "×", "a"],
        ["3", "×", "b"],
        ["1", "×", "[c]"],
    ]
    assert "input column label → input_label" in said


def test_columns_that_files_lack_are_said(summary):
    filled = {"a[b]": 1, "\x1b[1mc": 2_000} | {f"x{i}": 1 for i in range(5)}
    said = summary(manifest_of({"good": 5}, filled=filled)).splitlines()
    (first,) = [place for place, line in enumerate(said) if "a[b]" in line]
    assert said[first] == "filled  a[b] with null: 1 file lacks it"
    assert said[first + 1] == "filled  [1mc with null: 2,000 files lack it"
    assert said[first + 5].strip() == "and 2 other columns"


def test_a_run_without_rows_has_no_labels(summary):
    said = summary(manifest_of())
    assert said.startswith("0 rows labelled in 2.0 s: 0 rows/s")
    assert "%" not in said


def write_scores(folder: Path, name: str, **scores: float) -> None:
    rows = [{"text": text, "label": "good", "score": score} for text, score in scores.items()]
    pq.write_table(pa.Table.from_pylist(rows), folder / name)


def test_examples_are_the_rows_that_the_model_is_least_certain_of(summary, tmp_path):
    write_scores(tmp_path, "part-0.parquet", one=0.9, two=0.51, three=0.99, four=0.7, five=0.6)
    said = summary(manifest_of({"good": 5})).splitlines()
    place = said.index("least certain")
    assert said[place + 1 : place + 4] == [
        "  good  0.51  two",
        "  good  0.60  five",
        "  good  0.70  four",
    ]
    assert said[place + 4] == ""


def test_examples_of_a_large_result_say_how_far_was_looked(summary, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.reporting.examples._LOOKED_AT", 3)
    parts = [{"path": f"part-{i}.parquet", "bytes": 1} for i in range(2)]
    write_scores(tmp_path, "part-0.parquet", one=0.9, two=0.8)
    write_scores(tmp_path, "part-1.parquet", three=0.7, four=0.5)
    manifest = manifest_of({"good": 4}, parts=parts)
    manifest["runs"][-1]["parts"] = 2
    said = summary(manifest)
    assert "least certain of the first 3 rows\n  good  0.70  three\n  good  0.80  two\n" in said
    assert "four" not in said


def test_examples_with_several_labels_are_those_near_the_threshold(summary, tmp_path):
    write_scores(tmp_path, "part-0.parquet", one=0.9, two=0.05, three=0.25, four=0.31)
    model = {"preset": "a_preset", "sequence_length": 64, "threshold": 0.3}
    said = summary(manifest_of({"good": 4}, model=model))
    assert "nearest to the threshold of 0.3\n  good  0.31  four\n  good  0.25  three\n" in said


def test_examples_of_numbers_are_the_first_rows(summary, tmp_path):
    write_scores(tmp_path, "part-0.parquet", one=0.9, two=-3.0)
    model = {"preset": "a", "sequence_length": 64, "gives_numbers": True, "labels": ["x"]}
    manifest = manifest_of({"good": 2}, model=model)
    del manifest["runs"][-1]["labels"]
    said = summary(manifest)
    assert "the first rows\n    0.90   one\n    -3.00  two\n" in said


def test_examples_are_cut_to_a_line(summary, tmp_path):
    write_part(tmp_path, "part-0.parquet", "one", "two\nlines", "x" * 100)
    said = summary(manifest_of({"good": 3}))
    assert "  good  0.99  one\n" in said
    assert "  good  0.99  two lines\n" in said
    assert f"  good  0.99  {70 * 'x'}…\n" in said


def test_examples_cannot_steer_the_terminal_or_the_layout(summary, tmp_path):
    texts = ("\x1b[31mred\x07\0 \u202eback", "[bold]not bold[/bold] [/]", ":warning: ends in \\")
    write_part(tmp_path, "part-0.parquet", *texts)
    said = summary(manifest_of({"good": 3}))
    assert "  good  0.99  [31mred back\n" in said
    assert "  good  0.99  [bold]not bold[/bold] [/]\n" in said
    assert "  good  0.99  :warning: ends in \\\n" in said


def test_labels_and_names_of_columns_cannot_steer_the_terminal_or_the_layout(summary, tmp_path):
    rows = [{"text": "one", "label": "a\n\x1b[31mb", "score": 0.5}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "part-0.parquet")
    renamed = {"lab\nel": "input_lab\nel"}
    said = summary(manifest_of({"a\n\x1b[31mb": 1}, renamed=renamed))
    assert "  a [31mb  1  100.0%" in said
    assert "  a [31mb  0.50  one\n" in said
    assert "input column lab el → input_lab el" in said


def test_results_that_are_elsewhere_have_no_examples(summary):
    assert "0.99" not in summary(manifest_of({"good": 4}), output="gs://b/out")


def test_a_run_that_appended_is_told_alone(summary, tmp_path):
    write_part(tmp_path, "old.parquet", "an old row")
    write_part(tmp_path, "new-0.parquet", "the first new row")
    write_part(tmp_path, "new-1.parquet", "another new row")
    parts = [{"path": f"{name}.parquet", "bytes": 1} for name in ("old", "new-0", "new-1")]
    rows = {"read": 4, "written": 4, "rejected": 0, "truncated": 0}
    run = {"rows": rows, "seconds": 1.0, "tokens": 40, "parts": 2, "labels": {"good": 3, "new": 1}}
    both = manifest_of({"good": 103}, parts=parts)
    both["runs"].append(run)
    said = summary(both)
    assert said.startswith("4 rows labelled in 1.0 s: 4 rows/s, 40 tokens/s")
    assert "  good  3  75.0%" in said
    assert "the first new row" in said
    assert "another new row" in said
    assert "old row" not in said


def test_an_update_says_what_became_of_the_files(summary):
    new, changed = CorpusFile("new", 1), CorpusFile("changed", 1)
    todo = Todo((new, changed), replaced=("changed",), num_same=3, num_vanished=1)
    said = summary(manifest_of({"good": 2}, inputs=[{}] * 6), todo=todo)
    assert "update  6 files: 1 new, 1 changed, 3 as before, 1 gone, whose rows stay" in said
