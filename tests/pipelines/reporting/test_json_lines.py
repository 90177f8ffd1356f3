import json
import math
from pathlib import Path

import orjson
import pytest

from pipelines.reporting.json_lines import json_line, shown_json, sound, unobeyed

# What Python makes of bytes of a file's name that are no text.
UNDECODABLE = b"caf\xe9\xff.txt".decode("utf-8", "surrogateescape")
SPELLED = "caf\\udce9\\udcff.txt"


def read(content: object) -> object:
    """What a strict reader finds in the line."""
    line = json_line(content)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    return orjson.loads(line)


@pytest.mark.parametrize(
    "content",
    [
        {"a": [1, 2.5, True, None, "b"]},
        "a line\nand \u2028 another, \x1b[31mred",
        "caf\u00e9 \U0001f600 \\ud83d \\\\udcff",
        [],
    ],
    ids=ascii,
)
def test_what_json_has_comes_back(content):
    assert read(content) == content == json.loads(json_line(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (UNDECODABLE, SPELLED),
        ({UNDECODABLE: [UNDECODABLE]}, {SPELLED: [SPELLED]}),
        (Path(UNDECODABLE), SPELLED),
        (f"\U0001f600 {UNDECODABLE} \\", f"\U0001f600 {SPELLED} \\"),
        ("\ud83d\ude00", "\\ud83d\\ude00"),
        ([math.nan, UNDECODABLE, -math.inf, 3], [None, SPELLED, None, 3]),
        ({"f1": math.nan}, {"f1": None}),
    ],
    ids=ascii,
)
def test_what_json_lacks_is_spelled_or_null(content, expected):
    assert read(content) == expected


def test_a_terminal_obeys_nothing_of_what_is_shown():
    content = {"a": "caf\u00e9 \U0001f600\x1b[31m \x7f\x9b \u202e\u2028", "b": UNDECODABLE}
    shown = shown_json(content)
    assert shown.replace("\n", "").isprintable()
    assert "caf\u00e9 \U0001f600" in shown
    assert json.loads(shown) == {**content, "b": SPELLED}
    raw = orjson.dumps(content["a"]).decode()
    assert unobeyed(raw).isprintable()
    assert json.loads(unobeyed(raw)) == content["a"]


def test_half_characters_are_spelled_for_other_writers_too():
    assert orjson.loads(orjson.dumps(sound(UNDECODABLE))) == SPELLED
