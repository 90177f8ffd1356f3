import json

import pytest

from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus

ROWS = [{"text": "a", "n": [1, {}]}, {"text": "[b]\n{", "n": []}]
BIG = [{"text": "word " * 100, "n": number} for number in range(1000)]


@pytest.mark.parametrize(
    "content",
    [
        '[\n  {"text": "a"},\n  {"text": "b"}\n]\n',
        '[{"text": "a"},\n {"text": "b"}]\n',
        "[\n]\n",
        '\n\n[\n{"text": "a"}\n]',
        json.dumps(ROWS, indent=2),
        json.dumps(ROWS, indent="\t").replace("\n", "\r\n"),
        "\ufeff" + json.dumps(ROWS, indent=1),
        json.dumps(ROWS),
        json.dumps(BIG, indent=2),
        json.dumps([{"text": "x" * 100_000}], indent=2),
    ],
    ids=lambda content: content[:12],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_an_array_is_told_with_the_way_out(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=r"is not JSON Lines, .*but an array") as error:
        plan_corpus([str(path)])
    assert str(error.value).endswith("a line each, for example with jq -c '.[]'")


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS[0], indent=2),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        json.dumps({"data": ROWS}, indent=4),
        json.dumps({"data": BIG}, indent=1),
        '{"text": "a",\n"n": 1}\n{"text": "b",\n"n": 1}\n',
    ],
    ids=lambda content: content[:12],
)
def test_objects_over_several_lines_are_told_with_the_way_out(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"but an object over several lines: .* with jq -c .$"):
        plan_corpus([str(path)])


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "a"}\n',
        '{"text": "a"}',
        '{"text": "a"\n{"text": "b"}\n',
        '{"text": "a\n{"text": "b"}\n',
        '{"text": "a",\n{"text": "b"}\n',
        '[1, 2\n{"text": "b"}\n',
        '[1]\n{"text": "b"}\n',
        '{"text": "a"} \r\n{"text": "b"}\n',
        'x\n[\n{"text": "b"}\n',
        json.dumps({"text": "x" * 100_000}) + '\n{"text": "b"}\n',
        '{"text": "' + "x" * 100_000 + '\n{"text": "b"}\n',
    ],
    ids=lambda content: content[:12],
)
def test_a_line_that_is_broken_does_not_make_a_file_something_else(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    assert plan_corpus([str(path)]).schema.names[0] == "text"


def test_every_file_is_looked_at(tmp_path):
    for number in range(40):
        (tmp_path / f"{number:02}.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "37.jsonl").write_text('[\n{"text": "a"}\n]\n')
    with pytest.raises(InputError, match=r"37.jsonl' is not JSON Lines"):
        plan_corpus([str(tmp_path)])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b"text,n\n1,2\n",
            "not JSON: .*; if it is of another format, name that with --input_format",
        ),
        (b"[1]\n[2]\n", r"not a JSON object but \[1\]; if it is of another format"),
        (
            b'{"text": "caf\xe9"}\n',
            "invalid UTF-8: byte 0xe9 at .*; name its encoding with --encod",
        ),
    ],
    ids=["CSV", "arrays", "Latin-1"],
)
def test_a_file_without_any_object_is_told_by_its_first_line(tmp_path, content, told):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=f"one object per line: its first line is {told}"):
        plan_corpus([str(tmp_path / "a.jsonl")])
