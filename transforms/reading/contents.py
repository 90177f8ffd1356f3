"""What a file is by its first bytes, where these are not what its name says.

A name tells how a file is read, and nothing else does. Where its content is plainly another, the
file is refused before any work, with what can be done: to read it anyway would give garbage, and to
read it as something else, silently, is no better.
"""

import re
from dataclasses import dataclass

from transforms.errors import InputError
from transforms.files import CorpusFile, HeldFile, name_of, read_head
from transforms.reading.decompress import compression_suffix, decompressed_head
from transforms.reading.formats.record import InputFormat

_HEAD_BYTES = 64 << 10  # enough for what gzip begins with to unpack to a few kilobytes
_INNER_BYTES = 4096

_UNPACK = "unpack it first"
_AS_CSV = "save it as CSV in UTF-8"
_AS_TEXT = "extract its text first"
_AS_PARQUET = "write its rows as Parquet first"


@dataclass(frozen=True)
class Kind:
    """What a file may be.

    Attributes:
        title: What messages call it.
        advice: What can be done to have it read.
        suffix: How names end of what is compressed so, if it is read.
        format: The name of the format, if it is read.
        is_markup: Whether it is text, which only plain text may be.
    """

    title: str
    advice: str = ""
    suffix: str = ""
    format: str = ""
    is_markup: bool = False


_TAR = Kind("a tar archive", _UNPACK)
_ZIP = Kind("a zip archive", _UNPACK)
_HTML = Kind(
    "an HTML page", "if it came in place of a file, download the file again", is_markup=True
)
_TEXT = Kind("text", "rename it, or name its format with --input_format")

_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x1f\x8b", Kind("gzip", suffix=".gz")),
    (0, b"BZh", Kind("bzip2", suffix=".bz2")),
    (0, b"\x28\xb5\x2f\xfd", Kind("zstd", suffix=".zst")),
    (0, b"\xfd7zXZ\0", Kind("xz", f"{_UNPACK}, or compress it as .zst")),
    (0, b"\x04\x22\x4d\x18", Kind("lz4", f"{_UNPACK}, or compress it as .zst")),
    (0, b"\xff\x06\0\0sNaPpY", Kind("snappy", f"{_UNPACK}, or compress it as .zst")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (257, b"ustar", _TAR),
    (0, b"PAR1", Kind("Parquet", format="parquet")),
    (0, b"PARE", Kind("encrypted Parquet", "decrypt it first")),
    (0, b"Obj\x01", Kind("Avro", format="avro")),
    (0, b"ARROW1\0\0", Kind("Arrow", format="arrow")),
    (0, b"ORC", Kind("ORC", _AS_PARQUET)),
    (0, b"SQLite format 3\0", Kind("an SQLite database", _AS_PARQUET)),
    (8, b"DUCK", Kind("a DuckDB database", _AS_PARQUET)),
    (0, b"\x89HDF\r\n\x1a\n", Kind("HDF5", _AS_PARQUET)),
    (0, b"\x93NUMPY", Kind("a NumPy array", _AS_PARQUET)),
    *(
        (0, b"\x80" + bytes([n]), Kind("a pickle, which could run code", _AS_PARQUET))
        for n in range(2, 6)
    ),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an old file of Excel or Word", _AS_CSV)),
    (0, b"%PDF-", Kind("PDF", _AS_TEXT)),
    (0, b"{\\rtf", Kind("RTF", _AS_TEXT)),
    (0, b"\x89PNG\r\n", Kind("an image", "give files of text")),
    (0, b"\xff\xd8\xff", Kind("an image", "give files of text")),
    (0, b"version https://git-lfs.github.com/", Kind("a pointer of Git LFS", "run git lfs pull")),
)

# What is in a zip archive tells what it is.
_ZIPPED = (
    (b"xl/", Kind("an Excel workbook", _AS_CSV)),
    (b"opendocument.spreadsheet", Kind("a spreadsheet of LibreOffice", _AS_CSV)),
    (b"Index/", Kind("a document of Numbers or Pages", _AS_CSV)),
    (b"word/", Kind("a Word document", _AS_TEXT)),
    (b"ppt/", Kind("a PowerPoint presentation", _AS_TEXT)),
    (b"opendocument.", Kind("a document of LibreOffice", _AS_TEXT)),
    (b"application/epub", Kind("an EPUB book", _AS_TEXT)),
)

# Those whose first bytes a text might begin with are told by the control characters after them.
_BINARY_ONLY = (b"PAR1", b"PARE", b"ORC", b"DUCK", b"BZh", b"ustar")
_CONTROL = re.compile(rb"[\0-\x06\x0e-\x1a\x1c-\x1f]")
_MARKUP = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.S)
_XML = Kind("XML", "write its rows as JSON Lines or Parquet first", is_markup=True)

