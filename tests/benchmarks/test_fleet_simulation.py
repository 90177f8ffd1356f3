"""The simulation of docs/scaling.md, where what must come out is known."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fleet_simulation import COSTS, Scene, main, simulate

FREE = replace(
    COSTS, request=0, submit=0, boot_spread=0, process_start=0, spread=0, straggler=4, noticed=10
)
PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


def scene(units: int, slots: int = 1) -> Scene:
    """A run whose units take a hundred seconds each."""
    return Scene(100 * units, 1, 100, 1.0, slots, 0.0)


@pytest.mark.parametrize(("workers", "seconds"), [(1, 1200), (4, 300), (5, 300), (12, 100)])
def test_units_are_shared_out_to_those_that_are_free(workers, seconds):
    assert simulate(scene(12), workers, FREE).total == pytest.approx(seconds)


def test_more_workers_than_units_do_not_help():
    assert simulate(scene(12), 100, FREE).total == pytest.approx(100)
    assert simulate(scene(12), 100, FREE).bottleneck == "tail"


def test_a_machine_works_on_as_many_units_as_it_has_slots():
    assert simulate(scene(12, slots=4), 3, FREE).total == pytest.approx(100)


def test_a_straggler_costs_a_unit_of_its_own_at_most():
    found = simulate(scene(40), 10, FREE, straggles=True).total
    assert 400 < found <= 400 + 400
    assert simulate(scene(40), 40, FREE, straggles=True).total == pytest.approx(400)


def test_what_a_machine_had_not_stored_is_done_again():
    # Half way, at 50 seconds, one of two dies with 50 bytes; the other takes them up at 100.
    assert simulate(scene(2), 2, FREE, dies=True).total == pytest.approx(60 + 100)
    stored = replace(FREE, chunk=10)
    assert simulate(scene(2), 2, stored, dies=True).total == pytest.approx(60 + 50)


def test_requests_wait_together():
    costs = replace(FREE, request=0.04, requests_a_unit=0, publishing=64, waiting=32)
    found = simulate(replace(scene(64), files=3200), 64, costs)
    assert found.planning == pytest.approx(4)
    assert found.publishing == pytest.approx(0.04 * costs.requests_a_part)


def test_the_tables_of_the_docs_are_those_that_it_prints(capsys, monkeypatch):
    page = PAGE.read_text(encoding="utf-8")
    for flags in (["--gb=100"], ["--model=bert_base", "--machine=g2-standard-8"]):
        monkeypatch.setattr("sys.argv", ["fleet_simulation", *flags])
        main()
        _, _, table = capsys.readouterr().out.partition("as it is")
        assert table.partition("\n\n")[2].strip() in page
