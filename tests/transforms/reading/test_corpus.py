import bz2
import gzip
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from transforms.errors import InputError
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.schemas import POSITION, SOURCE

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def write_lines(folder: Path, name: str, *rows: object) -> str:
    return write(folder, name, "".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(folder: Path, name: str, **columns: object) -> str:
    pq.write_table(pa.table(columns), folder / name)
    return str(folder / name)


def types(corpus: Corpus) -> dict[str, str]:
    return {column.name: str(column.type) for column in corpus.fields}


def plan_fails(match: str, *inputs: str, **options: object) -> None:
    with pytest.raises(InputError, match=match):
        plan_corpus(inputs, **options)


@pytest.mark.parametrize("compression", ["", *COMPRESS])
@pytest.mark.parametrize(
    ("extensions", "file_format", "content"),
    [
        ((".txt", ".text", ".log", ".TXT"), "text", b"a line\n"),
        ((".jsonl", ".ndjson", ".json"), "jsonl", b'{"text": "a"}\n'),
        ((".csv",), "csv", b"text,label\na,b\n"),
        ((".tsv",), "tsv", b"text\tlabel\na\tb\n"),
    ],
)
def test_the_extension_tells_the_format(tmp_path, compression, extensions, file_format, content):
    for extension in extensions:
        stored = COMPRESS.get(compression, bytes)(content)
        path = write(tmp_path, f"a{extension}{compression}", stored)
        corpus = plan_corpus([path])
        assert corpus.format == file_format
        assert corpus.size == len(stored)


def test_the_format_can_be_named(tmp_path):
    path = write(tmp_path, "a.dat", "text\nvalue\n")
    assert plan_corpus([path], input_format="csv").format == "csv"


def test_an_extension_that_tells_no_format_is_an_error_with_the_choices(tmp_path):
    path = write(tmp_path, "a.dat", "x")
    plan_fails("a.dat' is of unknown format.*--input_format: text, jsonl, csv, tsv, parquet", path)
    plan_fails("unknown input format 'xml'.*text, jsonl", path, input_format="xml")


def test_files_of_several_formats_are_an_error(tmp_path):
    write(tmp_path, "a.txt", "x")
    write(tmp_path, "b.csv", "text\nx\n")
    plan_fails(r"of several: text \('.*a.txt'\), csv \('.*b.csv'\)", str(tmp_path))


def test_no_input_is_an_error():
    plan_fails("no input")


def test_a_file_that_two_inputs_match_is_read_once(tmp_path):
    write(tmp_path, "a.txt", "x")
    write(tmp_path, "b.txt", "x")
    corpus = plan_corpus([f"{tmp_path}/b.txt", f"{tmp_path}/*.txt"])
    assert [file.path[-5:] for file in corpus.files] == ["b.txt", "a.txt"]


def test_a_file_that_two_inputs_spell_differently_is_read_once(tmp_path, monkeypatch):
    path = write(tmp_path, "a.txt", "x")
    monkeypatch.chdir(tmp_path)
    corpus = plan_corpus(["./a.txt", path, "../" + tmp_path.name + "/a.txt", "a.txt"])
    assert [file.path for file in corpus.files] == ["./a.txt"]


def test_plain_text_has_one_column_and_source_and_position(tmp_path):
    corpus = plan_corpus([write(tmp_path, "a.txt", "x")])
    assert corpus.schema == pa.schema([("text", pa.string()), SOURCE, POSITION])
    assert corpus.renamed == {}
    plan_fails(
        "no column 'body' for --text_column.*has 'text'", corpus.files[0].path, text_column="body"
    )


def test_a_corpus_can_be_pickled(tmp_path):
    corpus = plan_corpus([write_lines(tmp_path, "a.jsonl", {"text": "a", "tags": ["b"]})])
    assert pickle.loads(pickle.dumps(corpus)) == corpus


def test_columns_of_csv_are_strings_in_the_order_of_the_header(tmp_path):
    path = write(tmp_path, "a.csv", '\ufeff"id","the ""text""",n\r\n007,a,1\r\n')
    corpus = plan_corpus([path], text_column='the "text"')
    assert types(corpus) == {"id": "string", 'the "text"': "string", "n": "string"}


def test_a_header_of_csv_may_span_lines_and_follow_blank_ones(tmp_path):
    corpus = plan_corpus([write(tmp_path, "a.csv", '\n\n"a\nb",text\n1,2\n')])
    assert list(types(corpus)) == ["a\nb", "text"]


def test_tsv_has_no_quoting(tmp_path):
    corpus = plan_corpus([write(tmp_path, "a.tsv", '"a\ttext"\ttext\n')])
    assert list(types(corpus)) == ['"a', 'text"', "text"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("text,a,a,b,b", "names 'a', 'b' more than once"),
        (b"text,\xff", "column 2 .*invalid UTF-8: byte 0xff"),
        ('text,"open', "cannot read the header of '.*a.csv': a quote is opened"),
        ("text\rvalue\r", "carriage return"),
    ],
)
def test_a_header_that_cannot_be_used_is_an_error(tmp_path, header, message):
    plan_fails(message, write(tmp_path, "a.csv", header))


