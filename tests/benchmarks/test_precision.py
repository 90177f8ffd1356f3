"""The benchmark of precisions, without rivals and with tiny sizes: it is run by hand elsewhere."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring import DATA, write_random_preset
from benchmarks.precision.neighbours import (
    K,
    nearest_by_cosine,
    recall,
    same_topic,
    smaller_vectors,
)
from benchmarks.precision.tables import ways_table
from benchmarks.precision.ways import NAMES, PRECISIONS, Way, product_way
from models.quantization import to_bits

ROOT = Path(__file__).parents[2]


def random_vectors(rows: int, dim: int = 32) -> np.ndarray:
    """Returns vectors of length 1, in clusters so that some are near."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(rows // 20 + 1, dim))
    vectors = centres[np.arange(rows) % len(centres)] + random.normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.slow
def test_every_part_runs_and_float32_is_its_own_measure(tmp_path: Path) -> None:
    if not (DATA / "agnews.tsv").is_file():
        pytest.skip("reads agnews.tsv, which is not in ../shared/data")
    preset, report = write_random_preset(tmp_path / "preset"), tmp_path / "report.json"
    sizes = {"pass_texts": 12, "pass_repeats": 1, "neighbour_texts": 60, "sentences": 8}
    sizes |= {"texts": 12, "repeats": 1}
    flags = [f"--{name}={size}" for name, size in sizes.items()]
    names = [f"textbeam_{precision}" for precision in ("float32", PRECISIONS[-1])]
    flags += [f"--only={','.join(names)}", "--process", f"--json={report}"]
    command = [sys.executable, "-m", "benchmarks.precision", f"--model={preset}", *flags]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr

    figures = json.loads(report.read_text())
    assert list(figures["ways"]) == names
    able = {name for name, way in figures["ways"].items() if not way["refusal"]}
    assert "textbeam_float32" in able
    for part in ("steady", "vectors", "labels", "process"):
        assert set(figures[part]) == able
    of_float32 = {part: figures[part]["textbeam_float32"] for part in ("vectors", "labels")}
    assert of_float32["vectors"]["lowest_cosine"] == pytest.approx(1)
    assert of_float32["vectors"]["recall_at_10"] == 1
    assert of_float32["labels"]["changed"] == 0
    assert [row["bytes"] for row in figures["smaller"]] == [512, 256, 128, 128, 16, 16]
    titles = [line.split(" | ")[0] for line in run.stdout.splitlines() if "| Textbeam" in line]
    assert titles == [f"| {way['title']}" for way in figures["ways"].values()]


def test_every_precision_of_the_product_is_compared() -> None:
    assert {f"textbeam_{precision}" for precision in PRECISIONS} < set(NAMES)
    assert "auto" not in PRECISIONS
    assert PRECISIONS[0] == "float32"


def test_what_a_machine_refuses_stands_in_the_table_with_the_reason() -> None:
    able = Way("textbeam_float32", "model", ())
    refused = product_way("bfloat16", "no_such_preset").tried()
    assert "no_such_preset" in refused.refusal
    figures = {"textbeam_float32": {"accuracy": 0.5, "changed": 0.0}}
    assert ways_table([able, refused], {"labels": figures}).splitlines() == [
        "|  | accuracy | labels changed |",
        "| --- | --- | --- |",
        "| Textbeam float32 | 50.0% | 0.0% |",
        f"| Textbeam bfloat16 | refused: {refused.refusal} |  |",
    ]


def test_a_title_says_what_a_precision_computes_in() -> None:
    assert Way("textbeam_fast", "", (), computes="bfloat16").title == "Textbeam fast (bfloat16)"
    assert Way("textbeam_int8", "", (), computes="int8").title == "Textbeam int8"


def test_neighbours_are_those_of_a_full_sort() -> None:
    vectors = random_vectors(1_250)
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -1)
    expected = np.argsort(-similarities, axis=1)[:, :K]
    assert recall(nearest_by_cosine(3 * vectors), expected) > 0.9999  # but for ties by rounding


def test_shares_of_neighbours() -> None:
    found, expected = np.array([[1, 2], [0, 2], [1, 0]]), np.array([[2, 1], [2, 1], [2, 1]])
    assert recall(found, expected) == pytest.approx(4 / 6)
    assert same_topic(found, np.array(["a", "b", "a"])) == pytest.approx(2 / 6)


def test_smaller_vectors_keep_the_neighbours_that_their_bytes_allow() -> None:
    vectors = random_vectors(400)
    expected = nearest_by_cosine(vectors)
    shares = {how: recall(found, expected) for how, _, found in smaller_vectors(vectors)}
    names = list(shares)
    assert shares["float32"] == 1
    assert shares["float16"] > 0.99
    assert shares[names[2]] > 0.9
    assert shares[names[4]] < shares[names[5]] < shares["float16"]


def test_binary_neighbours_are_those_of_the_hamming_distance_of_the_bits() -> None:
    vectors = random_vectors(60)
    bits = np.unpackbits(to_bits(vectors).view(np.uint8) ^ 128, axis=1)
    distances = (bits[:, None] != bits[None, :]).sum(axis=2)
    np.fill_diagonal(distances, 999)
    found = {how: neighbours for how, _, neighbours in smaller_vectors(vectors)}
    (of_bits,) = (each for how, each in found.items() if "Hamming" in how)
    nearest = np.sort(distances, axis=1)[:, :K]
    assert (np.sort(np.take_along_axis(distances, of_bits, axis=1), axis=1) == nearest).all()
