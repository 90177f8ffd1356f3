"""Near duplicates, as `--duplicates` lists them."""

import json

import numpy as np
import pytest

from pipelines.searching import duplicates
from tests.pipelines.searching.conftest import LINES


def test_near_duplicates_are_listed_and_copies_counted(embed, search):
    texts = [*LINES, LINES[0], "Something wholly different, and longer than the rest of them."]
    folder = embed(texts=texts)
    said = json.loads(search(folder, "--duplicates=0.9999", "--json").out)
    assert (said["vectors"], said["same_text"], said["threshold"]) == (len(texts), 2, 0.9999)
    near = [tuple(row["id"] for row in pair["rows"]) for pair in said["pairs"]]
    assert near == [(1, 11)]  # which differ in a space at the end
    assert said["pairs"][0]["score"] == pytest.approx(1, abs=1e-5)
    assert said["pairs"][0]["rows"][0]["text"] == LINES[1]
    (group,) = said["groups"]
    lines = (folder.parent / "texts.jsonl").read_bytes().splitlines(keepends=True)
    starts = np.cumsum([0, *map(len, lines)]).tolist()
    assert [row["position"] for row in group] == [starts[1], starts[11]]


def test_one_copy_is_told_in_the_singular(embed, search):
    said = search(embed(texts=[*LINES[:3], LINES[0]]), "--duplicates=0.9999").out
    assert "4 rows, of which 1 has the text of an earlier one and was left out" in said


def test_a_person_sees_pairs_and_what_is_left_without_them(embed, search):
    texts = [*LINES, LINES[0]]
    lines = search(embed(texts=texts), "--duplicates=0.9999").out.splitlines()
    assert lines[0].split() == ["cosine", "text", "where"]
    assert lines[1].split()[0] == "1.000"
    assert LINES[1] in lines[1]
    assert LINES[1] in lines[2]
    assert lines[3] == "14 rows, of which 2 have the text of an earlier one and were left out"
    assert lines[4] == (
        "1 pair with a cosine of 0.9999 or more, in 1 group of 2 rows; with one row of each there "
        "are 11 rows"
    )


def test_fewer_pairs_than_there_are_are_shown_if_asked_for(embed, search):
    folder = embed()
    said = json.loads(search(folder, "--duplicates=0.01", "--top_k=3", "--json").out)
    assert len(said["pairs"]) == 3
    assert said["num_pairs"] > 3
    out = search(folder, "--duplicates=0.01", "--top_k=3").out
    assert f"{said['num_pairs']} pairs with a cosine of 0.01 or more, 3 shown, in 1 group" in out


@pytest.mark.parametrize("texts", [[None], ["one"], ["one"] * 4], ids=["none", "one", "same"])
def test_without_duplicates_none_are_shown(embed, search, texts):
    found = search(embed(texts=texts), "--duplicates=0.9")
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines()[-1] == "0 pairs with a cosine of 0.9 or more"
    said = json.loads(search(found.folder / "out", "--duplicates=0.9", "--json").out)
    assert (said["pairs"], said["groups"]) == ([], [])


def test_too_many_rows_are_refused_with_the_time_and_other_ways(embed, search, monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_ROWS", 3)
    said = search(embed(), "--duplicates=0.9").error
    assert said.startswith("12 rows with distinct texts make 66 pairs, about 0:00 on this machine")
    assert "an approximate index (docs/vectors.md)" in said


def test_a_long_search_for_duplicates_is_announced(embed, search, monkeypatch):
    monkeypatch.setattr(duplicates, "seconds_for", lambda *_: 3700.0)
    assert search(embed(), "--duplicates=0.9").err == "66 pairs: about 1:01:40\n"
