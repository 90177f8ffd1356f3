"""Damaged files of every format, read as a pipeline reads them."""

import pytest

from tests.fuzz.runs import run
from tests.fuzz.sound_files import NAMES, ROWS, sound
from tests.transforms.reading.reading import read

_INPUTS = 25  # of each kind
_SEED = 20


@pytest.mark.parametrize("name", NAMES)
def test_the_files_that_are_damaged_are_sound(tmp_path, name):
    found = read(tmp_path / f"a.{name}", sound(name))
    assert len(found.rows) == ROWS
    assert found.rejected == []


@pytest.mark.parametrize("group", ["txt", "jsonl", "csv", "tsv", "parquet", "arrow", "avro"])
def test_a_damaged_file_gives_rows_and_rejected_rows_or_is_refused(group):
    names = [name for name in NAMES if group in name]
    tallies = run(names, _INPUTS * len(names), _SEED)
    failures = [f"{name} {n}: {why}" for name in names for n, why in tallies[name].failures.items()]
    assert not failures, "\n\n".join(failures)
