import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.reading.reading import Found, as_csv
from transforms.reading.corpus import plan_corpus
from transforms.reading.dialect import Dialect
from transforms.reading.formats.delimited import records
from transforms.reading.formats.delimited.boundaries import Limits, boundaries
from transforms.reading.lines import line_blocks
from transforms.reading.units import plan_units

LIMITS = Limits(records.FIELD_CHARACTERS, records.MOST_FIELDS)
SOUND = st.lists(
    st.tuples(*[st.text(alphabet='aä",;\n\r', max_size=6)] * 2).filter(any), min_size=1, max_size=30
)
PIECES = [
    *("a", "ä", ",", '"', '""', "\n", "\r\n", "\r", "\n\n", "\r\r\n", "\0"),
    *('\n"', '",', ',"', '"\n', '5" ', '"c\nd",e\n', "1,b\n"),
]
ANY = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def whole_and_split(path, content: bytes, unit_bytes: int, **options) -> tuple[Found, Found]:
    path.write_bytes(content)
    corpus = plan_corpus([str(path)], columns=[], **options)
    return Found(corpus), Found(corpus, unit_bytes)


def assert_same(whole: Found, split: Found) -> None:
    assert split.rows == whole.rows
    assert split.rejected == whole.rejected


@settings(max_examples=300)
@given(rows=SOUND, unit_bytes=st.integers(1, 60), ending=st.sampled_from(["\n", "\r\n"]))
def test_units_of_sound_csv_are_the_rows_of_the_whole(tmp_path_factory, rows, unit_bytes, ending):
    path = tmp_path_factory.getbasetemp() / "sound.csv"
    content = as_csv(["text", "n"], *rows).replace("\r\n", ending)
    assert_same(
        *whole_and_split(path, content.encode(), unit_bytes, dialect=Dialect("utf-8", ",", '"'))
    )


@settings(max_examples=1500)
@given(body=ANY, unit_bytes=st.integers(1, 40), quote=st.sampled_from(['"', "'", ""]))
def test_units_of_any_csv_are_the_rows_of_the_whole(tmp_path_factory, body, unit_bytes, quote):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    content = ("text,n\n" + body.replace('"', quote or '"')).encode()
    dialect = Dialect("utf-8", ",", quote)
    assert_same(*whole_and_split(path, content, unit_bytes, dialect=dialect))


@settings(max_examples=200)
@given(
    body=ANY,
    unit_bytes=st.integers(1, 40),
    encoding=st.sampled_from(["cp1252", "utf-16-le", "utf-16-be", "utf-32-le", "cp932"]),
)
def test_units_of_other_encodings_are_the_rows_of_the_whole(
    tmp_path_factory, body, unit_bytes, encoding
):
    path = tmp_path_factory.getbasetemp() / "encoded.csv"
    content = ("text,n\n" + body).encode(encoding, "ignore")
    assert_same(*whole_and_split(path, content, unit_bytes, dialect=Dialect(encoding, ",", '"')))


@settings(max_examples=300)
@given(body=ANY, range_bytes=st.integers(1, 30), block_bytes=st.integers(1, 40))
def test_boundaries_do_not_depend_on_the_blocks(tmp_path_factory, body, range_bytes, block_bytes):
    path = tmp_path_factory.getbasetemp() / "blocks.csv"
    path.write_bytes(body.encode())
    found = [
        list(boundaries(blocks, Dialect("utf-8", ",", '"'), range_bytes, LIMITS))
        for blocks in (
            line_blocks(str(path)),
            line_blocks(str(path), block_bytes=block_bytes),
        )
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("limit", "value"), [("FIELD_CHARACTERS", 40), ("RECORD_CHARACTERS", 50), ("MOST_FIELDS", 12)]
)
@settings(max_examples=150)
@given(
    body=st.lists(
        st.sampled_from(
            ["a,1\n", '"b', '"\n', "x" * 45, ",", "," * 15, "\n", '"c\nd",2\n', "é" * 25]
        ),
        max_size=40,
    ).map("".join),
    unit_bytes=st.integers(1, 90),
)
def test_records_that_the_reader_gives_up_are_given_up_in_units_as_well(
    tmp_path_factory, limit, value, body, unit_bytes
):
    path = tmp_path_factory.getbasetemp() / f"{limit}.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, limit, value)
        dialect = Dialect("utf-8", ",", '"')
        assert_same(*whole_and_split(path, f"text,n\n{body}".encode(), unit_bytes, dialect=dialect))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_large_file_is_cut_into_units_that_know_their_first_row(tmp_path, name):
    mark = "\t" if name == "a.tsv" else ","
    rows = [
        f'"{i}"{mark}"a ""{i}"" b"' if i % 3 else f"{i}{mark}5{chr(34)} disk" for i in range(5000)
    ]
    content = "\n\n".join([f"n{mark}text", *rows])
    (tmp_path / name).write_text(content)
    corpus = plan_corpus([str(tmp_path / name)])
    units = plan_units(corpus, unit_bytes=10_000)
    assert len(units) == len(content) // 10_000 + 1
    assert [unit.stop for unit in units[:-1]] == [unit.start for unit in units[1:]]
    assert all(0 < b.first_row - a.first_row < 1000 for a, b in itertools.pairwise(units))
    assert Found(corpus, 10_000).column("position") == list(range(5000))


def test_a_line_that_names_the_delimiter_is_no_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=|\n" + "text|n\n" + "a, b; c|1\n" * 50)
    corpus = plan_corpus([str(path)])
    assert corpus.files[0].dialect.delimiter == "|"
    found = Found(corpus, 60)
    assert found.texts == ["a, b; c"] * 50
    assert found.column("position") == list(range(50))


def test_a_delimiter_beyond_ascii_leaves_a_file_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text§n\n" + "a§1\n" * 50)
    corpus = plan_corpus([str(path)], dialect=Dialect(delimiter="§"))
    assert len(plan_units(corpus, unit_bytes=20)) == 1
    assert Found(corpus, 20).texts == ["a"] * 50


def test_the_rest_after_a_quote_that_is_never_closed_is_one_unit(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,n\n" + "a,1\n" * 50 + '"b,2\n' + "c,3\n" * 50)
    corpus = plan_corpus([str(path)])
    units = plan_units(corpus, unit_bytes=40)
    assert len(units) == 6
    assert units[-1].start < 7 + 4 * 50 + 1
    whole, split = Found(corpus), Found(replace(corpus), 40)
    assert_same(whole, split)
    assert split.texts == ["a"] * 50 + ["c"] * 50
