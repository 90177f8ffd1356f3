"""What the pages of all results say about their run."""

import pytest

from pipelines.reports.about import _dialect


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "as usual"),
        ({"dialect": {}}, "as usual"),
        ({"dialect": {"encoding": "utf-8"}}, "as usual"),
        ({"dialect": {"encoding": "utf-8", "delimiter": ",", "quote": '"'}}, "as usual"),
        ({"dialect": {"encoding": "cp1252"}}, "cp1252"),
        (
            {"dialect": {"encoding": "utf-8", "delimiter": ";", "quote": ""}},
            "utf-8, fields parted by semicolon, without quotes",
        ),
    ],
)
def test_files_that_are_read_as_one_expects_are_not_described(entry, said):
    assert _dialect(entry) == said
