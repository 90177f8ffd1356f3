"""Damaged preset folders, read as far as a run reads them before it makes the model."""

import pytest

from tests.fuzz.preset_folders import PRESETS
from tests.fuzz.runs import run

_INPUTS = 25  # of each family
_SEED = 21


@pytest.mark.parametrize("form", ["keras_hub", "hugging_face", "tensorflow"])
def test_a_damaged_preset_is_read_or_refused_in_a_line(form):
    names = [case.name for case in PRESETS if case.name.startswith(form)]
    tallies = run(names, _INPUTS * len(names), _SEED)
    assert all(0 < tally.counts["refused"] < _INPUTS for tally in tallies.values())
    failures = [f"{name} {n}: {why}" for name in names for n, why in tallies[name].failures.items()]
    assert not failures, "\n\n".join(failures)
