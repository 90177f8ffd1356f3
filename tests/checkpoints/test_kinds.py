"""Every kind of checkpoint gives the numbers of its reference, or is refused with a sentence."""

import functools

import pytest

from tests.checkpoints.kinds import KINDS
from tests.checkpoints.texts import PAIRS, TEXTS

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_a_kind_gives_the_numbers_of_its_reference_or_is_refused(kind, tmp_path):
    for package in ("torch", "transformers", "sentence_transformers", "sentencepiece"):
        pytest.importorskip(package, reason="needs the parity extra")
    from tests.checkpoints import comparing, reference

    read = functools.partial(reference.read, texts=TEXTS, pairs=PAIRS)
    folder = kind.build(tmp_path / kind.name)
    problems = [
        comparing.problem(kind, outcome) for outcome in comparing.outcomes(kind, folder, read)
    ]
    assert not any(problems), problems
