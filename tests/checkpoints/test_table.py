"""docs/checkpoint_kinds.md says what the records say."""

from tests.checkpoints.kinds import KINDS, SECTIONS
from tests.checkpoints.table import PAGE, page
from tests.checkpoints.texts import PAIRS, TEXTS


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == page(), "python -m tests.checkpoints --write"


def test_each_kind_has_a_name_of_its_own():
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)


def test_each_kind_stands_for_something_of_its_own():
    for kinds in SECTIONS.values():
        whats = [kind.what for kind in kinds]
        assert len(set(whats)) == len(whats)


def test_no_text_and_no_pair_is_there_twice():
    assert len(set(TEXTS)) == len(TEXTS) == 52
    assert len(set(PAIRS)) == len(PAIRS)
