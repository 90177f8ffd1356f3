import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.reading.reading import Found, read
from transforms.reading.corpus import plan_corpus
from transforms.reading.dialect import Dialect


def test_objects_become_rows_with_the_offset_of_their_line(tmp_path):
    content = '\ufeff{"text": "a", "n": 1}\r\n\n  \n{"n": null, "text": "\\u0000ä"}\n{"text": ""}'
    found = read(tmp_path / "a.jsonl", content)
    assert found.texts == ["a", "\0ä", ""]
    assert found.column("n") == [1, None, None]
    assert found.column("position") == [
        content.encode().index(line) for line in (b'{"text": "a"', b'{"n": null', b'{"text": ""')
    ]


def test_values_keep_their_types(tmp_path):
    row = {"text": "t", "i": 7, "f": 0.5, "b": True, "l": [{"a": 1}], "s": {"x": {"y": "z"}}}
    found = read(tmp_path / "a.jsonl", json.dumps(row))
    assert {name: found.rows[0][name] for name in row} == row


def test_mixed_values_become_json_text(tmp_path):
    values = ["a", 1, None, 2.5, {"b": [1]}, True]
    content = "".join(json.dumps({"text": "t", "v": value}) + "\n" for value in values)
    found = read(tmp_path / "a.jsonl", content)
    assert found.column("v") == ["a", "1", None, "2.5", '{"b":[1]}', "true"]


NUMBERS = ["1.10", "1e5", "12345678901234567890.123456789", "-0", "0.0", "1E+400", "1e-400"]
NUMBERS += ["9" * 300, "100000000000000000000", '{"k":1.10}', '[1.50,{"k":[2.0,"3.10"]}]']


def test_numbers_that_become_text_keep_their_digits(tmp_path):
    numbers = [number for number in NUMBERS if number != "1E+400"]
    lines = [f'{{"x": {number.replace(":", ": ")}, "text": "t"}}' for number in numbers]
    found = read(tmp_path / "a.jsonl", '{"text": "t", "x": "s"}\n' + "\r\n".join(lines))
    assert found.column("x") == ["s", *numbers]


def test_a_number_beyond_all_floats_is_rejected(tmp_path):
    found = read(tmp_path / "a.jsonl", '{"text": "t", "x": 1.5}\n{"text": "t", "x": 1E+400}\n')
    assert found.column("x") == [1.5]
    assert "number is infinity" in found.only_error()


EXACT = ["0.10000000000000001", "1.7976931348623157e308", "5e-324", "9007199254740992", "0e-999"]
EXACT += ["0.1000000000000000055511151231257827021181583404541015625"]
EXACT += ["1.00000000000000000000000", "0.00000000000000000000001"]
ROUNDED = ["12345678901234567890.123456789", "0.123456789012345678", "1.23456789012345678"]
ROUNDED += ["0.0012345678901234567891", "9007199254740993", "12345678901234567890", "1e-400"]
ROUNDED += ["-98765432109876543.21", "1234567890123456.789e10"]


@pytest.mark.parametrize("nested", ["{}", "[{}]", '{{"k": {}}}'])
@pytest.mark.parametrize("number", ROUNDED)
def test_a_number_that_a_column_would_round_is_rejected_or_text(tmp_path, number, nested):
    path = tmp_path / "a.jsonl"
    plan = f'{{"text": "a", "f": {nested.format(0.5)}}}\n'
    line = f'{{"text": "b", "f": {nested.format(number)}}}\n'
    path.write_text(plan)
    corpus = plan_corpus([str(path)])
    path.write_text(plan + line)
    found = Found(corpus)
    assert found.texts == ["a"]
    assert number in found.only_error()
    texts = read(path).column("f")  # now that the sample has it
    assert texts == [nested.format(each).replace(" ", "") for each in ("0.5", number)]


@pytest.mark.parametrize("number", EXACT)
def test_a_number_that_a_float_holds_stays_one(tmp_path, number):
    content = f'{{"text": "a", "f": 0.5}}\n{{"text": "b", "f": {number}}}\n'
    assert read(tmp_path / "a.jsonl", content).column("f") == [0.5, float(number)]