def test_a_compressed_file_that_breaks_off_in_its_header_is_an_error(tmp_path):
    path = write(tmp_path, "a.csv.gz", gzip.compress(b"text,label\n")[:12])
    plan_fails("cannot read the header.*ends early", path)


def test_every_file_must_have_the_text(tmp_path):
    write(tmp_path, "a.csv", "text,a,b\n")
    write(tmp_path, "b.csv", "a,b\n")
    plan_fails("'.*b.csv' has no column 'text', which '.*a.csv' has", str(tmp_path))
    plan_fails("no column 'body' for --text_column in '.*a.csv'", str(tmp_path), text_column="body")


def test_columns_that_are_not_kept_may_differ(tmp_path):
    write(tmp_path, "a.csv", "x,text,a\n")
    write(tmp_path, "b.csv", "a,y,z,text\n")
    assert list(types(plan_corpus([str(tmp_path)], columns=["a"]))) == ["text", "a"]


def test_kept_columns_stay_in_the_order_of_the_file(tmp_path):
    path = write(tmp_path, "a.csv", "c,text,b,a\n")
    assert list(types(plan_corpus([path], columns=["a", "c"]))) == ["c", "text", "a"]
    assert list(types(plan_corpus([path], columns=[]))) == ["text"]
    pair = plan_corpus([path], text_pair_column="b", columns=[])
    assert list(types(pair)) == ["text", "b"]
    assert pair.text_columns == ("text", "b")


def test_a_column_that_is_not_there_is_an_error_with_the_nearest(tmp_path):
    path = write(tmp_path, "a.csv", "review,label\n")
    plan_fails("no column 'text' for --text_column in .*a.csv', which has 'review', 'label'", path)
    plan_fails("'reviews' .*did you mean 'review'", path, text_column="reviews")
    plan_fails(
        "'lable' for --columns.*did you mean 'label'",
        path,
        text_column="review",
        columns=["lable"],
    )
    plan_fails(
        "'title' for --text_pair_column", path, text_column="review", text_pair_column="title"
    )
    plan_fails("both 'review'", path, text_column="review", text_pair_column="review")


def test_white_space_around_a_name_counts_where_there_is_such_a_column(tmp_path):
    path = write(tmp_path, "a.csv", "text, a,b\n1,2,3\n")
    assert list(types(plan_corpus([path], columns=[" a", " b "]))) == ["text", " a", "b"]
    plan_fails("no column 'c' for --columns", path, columns=[" c"])


def test_names_that_are_taken_get_a_prefix(tmp_path):
    path = write(tmp_path, "a.csv", "text,source,position,label,input_label\n")
    corpus = plan_corpus([path], reserved=["label", "score"])
    assert corpus.renamed == {
        "source": "input_source",
        "position": "input_position",
        "label": "input_label_2",
    }
    assert corpus.schema.names == ["text", "input_source", "input_position", "input_label_2",
                                   "input_label", "source", "position"]  # fmt: skip


