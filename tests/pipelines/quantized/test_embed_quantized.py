"""`--embedding_dtype=int8` and `binary`: what is written, of whatever there is to read."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest

from models.inference.predictor import Predictor
from models.quantization import Ranges, from_int8, to_bits
from pipelines import verify as verify_command
from tests.pipelines.command_runs import ROOT, run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.quantized.results import OTHERS, check_whole, numbers_of, ranges_of
from tests.transforms.writing.results import rows_in_part
from transforms.quantizing import sample

WIDTH = 16

# What is written


def test_int8_is_a_step_of_the_range_of_each_dimension(embed, write, vectors):
    write("a.txt", TEXTS)
    found = embed()
    check_whole(found, vectors, rows=len(TEXTS))
    type_ = found.table.schema.field("embedding").type
    assert (type_.value_type, type_.list_size) == (pa.int8(), WIDTH)
    ranges, expected = ranges_of(found), vectors(TEXTS)
    assert ranges.rows == len(TEXTS)
    np.testing.assert_allclose([ranges.low, ranges.high], Ranges.of(expected).ends)
    step = (np.array(ranges.high) - ranges.low) / 255
    assert (np.abs(from_int8(numbers_of(found), ranges) - expected) <= 0.51 * step).all()
    assert found.manifest["columns"]["embedding"] == f"fixed_size_list<item: int8>[{WIDTH}]"
    assert "ranges" not in found.manifest["metadata"]


def test_binary_is_a_bit_of_each_dimension(embed, write, vectors, no_sample):
    write("a.txt", TEXTS)
    found = embed(dtype="binary")
    assert (found.code, found.err) == (0, "")
    type_ = found.table.schema.field("embedding").type
    assert (type_.value_type, type_.list_size) == (pa.int8(), WIDTH // 8)
    assert np.array_equal(numbers_of(found), to_bits(vectors(TEXTS)))
    assert "ranges" not in found.manifest
    assert found.manifest["model"]["embedding"]["dimensions"] == WIDTH
    assert f"vectors  {WIDTH} × binary, mean pooling" in found.out


@pytest.mark.parity
@pytest.mark.parametrize("dtype", ["int8", "binary"])
def test_the_numbers_are_those_of_sentence_transformers(embed, write, dtype):
    from sentence_transformers.util import quantize_embeddings

    write("a.txt", TEXTS * 20)
    floats = numbers_of(embed(dtype="float32", output="floats"))
    theirs = quantize_embeddings(floats, dtype, calibration_embeddings=floats)
    assert np.array_equal(numbers_of(embed(dtype=dtype)), theirs)


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
@pytest.mark.parametrize("dtype", ["int8", "binary"])
def test_text_has_lists_of_whole_numbers(embed, write, output_format, dtype):
    write("a.txt", TEXTS)
    expected = numbers_of(embed(dtype=dtype, output="parquet")).tolist()
    found = embed(f"--output_format={output_format}", dtype=dtype)
    (part,) = found.manifest["parts"]
    rows = [row["embedding"] for row in rows_in_part(found.folder / part["path"])]
    assert [json.loads(row) if output_format == "csv" else row for row in rows] == expected
    write("a.txt", [*TEXTS, *OTHERS])
    updated = embed(f"--output_format={output_format}", "--if_exists=update", dtype=dtype)
    assert updated.code == 0
    assert updated.manifest.get("ranges") == found.manifest.get("ranges")
    assert run(verify_command.main, found.folder, str(found.folder)).code == 0


def test_normalizing_cutting_and_windows_come_before(embed, write, vectors):
    write("a.txt", [*TEXTS, " ".join(TEXTS)])
    flags = ("--normalize", "--dimensions=8", "--long_text=windows", "--sequence_length=24")
    shaped = {"dimensions": 8, "long_text": "windows", "sequence_length": 24, "normalize": True}
    expected = vectors([*TEXTS, " ".join(TEXTS)], **shaped)
    found = embed(*flags)
    ranges = Ranges.of(expected).ends
    np.testing.assert_allclose(ranges_of(found).ends, ranges, atol=1e-6)
    assert np.array_equal(numbers_of(embed(*flags, dtype="binary", output="b")), to_bits(expected))


def test_two_runs_over_the_same_input_give_the_same_bytes(embed, write_units, monkeypatch):
    write_units("abcd")
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 12)
    one, other = embed(), embed(output="other")
    assert len(one.parts) == 4
    assert one.manifest["ranges"] == other.manifest["ranges"]
    assert [p.read_bytes() for p in one.parts] == [p.read_bytes() for p in other.parts]


@pytest.mark.parametrize(
    "mode",
    ["multi_threading", pytest.param("multi_processing", marks=pytest.mark.slow)],
)
def test_several_workers_share_the_ranges(embed, write_units, vectors, monkeypatch, mode):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for workers in processes of their own
    write_units("abcdefgh")
    found = embed(f"--direct_running_mode={mode}", "--direct_num_workers=2")
    check_whole(found, vectors, rows=80)
    assert len(found.parts) == 8
    assert ranges_of(found).rows == 80


def test_the_model_is_loaded_once_for_the_sample_and_the_rows(embed, write, monkeypatch):
    loaded = []
    from_preset = Predictor.from_preset
    monkeypatch.setattr(
        Predictor, "from_preset", lambda *a, **k: (loaded.append(1), from_preset(*a, **k))[1]
    )
    write("a.txt", TEXTS)
    assert embed().code == 0
    assert len(loaded) == 1


def test_the_page_turns_numbers_back(embed, write, vectors, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "output_formats.md").read_text()
    pattern = r"```python\n(import json.*?)\n# int8:(.*?)\n# binary:(.*?)```"
    ((shared, of_int8, of_binary),) = re.findall(pattern, page, re.DOTALL)
    write("a.txt", TEXTS)
    monkeypatch.chdir(tmp_path)
    expected = vectors(TEXTS)
    found: dict = {}
    assert embed(output="vectors").code == 0
    exec(f"{shared}\n#{of_int8}", found)
    step = np.ptp(expected, axis=0) / 255
    assert (np.abs(found["floats"] - expected) <= 0.51 * step).all()
    assert embed("--if_exists=overwrite", output="vectors", dtype="binary").code == 0
    exec(f"{shared}\n#{of_binary}", found)
    differs = ((expected > 0) != (expected[0] > 0)).sum(axis=1)
    assert found["distances"].tolist() == differs.tolist()


# Hostile inputs


def test_one_row_is_embedded_and_the_summary_warns(embed, write, vectors):
    write("a.txt", TEXTS[:1])
    found = embed()
    check_whole(found, vectors, rows=1)
    assert set(numbers_of(found).ravel()) == {-128}
    assert "of 1 row, which is few: rows that are added later may not fit them" in found.out
    write("a.txt", TEXTS[1:])
    said = embed("--if_exists=append").out
    assert "% of the numbers are outside, and clipped: --if_exists=overwrite finds new" in said


@pytest.mark.parametrize("content", [b"\xff\n\xfe\n", b""], ids=["rejected", "empty"])
def test_without_a_vector_there_are_no_ranges_until_there_is_one(
    embed, write, vectors, tmp_path, content
):
    (tmp_path / "in" / "a.txt").write_bytes(content)
    found = embed()
    assert (found.code, found.table.num_rows) == (0, 0)
    assert "ranges" not in found.manifest
    assert run(verify_command.main, found.folder, str(found.folder)).code == 0
    write("b.txt", TEXTS)
    updated = embed("--if_exists=update")
    check_whole(updated, vectors, rows=len(TEXTS))
    assert ranges_of(updated).rows == len(TEXTS)


def test_rows_that_are_rejected_are_not_in_the_ranges(embed, tmp_path, vectors):
    lines = [line for text in TEXTS for line in (text.encode(), b"\xff")]
    (tmp_path / "in" / "a.txt").write_bytes(b"\n".join(lines))
    found = embed("--encoding=utf-8")
    check_whole(found, vectors, rows=len(TEXTS))
    assert ranges_of(found).rows == len(TEXTS)
    assert len(found.rejected) == len(TEXTS)


def test_numbers_outside_of_the_sample_are_clipped_and_counted(embed, write, vectors, monkeypatch):
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 4)
    write("a.txt", [*TEXTS, *OTHERS])
    found = embed()
    check_whole(found, vectors)
    ranges, expected = ranges_of(found), vectors([*TEXTS, *OTHERS])
    assert ranges.rows == 4
    counts = found.manifest["counters"]["quantized"]
    low, high = ranges.ends
    outside = ((expected < low - 1e-5) | (expected > high + 1e-5)).sum()
    assert counts["numbers"] == expected.size
    assert outside <= counts["clipped"] <= outside + 4
    assert "of 4 rows, which is few" in found.out


def test_a_limit_holds_for_the_sample(embed, write, vectors):
    write("a.txt", [*TEXTS, *OTHERS])
    found = embed("--limit=5")
    check_whole(found, vectors, rows=5)
    assert ranges_of(found).rows == 5


# Refusals


def test_bits_that_fill_no_bytes_are_refused_with_what_fits(embed, write):
    write("a.txt", TEXTS)
    found = embed("--dimensions=13", dtype="binary")
    assert found.error == (
        "--embedding_dtype=binary puts 8 dimensions into a byte, and the vectors have 13: give "
        "--dimensions=8, or --embedding_dtype=int8"
    )
    said = embed("--dimensions=5", dtype="binary").error
    assert said.endswith("the vectors have 5: give --embedding_dtype=int8")
    assert not found.folder.exists()


@pytest.mark.parametrize("if_exists", ["append", "update"])
@pytest.mark.parametrize(("before", "now"), [("float32", "int8"), ("int8", "binary")])
def test_rows_of_another_dtype_are_not_added(embed, write, if_exists, before, now):
    write("a.txt", TEXTS)
    assert embed(dtype=before).code == 0
    write("a.txt", OTHERS)
    assert f"embedding_dtype {before}, this" in (embed(f"--if_exists={if_exists}", dtype=now).error)


@pytest.mark.parametrize(
    "damage",
    [
        lambda manifest: manifest.pop("ranges"),
        lambda manifest: manifest["ranges"]["low"].pop(),
        lambda manifest: [manifest["ranges"][end].pop() for end in ("low", "high")],
        lambda manifest: manifest.update(ranges=[]),
    ],
    ids=["gone", "uneven", "short", "list"],
)
def test_a_manifest_without_its_ranges_is_found_and_not_added_to(embed, write, damage):
    write("a.txt", TEXTS)
    found = embed()
    manifest = found.manifest
    damage(manifest)
    (found.folder / "_MANIFEST.json").write_text(json.dumps(manifest))
    verified = run(verify_command.main, found.folder, str(found.folder))
    assert verified.code == 1
    assert "the 'ranges' of _MANIFEST.json are missing or damaged" in verified.out
    write("b.txt", OTHERS)
    for if_exists in ("append", "update"):
        said = embed(f"--if_exists={if_exists}").error
        assert "the 'ranges' of _MANIFEST.json are missing or damaged" in said
        assert said.endswith("--if_exists=overwrite, or give another folder")
    assert embed("--if_exists=overwrite").code == 0
