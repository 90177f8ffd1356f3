import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.reading.encoding import (
    from_utf_8,
    line_starts,
    marked_encoding,
    named_encoding,
    not_text,
    to_utf_8,
)

ENCODINGS = ["ascii", "cp1252", "iso8859-1", "cp932", "gb18030", "big5", "euc_kr", "utf-16-le"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("UTF8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("Windows-1252", "cp1252"),
        ("latin-1", "iso8859-1"),
        ("UTF-16", "utf-16-le"),
        ("utf_16_be", "utf-16-be"),
        ("sjis", "shift_jis"),
        ("GBK", "gbk"),
    ],
)
def test_an_encoding_has_one_name(name, known):
    assert named_encoding(name) == known


@pytest.mark.parametrize("name", ["", "klingon", "utf-9", "rot13", "base64"])
def test_an_unknown_encoding_is_refused(name):
    with pytest.raises(ValueError, match="unknown encoding"):
        named_encoding(name)


@pytest.mark.parametrize("name", ["utf-7", "cp037", "iso2022_jp", "hz", "unicode_escape", "idna"])
def test_an_encoding_whose_newlines_are_something_else_is_refused(name):
    with pytest.raises(ValueError, match="cannot be cut into lines"):
        named_encoding(name)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.binary(max_size=40))
def test_bytes_of_any_encoding_come_back_or_are_no_text(encoding, data):
    content = to_utf_8(data, encoding)
    if not_text(content, encoding) is None:
        assert content.decode() == data.decode(encoding)
    else:
        with pytest.raises(UnicodeDecodeError):
            data.decode(encoding)
        assert to_utf_8(from_utf_8(content, encoding), encoding) == content


def test_what_is_no_text_is_told_with_its_byte_and_place():
    assert not_text(to_utf_8(b"\xe9t\x81", "cp1252"), "cp1252") == (
        "invalid cp1252: byte 0x81 at offset 2"
    )
    assert not_text(b"\xc3\xa9t\x81") == "invalid UTF-8: byte 0x81 at offset 3"
    # Two bytes that would be a letter of UTF-8 are none in ASCII.
    assert not_text(to_utf_8(b"\xc3\xa9", "ascii"), "ascii") == (
        "invalid ascii: byte 0xc3 at offset 0"
    )


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"\xef\xbb\xbfa", "utf-8"),
        (b"\xff\xfea\0", "utf-16-le"),
        (b"\xfe\xff\0a", "utf-16-be"),
        (b"\xff\xfe\0\0a\0\0\0", "utf-32-le"),
        (b"\0\0\xfe\xff", "utf-32-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xff\xfe\none\n", None),
        (b"text", None),
        (b"", None),
    ],
)
def test_a_byte_order_mark_shows_an_encoding(head, encoding):
    assert marked_encoding(head) == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_lines_begin_after_newlines(encoding):
    text = "a\n\n日\n\u0a0a\n" if encoding != "cp932" else "a\n\n日\nx\n"
    expected = [len(text[:at].encode(encoding)) for at in (0, 2, 3, 5)]
    assert line_starts(text.encode(encoding), encoding).tolist() == expected
