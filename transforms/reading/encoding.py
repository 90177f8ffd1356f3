"""Encodings: which can be read, and how their bytes become UTF-8 and back.

Every reader works on UTF-8. What a file in another encoding holds is turned into it a block of
whole lines at a time; a byte that means nothing there becomes a lone surrogate, which UTF-8 does
not have, so that its row is rejected and the byte is found again.
"""

import codecs
import re

import numpy as np

from transforms.reading.dialect import UTF_8

WIDTHS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
"""Bytes of a newline in the encodings in which it is not one."""

BYTE_ORDER_MARKS = {  # UTF-32's begins as UTF-16's
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    UTF_8: codecs.BOM_UTF8,
}

_ASCII = bytes(range(128)).decode()
# What some encodings that look like ASCII change.
_PITFALLS = ("\\u0041 +AGE- =41 ~{ a-b", "xn--mnchen-3ya", "\x1b$B!!")
_LINE_MARKS = b'\n\r"'
_LOST = 0xDC00  # the surrogate of byte 0
_LOST_BYTES = re.compile("([\udc00-\udcff])")
_ERRORS = "textbeam.lost"


def _as_surrogates(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    lost = error.object[error.start : error.end]
    return "".join(chr(_LOST + byte) for byte in lost), error.end


codecs.register_error(_ERRORS, _as_surrogates)


def named_encoding(name: str) -> str:
    """Returns the one name of an encoding that has many, `utf-8` for UTF-8.

    `utf-16` and `utf-32` are little-endian unless a byte order mark says otherwise.

    Raises:
        ValueError: It is unknown, or its files cannot be cut into lines before they are decoded.
    """
    try:
        found = codecs.lookup(name.strip()).name
        found = {"utf-8-sig": UTF_8, "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(found, found)
        if found in WIDTHS or _extends_ascii(found):
            return found
    except (LookupError, UnicodeError):
        raise ValueError(
            f"unknown encoding {name!r}; some that are known: utf-8, cp1252, utf-16, cp1250, cp932"
        ) from None
    raise ValueError(
        f"text in {name!r} cannot be cut into lines before it is decoded: convert the files to "
        "UTF-8, for example with iconv"
    )


def _extends_ascii(encoding: str) -> bool:
    """Returns whether ASCII means in an encoding what it says, and newlines are newlines."""
    for text in (*_PITFALLS, _ASCII):
        try:
            if text.encode().decode(encoding) != text:
                return False
        except UnicodeError:
            return False
    return not any(
        _is_a_character(bytes([lead, trail]), encoding)
        for lead in range(128, 256)
        for trail in _LINE_MARKS
    )


def _is_a_character(pair: bytes, encoding: str) -> bool:
    """Returns whether two bytes are one character."""
    try:
        return len(pair.decode(encoding)) == 1
    except UnicodeError:
        return False


def marked_encoding(head: bytes) -> str | None:
    """Returns the encoding that the byte order mark of a file shows, or None.

    Two bytes that look like one are none if nothing after them looks like UTF-16.
    """
    for encoding, mark in BYTE_ORDER_MARKS.items():
        if head.startswith(mark) and (encoding == UTF_8 or b"\0" in head or head == mark):
            return encoding
    return None


def without_mark(head: bytes, encoding: str) -> bytes:
    """Returns the head of a file without its byte order mark."""
    return head.removeprefix(BYTE_ORDER_MARKS.get(encoding, b""))


def newline_of(encoding: str) -> bytes:
    """Returns the bytes that end a line."""
    return "\n".encode(encoding) if encoding in WIDTHS else b"\n"


def line_starts(data: bytes, encoding: str) -> np.ndarray:
    """Returns where in the bytes of whole lines each begins."""
    width = WIDTHS.get(encoding, 1)
    order = ">" if encoding.endswith("be") else "<"
    kind = f"{order}u{width}" if width > 1 else "u1"
    units = np.frombuffer(data, kind, count=len(data) // width)
    after = (np.flatnonzero(units == ord("\n")) + 1) * width
    starts = np.concatenate([[0], after])
    return starts[:-1] if starts[-1] == len(data) else starts


def to_utf_8(data: bytes, encoding: str) -> bytes:
    """Returns text of an encoding in UTF-8; bytes that mean nothing in it become surrogates."""
    return data.decode(encoding, _ERRORS).encode("utf-8", "surrogatepass")


def from_utf_8(data: bytes, encoding: str) -> bytes:
    """Returns what `to_utf_8` was given."""
    if encoding == UTF_8:
        return data
    pieces = _LOST_BYTES.split(data.decode("utf-8", "surrogatepass"))
    return b"".join(
        bytes([ord(piece) - _LOST]) if number % 2 else piece.encode(encoding, "replace")
        for number, piece in enumerate(pieces)
    )


def not_text(data: bytes, encoding: str = UTF_8) -> str | None:
    """Returns what is wrong with bytes that are not UTF-8, or were not of an encoding, or None."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding == UTF_8:
            return f"invalid UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        lost = data[error.start :].decode("utf-8", "surrogatepass")[0]
        before = len(from_utf_8(data[: error.start], encoding))
        return f"invalid {encoding}: byte 0x{ord(lost) - _LOST:02x} at offset {before}"
    return None
