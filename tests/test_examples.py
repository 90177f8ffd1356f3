import csv
from collections import Counter
from pathlib import Path

from examples.mails import mails

ROOT = Path(__file__).parents[1]


def test_the_mails_are_what_their_script_writes():
    with (ROOT / "examples/mails.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "queue"]
    assert [tuple(row) for row in rows] == list(mails(600, seed=0))


def test_every_queue_has_as_many_mails():
    assert set(Counter(queue for _, queue in mails(50, seed=3)).values()) == {10}
