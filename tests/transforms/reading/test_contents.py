"""Files that are not what their names say, made by the programs that make such files."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.transforms.reading.formats.avro_files import header_of, schema_of
from tests.transforms.reading.reading import read
from transforms.errors import InputError
from transforms.reading import contents
from transforms.reading.contents import kind_of
from transforms.reading.corpus import plan_corpus
from transforms.reading.formats.record import INPUT_FORMATS

TABLE = pa.table({"text": ["a", "b"]})
LINES = b'{"text": "a"}\n{"text": "b"}\n'
HTML = b"\n<!-- error -->\n<!DOCTYPE html>\n<html><body>503 Service Unavailable</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


def written(write) -> bytes:
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


def zipped(*names: str, content: str = "x") -> bytes:
    def write(sink):
        with zipfile.ZipFile(sink, "w") as archive:
            for name in names:
                archive.writestr(name, content)

    return written(write)


def tarred() -> bytes:
    def write(sink):
        with tarfile.open(fileobj=sink, mode="w") as archive:
            entry = tarfile.TarInfo("a.jsonl")
            entry.size = len(LINES)
            archive.addfile(entry, io.BytesIO(LINES))

    return written(write)


def arrow() -> bytes:
    def write(sink):
        with pa.ipc.new_file(sink, TABLE.schema) as writer:
            writer.write_table(TABLE)

    return written(write)


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as base:
        base.execute("create table a (text)")
        return base.serialize() if hasattr(base, "serialize") else b"SQLite format 3\0"


def hdf5() -> bytes:
    return written(lambda sink: h5py.File(sink, "w").close())


PARQUET = written(lambda sink: pq.write_table(TABLE, sink))
BINARY = {
    "gzip": gzip.compress(LINES, mtime=0),
    "bzip2": bz2.compress(LINES),
    "zstd": zstandard.compress(LINES),
    "xz": lzma.compress(LINES),
    "lz4": b"\x04\x22\x4d\x18\x64\x40\xa7",
    "a tar archive": tarred(),
    "a zip archive": zipped("a.jsonl"),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a RAR archive": b"Rar!\x1a\x07\x01\0",
    "Parquet": PARQUET,
    "Avro": header_of(schema_of(("text", "string"))),
    "Arrow": arrow(),
    "ORC": written(lambda sink: pyarrow.orc.write_table(TABLE, sink)),
    "an SQLite database": sqlite(),
    "HDF5": hdf5(),
    "a NumPy array": written(lambda sink: np.save(sink, np.zeros(3))),
    "a pickle, which could run code": pickle.dumps([1]),
    "an Excel workbook": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "a Word document": zipped("[Content_Types].xml", "word/document.xml"),
    "a spreadsheet of LibreOffice": zipped(
        "mimetype", content="application/vnd.oasis.opendocument.spreadsheet"
    ),
    "a document of Numbers or Pages": zipped("Index/Document.iwa"),
    "an old file of Excel or Word": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "PDF": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "a pointer of Git LFS": POINTER,
}
OWN = {"Parquet": "parquet", "Avro": "avro", "Arrow": "arrow"}


def refusal(path, content: bytes, **options) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        plan_corpus([str(path)], **options)
    assert "\n" not in str(refused.value)
    return str(refused.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("title", BINARY)
@pytest.mark.parametrize("name", INPUT_FORMATS)
def test_a_file_of_another_kind_is_told_as_what_it_is(tmp_path, title, name):
    if OWN.get(title) == name:
        return
    said = refusal(tmp_path / f"a.{name}", BINARY[title], input_format=name)
    assert said.startswith(f"'a.{name}' is not {INPUT_FORMATS[name].title}, but {title}: ")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", BINARY["gzip"], "not JSON Lines, but gzip: rename it to 'a.jsonl.gz'"),
        ("a.csv", BINARY["zstd"], "not CSV, but zstd: rename it to 'a.csv.zst'"),
        ("a.parquet", BINARY["gzip"], "not Parquet, but gzip: unpack it first"),
        ("a.csv", PARQUET, "rename it to end in .parquet, or give --input_format=parquet"),
        ("a.parquet", arrow(), "but Arrow: rename it to end in .arrow"),
        ("a.parquet", b"text,id\nx,1\n", "not Parquet, but text: rename it, or name its format"),
        ("a.parquet", HTML, "not Parquet, but an HTML page: if it came in place of a file"),
        ("a.csv", HTML, "not CSV, but an HTML page"),
        ("a.jsonl", b"<?xml version='1.0'?><a/>", "not JSON Lines, but XML"),
        ("a.jsonl.gz", LINES, "not compressed as its name says, but text: rename it to 'a.jsonl'"),
        ("a.jsonl.gz", BINARY["zstd"], "but zstd: rename it to 'a.jsonl.zst'"),
        ("a.jsonl.bz2", BINARY["gzip"], "but gzip: rename it to 'a.jsonl.gz'"),
        ("a.jsonl.gz", BINARY["a zip archive"], "but a zip archive: unpack it first"),
        (
            "a.jsonl.gz",
            gzip.compress(BINARY["gzip"], mtime=0),
            "holds gzip, compressed once more: unpack",
        ),
        ("a.jsonl.zst", zstandard.compress(tarred()), "holds a tar archive: unpack it first"),
        ("a.csv.gz", gzip.compress(PARQUET, mtime=0), "holds Parquet: unpack it first"),
        ("a.csv.gz", gzip.compress(HTML, mtime=0), "holds an HTML page"),
        ("a.xlsx", BINARY["an Excel workbook"], "is an Excel workbook: save it as CSV in UTF-8"),
        ("a.zip", BINARY["a zip archive"], "is a zip archive: unpack it first"),
        ("a.tar.gz", gzip.compress(tarred(), mtime=0), "is a tar archive: unpack it first"),
        ("a.tgz", gzip.compress(tarred(), mtime=0), "is a tar archive: unpack it first"),
        ("a.jsonl.xz", BINARY["xz"], "is xz: unpack it first, or compress it as .zst"),
        ("part-0", PARQUET, "is Parquet: give --input_format=parquet"),
        ("part-0", BINARY["gzip"], "is gzip of a format that its name does not tell"),
        (
            "part-0.gz",
            gzip.compress(PARQUET, mtime=0),
            "is gzip of a format that its name does not tell",
        ),
        ("a.dat", LINES, "is of unknown format; name one with --input_format: text"),
    ],
)
def test_what_to_do_is_told(tmp_path, name, content, said):
    assert said in refusal(tmp_path / name, content)


def test_what_is_marked_up_may_be_plain_text(tmp_path):
    found = read(tmp_path / "a.txt", HTML)
    assert found.texts == HTML.decode().split("\n")


@pytest.mark.parametrize(
    "text",
    [
        "PAR1S is a city", "ORCHIDS bloom", "BZh is no word", "PK", "Rar! it said", "Obj: a thing",
        "%PDF is a format", "7zip", "é" * 3000, "\x1b[31mred", "a\0b", "",
    ],
)  # fmt: skip
def test_a_text_that_begins_like_something_else_is_text(tmp_path, text):
    assert read(tmp_path / "a.txt", f"{text}\n").texts == [text]
    assert read(tmp_path / "b.txt.gz", gzip.compress(f"{text}\n".encode(), mtime=0)).texts == [text]


def test_a_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")

    def fail(file, count):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(contents, "read_head", fail)
    with pytest.raises(InputError, match=r"cannot read '.*a\.txt': .*Permission denied"):
        plan_corpus([str(tmp_path / "a.txt")])


def test_a_few_bytes_are_not_taken_for_anything():
    for content in (*BINARY.values(), HTML):
        for end in range(3):
            kind = kind_of(content[:end])
            assert kind is None or content[:end] == b"\x1f\x8b" or kind.title.startswith("a pickle")
