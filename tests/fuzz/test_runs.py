import pytest

from tests.fuzz import runs
from tests.fuzz.runs import run


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("dies", "the process died: -6"),
        ("hangs", "nothing came for 1 seconds"),
        ("differs", "two readings differ"),
        ("raises", "KeyError: 'not a refusal'"),
    ],
)
def test_a_failure_is_noticed_and_is_that_of_its_input(monkeypatch, name, failure):
    monkeypatch.setattr(runs, "SECONDS", 1)
    tallies = run(["csv", name], 2, seed=0)
    assert tallies["csv"].failures == {}
    assert list(tallies[name].failures) == [1]
    assert failure in tallies[name].failures[1]