def test_digits_in_texts_are_no_numbers(tmp_path):
    texts = ["1" * 40, "." * 50, "a 1e-400 b", "x\u2026 12345678901234567890.5"]
    content = "".join(json.dumps({"text": text, "f": 0.1}) + "\n" for text in texts)
    found = read(tmp_path / "a.jsonl", content)
    assert found.texts == texts
    assert found.column("f") == [0.1] * 4


def test_of_a_key_that_is_there_twice_the_last_value_counts(tmp_path):
    content = '{"text": "a", "text": "b", "x": "s", "x": 1.10}\n{"text": "c", "x": 2, "x": "t"}\n'
    found = read(tmp_path / "a.jsonl", content)
    assert found.texts == ["b", "c"]
    assert found.column("x") == ["1.10", "t"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", '"\\ud800"', "01", "1."])
def test_what_is_no_json_is_rejected(tmp_path, value):
    content = f'{{"text": "a", "x": null}}\n{{"text": "b", "x": {value}}}\n'
    found = read(tmp_path / "a.jsonl", content)
    assert found.texts == ["a"]
    assert found.only_error().startswith("not JSON: ")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("unit_bytes", [24, 1000])
def test_a_byte_order_mark_is_honoured(tmp_path, encoding, unit_bytes):
    path = tmp_path / "a.jsonl"
    content = '\ufeff{"text": "é😀"}\r\n\n{"text": "b"}\nx'
    path.write_bytes(content.encode(encoding))
    found = Found(plan_corpus([str(path)]), unit_bytes)
    assert found.texts == ["é😀", "b"]
    last = content.index('{"text": "b"')
    assert found.column("position")[1] == len(content[:last].encode(encoding))
    assert found.raws == ["x".encode(encoding)]


def test_json_in_another_encoding_must_be_named(tmp_path):
    path = tmp_path / "a.jsonl"
    data = '{"text": "très"}\n{"text": "b"}\n'.encode("cp1252")
    assert read(path, data).only_error() == "invalid UTF-8: byte 0xe8 at offset 12"
    assert read(path, data, dialect=Dialect("cp1252")).texts == ["très", "b"]


JSON_PLAN = '{"text": "t", "i": 1, "f": 1.5, "s": {"a": 1}, "l": [1], "b": true, "z": "z"}\n'


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("nonsense", "not JSON: "),
        ('{"text": "a"', "not JSON: "),
        ('{"text": "a"} {"text": "b"}', "not JSON: "),
        ('{"text": NaN}', "not JSON: "),
        ("[1]", "not a JSON object but [1]"),
        ("null", "not a JSON object but null"),
        ('{"i": 1}', "no 'text' in the object, which has 'i'"),
        ("{}", "no 'text' in the object, which has no keys"),
        ('{"text": null}', "'text' is not a string but null"),
        ('{"text": 5}', "'text' is not a string but 5"),
        ('{"text": ["a"]}', "'text' is not a string but [\"a\"]"),
        ('{"text": "a", "i": "x"}', "'i' does not fit its type int64: \"x\""),
        ('{"text": "a", "i": 1.5}', "'i' does not fit its type int64: 1.5"),
        ('{"text": "a", "i": 1.0}', "'i' does not fit its type int64: 1.0"),
        ('{"text": "a", "i": true}', "'i' does not fit its type int64: true"),
        ('{"text": "a", "i": 9223372036854775808}', "'i' does not fit its type int64: 922337"),
        ('{"text": "a", "f": true}', "'f' does not fit its type double: true"),
        ('{"text": "a", "f": 9007199254740993}', "'f' does not fit its type double: 9007"),
        ('{"text": "a", "b": 1}', "'b' does not fit its type bool: 1"),
        ('{"text": "a", "l": 1}', "'l' does not fit its type list<item: int64>: 1"),
        ('{"text": "a", "l": ["x"]}', "'l' does not fit its type list<item: int64>: [\"x\"]"),
        ('{"text": "a", "s": {"c": 1}}', "'s' does not fit its type struct<a: int64>: {\"c\":1}"),
        ('{"text": "a", "new": 1}', "unplanned key 'new', which"),
    ],
)
def test_a_line_that_does_not_fit_is_rejected_alone(tmp_path, line, error):
    path = tmp_path / "a.jsonl"
    path.write_text(JSON_PLAN)
    corpus = plan_corpus([str(path)])
    found_before = Found(corpus)
    path.write_text(f"{JSON_PLAN}{line}\r\n{JSON_PLAN}")
    found = Found(corpus)
    assert found.column("position") == [0, len(JSON_PLAN) + len(line) + 2]
    assert found.rows[0] == found_before.rows[0]
    assert found.only_error().startswith(error)
    assert found.raws == [line.encode()]
    assert found.rejected[0]["position"] == len(JSON_PLAN)