_NAMED_TAR = re.compile(r"\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz|tzst)\Z", re.IGNORECASE)


def kind_of(head: bytes) -> Kind | None:
    """Returns what a file is that begins with some bytes, as far as they tell."""
    if head.startswith(b"PK\x03\x04"):
        start = head[:_INNER_BYTES]
        return next((kind for mark, kind in _ZIPPED if mark in start), _ZIP)
    if head.startswith((b"PK\x05\x06", b"PK\x07\x08")):
        return _ZIP
    is_binary = not _is_text(head)
    for place, magic, kind in _MAGIC:
        if head.startswith(magic, place) and (is_binary or magic not in _BINARY_ONLY):
            return kind
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _MARKUP.match(text):
        return _HTML
    return _XML if text.startswith(b"<?xml") else None


def check_content(file: CorpusFile, record: InputFormat) -> None:
    """Checks that a file is not plainly something else than it is to be read as.

    Args:
        file: The file.
        record: The format that it is read as.

    Raises:
        InputError: It is.
        OSError: It cannot be read.
    """
    if problem := _problem(file, record):
        raise InputError(problem)


def _problem(file: CorpusFile, record: InputFormat) -> str | None:
    if not file.size or (
        record.end and isinstance(file, HeldFile) and file.content.endswith(record.end)
    ):
        return None
    head = read_head(file, _HEAD_BYTES if compression_suffix(file.path) else _INNER_BYTES)
    if suffix := compression_suffix(file.path):
        return _problem_of_compressed(file.path, suffix, head, record)
    kind = kind_of(head) or (_TEXT if record.is_typed and _is_text(head) else None)
    if kind is None or _fits(kind, record):
        return None
    return (
        f"{file.path!r} is not {record.title}, but {kind.title}: {_advice(file.path, kind, record)}"
    )


def _problem_of_compressed(path: str, suffix: str, head: bytes, record: InputFormat) -> str | None:
    kind = kind_of(head.lstrip(b"\0")) or (_TEXT if _is_text(head) else None)
    if kind is None or _is_cut(head, suffix):
        return None  # it is damaged, which costs its rows alone
    if kind.suffix != suffix:
        return (
            f"{path!r} is not compressed as its name says, but {kind.title}: "
            f"{_advice(path, kind, record)}"
        )
    kind = kind_of(decompressed_head(suffix, head, _INNER_BYTES))
    if kind is None or _fits(kind, record):
        return None
    if kind.suffix:
        return f"{path!r} holds {kind.title}, compressed once more: {_UNPACK}"
    return f"{path!r} holds {kind.title}: {_advice(path, kind, record)}"


def _fits(kind: Kind, record: InputFormat) -> bool:
    return kind.format == record.name or (kind.is_markup and record.name == "text")


def _is_text(head: bytes) -> bool:
    return _CONTROL.search(head) is None


def _is_cut(head: bytes, suffix: str) -> bool:
    """Returns whether a file ends before it says how it is compressed."""
    return any(kind.suffix == suffix and magic.startswith(head) for _, magic, kind in _MAGIC)


def _advice(path: str, kind: Kind, record: InputFormat) -> str:
    """Returns what can be done about a file."""
    if kind.suffix:
        if not record.may_be_compressed:
            return _UNPACK
        return f"rename it to {_without_suffix(path) + kind.suffix!r}"
    if kind is _TEXT and compression_suffix(path):
        return f"rename it to {_without_suffix(path)!r}"
    if kind.format and compression_suffix(path):
        return _UNPACK
    if kind.format:
        return f"rename it to end in .{kind.format}, or give --input_format={kind.format}"
    return kind.advice


def _without_suffix(path: str) -> str:
    suffix = compression_suffix(path)
    return path[: -len(suffix)] if suffix and path.lower().endswith(suffix) else path


def what_it_is(file: CorpusFile) -> str | None:
    """Returns what to say of a file whose name tells no format, if its first bytes tell more."""
    if _NAMED_TAR.search(name_of(file.path)):
        kind: Kind | None = _TAR
    else:
        try:
            kind = kind_of(read_head(file, _INNER_BYTES)) if file.size else None
        except OSError:
            return None
    if kind is None:
        return None
    if kind.suffix:
        return f"{file.path!r} is {kind.title} of a format that its name does not tell"
    if kind.format:
        return f"{file.path!r} is {kind.title}: give --input_format={kind.format}"
    return f"{file.path!r} is {kind.title}: {kind.advice}"
