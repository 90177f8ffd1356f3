"""What records say about time, and what a run makes of it."""

import pytest

from tests.transforms.writing.results import rejected_of, rows_of
from tests.transforms.writing.runs import SmallRun, run
from transforms.writing import records
from transforms.writing.manifest import read_manifest
from transforms.writing.records import Timeline, rows_over_time


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(records.time, "time", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize("count", [1, 64, 65, 1_000, 9_999])
def test_a_timeline_stays_short_and_loses_no_row(clock, count):
    timeline = Timeline()
    for i in range(count):
        clock.now = 1000.0 + i
        timeline.add(i)
    assert len(timeline.points) <= 64
    assert sum(rows for _, rows in timeline.points) == sum(range(count))
    times = [at for at, _ in timeline.points]
    assert times == sorted(times)
    assert times[-1] == clock.now


def test_rows_are_counted_in_intervals_of_a_run():
    timelines = [[[100.0, 1], [101.5, 2]], [[102.9, 4], [101.0, 8]]]
    assert rows_over_time(timelines, 100.0, 3.0) == {"seconds": 1.0, "rows": [1, 10, 4]}


def test_a_long_run_has_few_intervals():
    found = rows_over_time([[[float(i), 1] for i in range(6_000)]], 0.0, 6_000.0)
    assert found == {"seconds": 100.0, "rows": [100] * 60}


def test_what_a_dead_run_did_is_counted_apart_and_clocks_may_differ():
    timelines = [[[10.0, 5], [99.9, 1], [100.5, 2], [140.0, 3]]]
    found = rows_over_time(timelines, 100.0, 10.0)
    assert found == {"seconds": 1.0, "rows": [3, *[0] * 8, 3], "before": 5}


@pytest.mark.parametrize("began", [1000.0, 1000.02, 1000.049, 1000.051, 1000.099])
def test_rounded_times_of_a_run_of_a_moment_are_not_taken_for_an_earlier_run(clock, began):
    timeline = Timeline()
    clock.now = began
    timeline.add(32)
    assert rows_over_time([timeline.points], began, 0.004) == {"seconds": 0.004, "rows": [32]}


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 0.5])
def test_a_run_of_a_moment_has_one_interval(seconds):
    assert rows_over_time([[[100.0, 7]]], 100.0, seconds)["rows"] == [7]


def test_a_manifest_says_how_many_rows_were_done_when(tmp_path):
    manifest = run(tmp_path, [rows_of("a", 0, 30)], [rejected_of("a", [30, 31], "read", "why")])
    assert sum(manifest["runs"][-1]["speed"]["rows"]) == 32
    again = run(tmp_path, [rows_of("b", 0, 10)], if_exists="append")
    assert "speed" not in again["runs"][0]
    assert sum(again["runs"][1]["speed"]["rows"]) == 10


def test_a_result_remembers_the_labels_of_the_one_it_replaced(tmp_path):
    first = run(tmp_path, [rows_of("a", 0, 30)], facts={"model": {"preset": "p", "weights": "w"}})
    assert "replaced" not in first
    second = run(tmp_path, [rows_of("a", 0, 10)], if_exists="overwrite")
    assert second["replaced"] == {
        "finished": first["finished"],
        "rows": first["rows"],
        "labels": {"positive": 15, "negative": 15},
        "model": {"preset": "p", "weights": "w"},
    }
    third = run(tmp_path, [rows_of("b", 0, 10)], if_exists="append")
    assert third["replaced"] == second["replaced"]


@pytest.mark.parametrize("content", [b"{", b'{"runs": [], "labels": 3, "model": []}'])
def test_a_result_that_cannot_be_read_is_replaced_all_the_same(tmp_path, content):
    run(tmp_path, [rows_of("a", 0, 10)])
    (tmp_path / "_MANIFEST.json").write_bytes(content)
    SmallRun(tmp_path, [rows_of("a", 0, 4)], if_exists="overwrite").finish()
    assert "labels" not in read_manifest(str(tmp_path)).get("replaced", {})
