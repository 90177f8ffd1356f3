"""Keras Hub's own tests pass over our classes, but for those that the table explains."""

import os
from pathlib import Path

import pytest

from tests.keras_hub.__main__ import is_wrong
from tests.keras_hub.checkout import lay_out
from tests.keras_hub.differences import PAGE, page
from tests.keras_hub.running import run

CHECKOUT = "TEXTBEAM_KERAS_HUB"
"""The variable that names a checkout of Keras Hub."""


@pytest.mark.slow
def test_each_test_of_keras_hub_passes_or_is_explained():
    if not os.environ.get(CHECKOUT):
        pytest.skip(f"{CHECKOUT} names no checkout of Keras Hub")
    found = run(Path(os.environ[CHECKOUT]))
    assert {outcome.test: outcome.reason for outcome in found if is_wrong(outcome)} == {}
    ran = [outcome for outcome in found if outcome.word != "skipped"]
    assert sum(outcome.word == "passed" for outcome in ran) >= 0.9 * len(ran)


def test_the_page_lists_what_does_not_pass():
    assert PAGE.read_text("utf-8") == page(), "python -m tests.keras_hub --write"


def test_a_folder_without_the_tests_is_named(tmp_path):
    with pytest.raises(ValueError, match="empty is neither a checkout of Keras Hub nor a git dir"):
        lay_out(tmp_path / "empty", tmp_path)
