import pytest

from benchmarks.scaling_cores import Costs, rows_a_second

COSTS = Costs(model=200, python=3, call=250, serial=7, tokenize=6)


def test_a_core_takes_the_sum_of_all():
    found = rows_a_second(COSTS, 1, 1024)
    assert found == pytest.approx(1e6 / (200 + 3 + 250 / 22 + 7 + 6), rel=0.02)


def test_python_ends_what_many_cores_gain():
    speeds = [rows_a_second(COSTS, cores, 1024) for cores in (8, 32, 96)]
    of_python = 1e6 / (3 + 250 / 22 + 7)
    assert speeds[0] < speeds[1] <= speeds[2] < of_python
    assert 4 * rows_a_second(COSTS, 8, 1024) > 2.5 * speeds[1]


def test_larger_micro_batches_help_small_models_on_many_cores():
    assert rows_a_second(COSTS, 32, 4096) > 1.3 * rows_a_second(COSTS, 32, 1024)
    large = Costs(model=7400, python=3, call=250, serial=7, tokenize=6)
    assert rows_a_second(large, 96, 4096) < 0.6 * rows_a_second(large, 96, 1024)
