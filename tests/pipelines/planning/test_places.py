from itertools import islice

import numpy as np
import pytest

from pipelines.planning.places import Places, shares
from tests.pipelines.planning.corpora import CORPORA, planned
from transforms.reading.units import read_unit

_CUT = ["few_large", "in_utf_16", "quoted_newlines"]


def test_shares_are_spread_evenly_however_many_are_taken():
    for count in (10, 100, 1000):
        found = np.sort(list(islice(shares(), count)))
        assert np.diff(found, prepend=found[-1] - 1).max() < 3 / count


@pytest.mark.parametrize("name", _CUT)
def test_places_side_by_side_hold_all_rows_once(name, tmp_path):
    CORPORA[name](tmp_path)
    corpus = planned(tmp_path)
    places = Places(corpus, 1 << 20)
    step = (1 << 14) / corpus.size
    found = {p.unit.name: p for p in (places.at(n * step) for n in range(int(1 / step) + 1))}
    assert sum(place.stored_bytes for place in found.values()) == corpus.size
    rows = [
        (path, text)
        for place in found.values()
        for path, batch in read_unit(corpus, place.unit)
        for text in batch.rows.column("text").to_pylist()
    ]
    whole = [
        (path, text)
        for place in Places(corpus).whole_files()
        for path, batch in read_unit(corpus, place.unit)
        for text in batch.rows.column("text").to_pylist()
    ]
    assert sorted(rows) == sorted(whole)


def test_a_place_is_as_likely_as_it_is_large(tmp_path):
    (tmp_path / "small.txt").write_text("a\n" * 1000)
    (tmp_path / "large.txt").write_text("b\n" * 9000)
    places = Places(planned(tmp_path))
    paths = [places.at(share).unit.files[0].path for share in islice(shares(), 1000)]
    assert sum(path.endswith("small.txt") for path in paths) == pytest.approx(100, abs=5)


def test_an_empty_file_is_no_place(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "a.txt").write_text("a\n")
    places = Places(planned(tmp_path))
    assert places.num_files == 1
    assert places.at(0.999).unit.files[0].path.endswith("a.txt")
