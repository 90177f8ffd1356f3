import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.quantization import Ranges
from transforms.quantizing.stored import begin_ranges, load_ranges, settle_ranges
from transforms.writing.folder import OutputFolder, open_folder

RUN = "20260101t000000-abcdef"
RANGES = Ranges((float(np.float32(0.1)), -2.0), (0.5, 3.5), rows=7)
OTHER = Ranges((0.0, 0.0), (1.0, 1.0), rows=9)


@pytest.fixture(params=["local", "gcs_bucket", "s3_bucket"])
def folder(request, tmp_path) -> OutputFolder:
    where = tmp_path if request.param == "local" else request.getfixturevalue(request.param)
    return open_folder(f"{where}/out")


def test_a_run_has_no_ranges_until_they_are_stored(folder):
    assert load_ranges(folder, RUN) is None
    assert settle_ranges(folder, RUN, RANGES)
    assert load_ranges(folder, RUN) == RANGES


def test_of_two_workers_the_ranges_of_the_first_count(folder):
    assert settle_ranges(folder, RUN, RANGES)
    assert not settle_ranges(folder, RUN, OTHER)
    assert load_ranges(folder, RUN) == RANGES


def test_of_many_workers_one_counts(folder):
    many = [Ranges((float(number),), (100.0,), rows=1) for number in range(8)]
    with ThreadPoolExecutor(len(many)) as pool:
        settled = list(pool.map(lambda ranges: settle_ranges(folder, RUN, ranges), many))
    assert settled.count(True) == 1
    assert load_ranges(folder, RUN) == many[settled.index(True)]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"rows": 2, "low": [1], "high": [0]}', "[" * 100_000]
)
def test_damaged_ranges_are_none(folder, content):
    folder.write_whole(f"_runs/{RUN}/ranges.json", content.encode())
    assert load_ranges(folder, RUN) is None
    begin_ranges(folder, RUN, None)  # so that new ones can be stored
    assert settle_ranges(folder, RUN, RANGES)


def test_a_run_begins_with_the_ranges_of_earlier_rows(folder):
    begin_ranges(folder, RUN, RANGES)
    assert load_ranges(folder, RUN) == RANGES
    assert json.loads(folder.read(f"_runs/{RUN}/ranges.json") or b"") == {
        "rows": 7, "low": [0.1, -2.0], "high": [0.5, 3.5]
    }  # fmt: skip


def test_a_run_that_goes_on_keeps_its_ranges(folder):
    settle_ranges(folder, RUN, RANGES)
    begin_ranges(folder, RUN, None)
    assert load_ranges(folder, RUN) == RANGES


def test_a_run_that_goes_on_and_found_no_vectors_looks_again(folder):
    settle_ranges(folder, RUN, Ranges())
    assert load_ranges(folder, RUN) == Ranges()
    begin_ranges(folder, RUN, None)
    assert load_ranges(folder, RUN) is None