def test_json_that_is_no_utf8_is_rejected(tmp_path):
    found = read(tmp_path / "a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n')
    assert found.texts == ["a"]
    assert found.only_error() == "invalid UTF-8: byte 0xff at offset 10"


def test_a_string_column_takes_other_values_as_json_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(JSON_PLAN)
    corpus = plan_corpus([str(path)])
    path.write_text(JSON_PLAN + '{"text": "a", "z": 5}\n')
    assert Found(corpus).column("z") == ["z", "5"]


def test_other_keys_are_ignored_where_columns_were_named(tmp_path):
    content = '{"text": "a", "n": 1, "x": 1}\n{"text": "b", "y": [1, "a"]}\n'
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    corpus = plan_corpus([str(path)], columns=["n"])
    path.write_text(content + '{"text": "c", "new": {}}\n')
    found = Found(corpus)
    assert found.texts == ["a", "b", "c"]
    assert list(found.rows[0]) == ["text", "n", "source", "position"]


def test_json_that_is_nested_deeply_is_kept_or_rejected_but_stops_nothing(tmp_path):
    path = tmp_path / "a.jsonl"

    def row(depth: int) -> str:
        return '{"text": "t", "v": ' + "[" * depth + "]" * depth + "}\n"

    path.write_text(row(100) + row(500))
    found = read(path)
    assert found.column("v") == ["[" * 100 + "]" * 100]
    assert found.only_error() == "'v' does not fit its type string: nested too deeply"


@pytest.mark.parametrize("number", [10**30, -(10**20), 1 << 64])
def test_an_integer_beyond_64_bits_is_kept_digit_by_digit_or_rejected(tmp_path, number):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "id": 1, "f": 0.5, "z": "z"}\n')
    corpus = plan_corpus([str(path)])
    for name in ("id", "f"):
        path.write_text(f'{{"text": "b", "{name}": {number}}}\n')
        expected = f"{name!r} does not fit its type {corpus.schema.field(name).type}: {number}"
        assert Found(corpus).only_error() == expected
    path.write_text(f'{{"text": "b", "z": {number}}}\n{{"text": "b", "z": [{number}, 1.5]}}\n')
    assert Found(corpus).column("z") == [f"{number}", f"[{number},1.5]"]


def test_a_long_integer_does_not_let_a_broken_or_deep_line_stop_the_others(tmp_path):
    long, deep = "9" * 5000, "[" * 1000 + "9" * 30 + "]" * 1000
    path = tmp_path / "a.jsonl"
    path.write_text(
        f'{{"text": "a"}}\n{{"text": {long}}}\n{{"text": {deep}}}\n{{"text": "{long}"}}\n'
    )
    found = read(path)
    assert found.texts == ["a", long]
    assert len(found.rejected) == 2


def test_an_unplanned_key_is_told_with_what_to_do(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n')
    corpus = plan_corpus([str(path)])
    path.write_text('{"text": "a", "x": 1, "y": 2}\n')
    error = Found(corpus).only_error()
    assert error.startswith("unplanned key 'x', 'y'")
    assert "--columns" in error


@settings(max_examples=50)
@given(
    texts=st.lists(st.text(alphabet="aä\n\0😀"), min_size=1),
    unit_bytes=st.integers(1, 40),
    blank=st.sampled_from(["", "\n", " \r\n"]),
)
def test_units_of_json_lines_together_are_the_objects(tmp_path_factory, texts, unit_bytes, blank):
    path = tmp_path_factory.getbasetemp() / "property.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": t}) + b"\n" + blank.encode() for t in texts))
    found = Found(plan_corpus([str(path)]), unit_bytes)
    content = path.read_bytes()
    assert found.texts == texts
    for row in found.rows:
        line = content[row["position"] :].split(b"\n")[0]
        assert orjson.loads(line)["text"] == row["text"]