def test_a_text_column_whose_name_is_taken_is_renamed_too(tmp_path):
    path = write(tmp_path, "a.csv", "label,source\n")
    corpus = plan_corpus([path], text_column="label", text_pair_column="source", reserved={"label"})
    assert corpus.output_text_column == "input_label"
    assert corpus.output_text_pair_column == "input_source"


def test_empty_text_files_are_a_corpus_without_rows(tmp_path):
    assert plan_corpus([write(tmp_path, "a.txt", "")]).size == 0


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("content", ["", "\n\r\n", "\ufeff"])
def test_an_input_whose_columns_nothing_tells_is_an_error(tmp_path, name, content):
    write(tmp_path, name, content)
    write(tmp_path, f"b{name}.gz", gzip.compress(content.encode()))
    plan_fails("the input is empty, and its columns are unknown: '.*' and 1 more", str(tmp_path))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (gzip.compress(b'{"text": "a"}\n', mtime=0)[:12], "ends early"),
        (b'\1{"text": "a"}\n', "is corrupt"),
    ],
)
def test_json_lines_of_which_nothing_can_be_read_are_an_error_with_the_reason(
    tmp_path, content, fault
):
    write(tmp_path, "a.jsonl", "")
    write(tmp_path, "b.jsonl.gz", content)
    plan_fails(rf"cannot read '.*b\.jsonl\.gz': the gzip stream {fault}", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"), [("b.csv", "text,a\n1,2\n"), ("b.jsonl", '{"text": "1", "a": "2"}\n')]
)
def test_an_empty_file_beside_others_is_allowed(tmp_path, name, content):
    write(tmp_path, f"a{name}", "")
    write(tmp_path, name, content)
    assert list(types(plan_corpus([str(tmp_path)]))) == ["text", "a"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b"], "string"),
        ([1, None, 2], "int64"),
        ([1, 2.5], "double"),
        ([True, None], "bool"),
        ([True, 1], "string"),
        (["a", 1], "string"),
        ([None, None], "string"),
        ([1 << 63], "string"),
        ([[1], [], None], "list<item: int64>"),
        ([[1], [2.5]], "list<item: double>"),
        ([[]], "list<item: string>"),
        ([[1, "a"]], "string"),
        ([[1], 2], "string"),
        ([{"a": 1}, {"b": "x"}], "struct<a: int64, b: string>"),
        ([{"a": 1}, {"a": "x"}], "string"),
        (
            [{"a": [{"b": None}]}, {"a": [{"b": 1}, {"c": 2.0}]}],
            "struct<a: list<item: struct<b: int64, c: double>>>",
        ),
        ([{}], "string"),
        ([{"a": [{}]}], "string"),
    ],
)
def test_types_of_json_are_inferred(tmp_path, values, expected):
    rows = [{"text": "t", "value": value} for value in values]
    corpus = plan_corpus([write_lines(tmp_path, "a.jsonl", *rows)])
    assert types(corpus) == {"text": "string", "value": expected}


def test_a_last_line_without_a_newline_is_among_the_samples(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "t", "n": 1}\n{"text": "t", "n": 0.5, "new": "x"}')
    assert types(plan_corpus([path])) == {"text": "string", "n": "double", "new": "string"}


def test_an_integer_beyond_64_bits_makes_a_column_of_text(tmp_path):
    path = write(
        tmp_path, "a.jsonl", '{"text": "t", "id": 1}\n{"text": "t", "id": 1' + 30 * "0" + "}"
    )
    assert types(plan_corpus([path])) == {"text": "string", "id": "string"}


