import pytest

from tests.transforms.reading.reading import read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.dialect import UNKNOWN, Dialect
from transforms.reading.formats.delimited.dialect import find_dialect


def found(head: str, asked: Dialect = UNKNOWN) -> tuple[str | None, str | None]:
    dialect = find_dialect(head, asked)
    return dialect.delimiter, dialect.quote


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "content",
    [
        "text;id\ngood, really good;1\nbad;2\n",
        "text;id\n",
        "text;id\na;1",
        '"text";"id"\n"a;b\nc";1\n"d ""e""";2\n',
        '"te;xt";id\nx;1\n',
        "id;text\n1;a: b\n2;d! e\n3;x y\n",
        "id;text;\n1;a;\n2;b;\n",
        "text;price\na;1,50\nb;2,75\n",
        "\n\r\ntext;id\r\na;1\r\n",
    ],
)
def test_the_delimiter_of_the_header_is_found(mark, content):
    assert found(content.replace(";", mark)) == (mark, '"')


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "text\na; b; c\nd; e; f\n",
        "text\na | b\nc | d\n",
        "text,id\na; b; c,1\nd; e; f,2\n",
        "text,a;b;c\nx; y; z,1\np; q; r,2\n",
        'text,id\n"a;b",1\n',
        "id,text\n1,a;b\n2,c\n3,d,e,f;g\n",
        "a;b,c;d\n1;2,3;4\n",
        "Title: one; two\nplain\nmore\n",
        "text;a|b\nx;1|2\ny;3|4\n",
        "it's\n'tis a text\n'twas another\n",
        "id,text\n1,'a'\n2,b\n3,c,d,e\n4,f,g\n",
    ],
)
def test_what_is_ambiguous_stays_a_comma_and_a_double_quote(content):
    assert found(content) == (",", '"')


@pytest.mark.parametrize("content", [
    "'text','id'\n'a, b',1\n",
    "'id';'text'\n1;'a; b'\n",
    "id,text\n1,'a, b'\n2,'c, d, e'\n3,'it''s, well'\n",
])  # fmt: skip
def test_an_apostrophe_that_encloses_fields_is_the_quote(content):
    assert found(content)[1] == "'"


def test_records_that_contradict_the_commas_of_a_header_decide():
    head = "text; a, b;id\n" + "good; 1;2\n" * 5
    assert found(head) == (";", '"')


def test_what_the_user_said_is_not_looked_for():
    assert found("a;b,c\n1;2,3\n", Dialect(delimiter=";")) == (";", '"')
    assert found("a;b\n", Dialect(delimiter=",", quote="")) == (",", "")
    assert found("a;b\n", Dialect(quote="'")) == (";", "'")
    assert found("sep=|\na;b\n", Dialect(delimiter=";")) == (";", '"')


@pytest.mark.parametrize(
    ("line", "mark"), [("sep=;", ";"), ("SEP=|", "|"), ("sep=\t", "\t"), ("sep=,", ",")]
)
def test_a_first_line_may_name_the_delimiter(tmp_path, line, mark):
    found = read(tmp_path / "a.csv", f"{line}\r\ntext{mark}n\r\na{mark}1\r\n")
    assert found.texts == ["a"]
    assert found.column("position") == [0]


def test_a_tsv_stays_one_unless_told(tmp_path):
    content = 'text;n\t"m"\n"a;1\t2\n'
    path = tmp_path / "a.tsv"
    path.write_text(content)
    assert plan_corpus([str(path)], text_column="text;n").schema.names[:2] == ["text;n", '"m"']
    quoted = read(path, 'text;"n\nm"\n"a;b";1\n', dialect=Dialect(None, ";", '"'))
    assert quoted.rows[0]["n\nm"] == "1"
    assert quoted.texts == ["a;b"]


def test_a_csv_without_quotes_takes_them_as_they_are(tmp_path):
    found = read(tmp_path / "a.csv", 'n,text\n1,"a\n2,b"\n', dialect=Dialect(quote=""))
    assert found.texts == ['"a', 'b"']


def test_each_file_has_a_dialect_of_its_own(tmp_path):
    (tmp_path / "a.csv").write_text("text;n\na, b;1\n")
    (tmp_path / "b.csv").write_text("n,text\n2,c; d\n")
    (tmp_path / "c.csv").write_text("text|n\ne|3\n")
    for order in (["a.csv", "b.csv", "c.csv"], ["c.csv", "b.csv", "a.csv"]):
        paths = [str(tmp_path / name) for name in order]
        marks = {file.path[-5:]: file.dialect.delimiter for file in plan_corpus(paths).files}
        assert marks == {"a.csv": ";", "b.csv": ",", "c.csv": "|"}
    assert read(tmp_path).texts == ["a, b", "c; d", "e"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (",text,id", ["column0", "text", "id"]),
        ("text,,id,", ["text", "column1", "id", "column3"]),
        (",text,column0", ["column0_", "text", "column0"]),
    ],
)
def test_a_column_without_a_name_is_called_by_its_number(tmp_path, header, names):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{'x,' * (len(names) - 1)}y\n")
    assert plan_corpus([str(path)]).schema.names[: len(names)] == names


def test_a_header_that_is_one_field_says_how_to_name_the_delimiter(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text;a|b\nx;1|2\ny;3|4\n")
    with pytest.raises(InputError, match="no column 'text' for --text_column") as error:
        plan_corpus([str(path)])
    assert str(error.value).endswith(
        "; parted by comma the header is one field: if the fields are parted by semicolon, say so "
        "with --delimiter=';'"
    )
    path.write_text("t\tn;m\n")
    with pytest.raises(InputError, match="parted by tab, say so with --delimiter=tab"):
        plan_corpus([str(path)], dialect=Dialect(delimiter=";"))


@pytest.mark.parametrize(
    ("name", "dialect", "message"),
    [
        ("a.txt", Dialect(delimiter=";"), "--delimiter is for CSV and TSV, and '.*a.txt' is plain"),
        ("a.jsonl", Dialect(quote="'"), "--quote is for CSV and TSV, and .* is JSON Lines"),
        ("a.parquet", Dialect("cp1252"), "--encoding is for plain text, .* and TSV, and .*Parquet"),
        ("a.csv", Dialect(None, "'", "'"), '"\'" is both the delimiter and the quote of .*a.csv'),
        ("a.csv", Dialect(quote=","), "',' is both the delimiter and the quote of .*a.csv"),
        ("a.csv", Dialect(delimiter='"'), "'\"' is both the delimiter and the quote of .*a.csv"),
        ("a.tsv", Dialect(quote="\t"), "both the delimiter and the quote .* with --delimiter and"),
    ],
)
def test_a_flag_that_does_not_apply_is_refused(tmp_path, name, dialect, message):
    (tmp_path / name).write_text("PAR1" if name.endswith("parquet") else "x")
    with pytest.raises(InputError, match=message):
        plan_corpus([str(tmp_path / name)], dialect=dialect)
