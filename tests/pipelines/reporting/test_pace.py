import pytest

from pipelines.reporting import pace
from pipelines.reporting.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    """The time, which tests set."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def test_speed_and_time_left_are_since_the_first_rows(clock):
    measured = Pace(1_000)
    assert measured.now(0, 0).line() == "starting: no rows yet"
    clock[0] = 160.0  # a minute to load the model
    assert measured.now(100, 10).line() == "10 rows, 10%"
    clock[0] = 170.0
    now = measured.now(200, 2_010)
    assert now.line() == "2,010 rows, 200 rows/s, 20%, 1:20 left"
    assert now.facts() == {
        "rows": 2_010,
        "rows_per_second": 200.0,
        "percent": 20.0,
        "seconds_left": 80,
    }


def test_what_is_not_known_is_left_out(clock):
    measured = Pace(0)
    measured.now(0, 1)
    clock[0] += 10
    assert measured.now(0, 1).line() == "1 row"
    now = measured.now(0, 21)
    assert now.line() == "21 rows, 2 rows/s"
    assert now.facts()["percent"] is None
    assert now.facts()["seconds_left"] is None


def test_more_than_all_is_all(clock):
    measured = Pace(100)
    measured.now(50, 5)
    clock[0] += 10
    assert measured.now(120, 12).line() == "12 rows, 1 rows/s, 100%, 0:00 left"
