import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.reading.reading import as_csv, read
from transforms.reading.formats.delimited import reader, records


def test_csv_fields_are_strings_with_everything_that_quotes_allow(tmp_path):
    rows = [["007", 'a "b", c'], ["", "two\nlines\r\nthree"], ["1e5", "\0"], [" x ", ""]]
    found = read(tmp_path / "a.csv", as_csv(["id", "text"], *rows))
    assert [[row["id"], row["text"]] for row in found.rows] == rows
    assert found.column("position") == [0, 1, 2, 3]


def test_blank_lines_of_csv_are_no_rows(tmp_path):
    found = read(tmp_path / "a.csv", "\ufefftext,n\n\na,1\r\n\r\n\nb,2")
    assert found.texts == ["a", "b"]
    assert found.column("position") == [0, 1]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_record_with_another_number_of_fields_is_rejected(tmp_path, name, mark):
    content = "text,n\na,1\nb\nc,1,2\nd,2\n".replace(",", mark)
    found = read(tmp_path / name, content)
    assert found.texts == ["a", "d"]
    assert found.column("position") == [0, 3]
    assert [row["position"] for row in found.rejected] == [1, 2]
    assert [row["error"] for row in found.rejected] == [
        "1 field where the header has 2",
        "3 fields where the header has 2",
    ]
    assert found.raws == [b"b", f"c{mark}1{mark}2".encode()]


def test_a_rejected_record_of_several_lines_is_kept_as_it_was(tmp_path):
    found = read(tmp_path / "a.csv", 'text,n\r\n"a\r\nb"\r\nc,1\r\n')
    assert found.raws == [b'"a\r\nb"']
    assert found.texts == ["c"]


def test_tsv_takes_quotes_as_they_are(tmp_path):
    found = read(tmp_path / "a.tsv", 'text\tn\n"a\t1\r\n\n"b" c\t"\n\t\n')
    assert found.texts == ['"a', '"b" c', ""]
    assert found.column("n") == ["1", '"', ""]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", b","), ("a.tsv", b"\t")])
def test_invalid_utf8_counts_in_kept_columns_only(tmp_path, name, mark):
    path = tmp_path / name
    path.write_bytes(b"text,n,x\na,1,\xff\nb,\xfe,2\nc,3,3\n".replace(b",", mark))
    found = read(path, columns=["n"])
    assert found.texts == ["a", "c"]
    assert found.only_error() == "column 'n': invalid UTF-8: byte 0xfe at offset 0"
    assert found.raws == [b"b,\xfe,2".replace(b",", mark)]


def test_a_quote_that_is_never_closed_costs_its_line(tmp_path):
    rest = "".join(f"{i},t{i}\n" for i in range(3000))
    found = read(tmp_path / "a.csv", f'n,text\n1,a\n2,"b\n{rest}')
    assert found.texts == ["a"] + [f"t{i}" for i in range(3000)]
    assert "a quote is opened that is not closed before the end of the file" in found.only_error()
    assert found.raws == [b'2,"b']
    assert found.rejected[0]["position"] == 1


def test_a_stray_quote_does_not_melt_records_together(tmp_path):
    found = read(tmp_path / "a.csv", 'n,text\n1,a\n2,"b\n3,"c"\n4,"d"\n')
    assert found.texts == ["a", "d"]
    assert found.raws == [b'2,"b\n3,"c"']
    assert found.only_error() == "a quoted field goes on after its closing quote"


@pytest.mark.parametrize("last", ['2,"b', '2,"b\n', '2,"'])
def test_a_quote_left_open_in_the_last_line_is_rejected(tmp_path, last):
    found = read(tmp_path / "a.csv", f"n,text\n1,a\n{last}")
    assert found.texts == ["a"]
    assert found.raws == [last.strip().encode()]


def test_an_open_quote_is_given_up_after_a_bounded_length(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FIELD_CHARACTERS", 10_000)
    body = "".join(f"{i},t\n" for i in range(10_000))
    found = read(tmp_path / "a.csv", f'n,text\n0,"a\n{body}1,"b\n{body}2,"c"\n')
    assert len(found.texts) == 20_001
    assert found.raws == [b'0,"a', b'1,"b']
    assert "not closed before the end of 10,000 characters" in found.rejected[0]["error"]


def test_a_field_that_is_too_long_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FIELD_CHARACTERS", 1000)
    found = read(tmp_path / "a.csv", f"text,n\na,1\n{'x' * 2000},2\nb,3\n")
    assert found.texts == ["a", "b"]
    assert found.only_error() == "a field is longer than 1,000 characters"


def test_a_carriage_return_outside_quotes_is_rejected(tmp_path):
    found = read(tmp_path / "a.csv", "text,n\na\rb,1\nc,2\n")
    assert found.texts == ["c"]
    assert found.only_error() == "a carriage return outside quotes"


def test_nul_is_read_where_the_csv_module_refuses_it(tmp_path, monkeypatch):
    for module in (records, reader):  # as on Python 3.10
        monkeypatch.setattr(module, "NUL_STAND_IN", "\ud800")
    found = read(tmp_path / "a.csv", b'text,n\n"a\0b",\0\nc\xff,1\n\0,2,3\n')
    assert found.rows[0] | {"source": ""} == {
        "text": "a\0b", "n": "\0", "source": "", "position": 0,
    }  # fmt: skip
    assert found.raws == [b"c\xff,1", b"\0,2,3"]
    assert set(read(tmp_path / "b.csv", b"text,a\0b\nx,y\n").rows[0]) >= {"text", "a\0b"}


def test_columns_are_found_by_name_in_every_file(tmp_path):
    (tmp_path / "a.csv").write_text("text,n\na,1\n")
    (tmp_path / "b.csv").write_text("n,text\n2,b\n")
    (tmp_path / "c.csv").write_text("")
    found = read(tmp_path)
    assert [(row["text"], row["n"]) for row in found.rows] == [("a", "1"), ("b", "2")]


def test_a_field_of_ten_megabytes_is_a_row(tmp_path):
    text = "ab\n" * (3 << 20)
    assert read(tmp_path / "a.csv", as_csv(["text", "n"], [text, "1"])).texts == [text]


@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(*[st.text(alphabet='a",\n\r\0ä\u2028')] * 2).filter(any), min_size=1)
)
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "property.csv"
    found = read(path, as_csv(["text", "n"], *rows))
    assert [(row["text"], row["n"]) for row in found.rows] == rows
    assert not found.rejected


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_line_of_countless_fields_is_rejected(tmp_path, monkeypatch, name, delimiter):
    monkeypatch.setattr(records, "MOST_FIELDS", 1000)
    found = read(tmp_path / name, f"text\na\n{delimiter * 1001}\nb\n")
    assert found.texts == ["a", "b"]
    assert found.only_error() == "a line has more than 1,000 delimiters"


def test_a_record_on_countless_lines_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORD_CHARACTERS", 3999)
    found = read(tmp_path / "a.csv", "text\na\n" + '"\n",' * 1000 + "\nb\n")
    assert found.texts == ["a", "b"]
    assert found.rejected[0]["error"] == "a record is longer than 3,999 characters"