def test_columns_of_json_are_the_union_of_keys_in_order_of_appearance(tmp_path):
    write_lines(tmp_path, "a.jsonl", {"text": "t", "b": 1}, {"a": 1, "b": 2, "text": "t"})
    write_lines(tmp_path, "b.jsonl", {"c": 1.5, "b": 0.5})
    assert types(plan_corpus([str(tmp_path)])) == {
        "text": "string", "b": "double", "a": "int64", "c": "double",
    }  # fmt: skip


def test_samples_are_spread_over_many_files(tmp_path):
    for number in range(100):
        value = 0.5 if number >= 90 else 1
        write_lines(tmp_path, f"{number:03}.jsonl", {"text": "t", "value": value})
    assert types(plan_corpus([str(tmp_path)]))["value"] == "double"


def test_the_text_column_of_json_is_always_a_string(tmp_path):
    path = write_lines(tmp_path, "a.jsonl", {"text": 1}, {"text": 2})
    assert types(plan_corpus([path])) == {"text": "string"}


def test_lines_that_are_no_objects_do_not_hinder_the_plan(tmp_path):
    path = write(tmp_path, "a.jsonl", 'x\n1\n\n{"text": "a"}\n{"text"')
    assert types(plan_corpus([path])) == {"text": "string"}


def test_a_file_without_any_object_is_no_json_lines(tmp_path):
    plan_fails("'.*a.jsonl' is not JSON Lines", write(tmp_path, "a.jsonl", "one\ntwo\n"))


def test_parquet_columns_keep_their_types(tmp_path):
    path = write_parquet(
        tmp_path, "a.parquet", id=pa.array([1], pa.uint8()), text=["a"],
        tags=pa.array([["x"]], pa.list_(pa.string())), day=pa.array([0], pa.date32()),
    )  # fmt: skip
    assert types(plan_corpus([path])) == {
        "id": "uint8", "text": "string", "tags": "list<element: string>", "day": "date32[day]",
    }  # fmt: skip


@pytest.mark.parametrize(
    "type_",
    [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.binary(),
     pa.large_binary()],
)  # fmt: skip
def test_every_type_of_text_in_parquet_becomes_string(tmp_path, type_):
    text = pa.array(["a"]).cast(type_) if type_ != pa.binary() else pa.array([b"a"])
    path = write_parquet(tmp_path, "a.parquet", text=text)
    assert types(plan_corpus([path])) == {"text": "string"}


def test_a_parquet_column_without_text_is_no_text_column(tmp_path):
    plan_fails("'text' holds int64, not text", write_parquet(tmp_path, "a.parquet", text=[1]))


def test_parquet_files_must_agree_on_the_kept_columns(tmp_path):
    write_parquet(tmp_path, "a.parquet", text=["a"], n=[1])
    path = write_parquet(tmp_path, "b.parquet", text=["a"], n=["1"])
    plan_fails("'n' is string in '.*b.parquet' and int64 in '.*a.parquet'", str(tmp_path))
    assert types(plan_corpus([str(tmp_path)], columns=[])) == {"text": "string"}
    write(tmp_path, Path(path).name, b"\1no parquet")
    plan_fails("cannot read '.*b.parquet' as Parquet", str(tmp_path))


def test_parquet_files_may_call_strings_by_their_other_names(tmp_path):
    write_parquet(tmp_path, "a.parquet", text=["a"])
    write_parquet(tmp_path, "b.parquet", text=pa.array(["a"], pa.large_string()))
    write_parquet(tmp_path, "c.parquet", text=pa.array(["a"]).dictionary_encode())
    assert types(plan_corpus([str(tmp_path)])) == {"text": "string"}


def test_an_empty_file_is_no_parquet(tmp_path):
    plan_fails("as Parquet", write(tmp_path, "a.parquet", b""))


def test_compressed_parquet_is_an_error(tmp_path):
    plan_fails("unpack", write(tmp_path, "a.parquet.gz", gzip.compress(b"")))


def test_two_columns_of_one_name_in_parquet_are_an_error(tmp_path):
    table = pa.table([["a"], ["b"]], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    plan_fails("more than one column named 'text'", str(tmp_path))
