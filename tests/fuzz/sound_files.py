"""Small sound files of every format, by the names of the cases that begin with them."""

import bz2
import io
import lzma
import random
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.fuzz.mutations import mutated
from tests.transforms.reading.formats.avro_files import block_of, encoded, header_of, schema_of
from tests.transforms.reading.reading import COMPRESS, as_csv

ROWS = 60
_WORDS = ("good", "bad", "Ünïcode", "naïve", "日本", "😀", "a,b", 'say "x"', "two\tthree", "")


def _records() -> list[dict[str, Any]]:
    chance = random.Random(0)
    return [
        {
            "id": number,
            "text": " ".join(chance.choices(_WORDS, k=chance.randint(1, 6))),
            "kind": chance.choice(("x", "y", None)),
            "score": chance.random(),
            "tags": chance.choices(_WORDS, k=number % 4),
            "inner": {"k": [number] * (number % 3), "z": str(number)},
        }
        for number in range(ROWS)
    ]


@cache
def _table() -> pa.Table:
    records = _records()
    table = pa.Table.from_pylist(records)
    kinds = table.column("kind").combine_chunks().dictionary_encode()
    times = pa.array(np.arange(ROWS, dtype=np.int64), pa.timestamp("us"))
    return table.append_column("d", kinds).append_column("t", times)


def _text() -> bytes:
    return "".join(f"{record['text']}\n" for record in _records()).encode()


def _jsonl() -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in _records())


def _csv() -> bytes:
    rows = [[str(record["id"]), record["text"], str(record["kind"])] for record in _records()]
    return as_csv(["id", "text", "kind"], *rows).encode()


def _western_csv() -> bytes:
    return _csv().decode().replace(",", ";").encode("cp1252", "ignore")


def _wide_jsonl() -> bytes:
    return _jsonl().decode().encode("utf-16")


def _tsv() -> bytes:
    rows = [f"{r['id']}\t{r['text'].replace(chr(9), ' ')}\t{r['kind']}\n" for r in _records()]
    return "".join(["id\ttext\tkind\n", *rows]).encode()


def _parquet(**options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(_table(), sink, row_group_size=20, **options)
    return sink.getvalue()


def _arrow(is_file: bool, compression: str | None = None) -> bytes:
    sink, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_file if is_file else pa.ipc.new_stream
    table = _table().append_column("v", _table().column("text").cast(pa.string_view()))
    words = pa.array(_WORDS, pa.string_view())
    places = pa.array([number % len(_WORDS) for number in range(ROWS)], pa.int8())
    table = table.append_column("w", pa.DictionaryArray.from_arrays(places, words))
    with make(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=20)
    return sink.getvalue()


_AVRO = schema_of(
    *(("id", "long"), ("text", "string"), ("kind", ["null", "string"]), ("score", "double")),
    ("tags", {"type": "array", "items": "string"}),
)


def _snappy(content: bytes) -> bytes:
    compressed: bytes = pa.compress(content, "snappy", asbytes=True)
    return compressed + zlib.crc32(content).to_bytes(4, "big")


_AVRO_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": lambda content: zlib.compress(content)[2:-4],
    "snappy": _snappy,
    "zstandard": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def _avro(codec: str, change: Callable[[bytes], bytes] = bytes) -> bytes:
    """Returns a file of four blocks, whose content is changed before it is compressed."""
    compress, records = _AVRO_CODECS[codec], _records()
    groups = [records[start : start + 15] for start in range(0, ROWS, 15)]
    blocks = [block_of(len(group), compress(change(encoded(_AVRO, group)))) for group in groups]
    return b"".join([header_of(_AVRO, codec), *blocks])


_PLAIN: dict[str, Callable[[], bytes]] = {
    "txt": _text, "jsonl": _jsonl, "csv": _csv, "tsv": _tsv,
    "western.csv": _western_csv, "wide.jsonl": _wide_jsonl,
}  # fmt: skip
_TYPED: dict[str, Callable[[], bytes]] = {
    "snappy.parquet": lambda: _parquet(compression="snappy"),
    "zstd.parquet": lambda: _parquet(compression="zstd", data_page_version="2.0"),
    "plain.parquet": lambda: _parquet(compression="none", use_dictionary=False),
    "indexed.parquet": lambda: _parquet(
        compression="none", write_page_index=True, write_page_checksum=True
    ),
    "delta.parquet": lambda: _parquet(
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY", "id": "DELTA_BINARY_PACKED"},
    ),
    "file.arrow": lambda: _arrow(True),
    "zstd.arrow": lambda: _arrow(True, "zstd"),
    "lz4.arrow": lambda: _arrow(True, "lz4"),
    "stream.arrows": lambda: _arrow(False),
    "zstd.arrows": lambda: _arrow(False, "zstd"),
    **{f"{codec}.avro": lambda codec=codec: _avro(codec) for codec in _AVRO_CODECS},
}  # fmt: skip

NAMES = (*_PLAIN, *(f"{name}.{suffix}" for name in _PLAIN for suffix in COMPRESS), *_TYPED)
"""Names that the files have; the extensions say how they are read."""


@cache
def sound(name: str) -> bytes:
    """Returns the content of a sound file."""
    stem, _, suffix = name.rpartition(".")
    if suffix in COMPRESS and stem in _PLAIN:
        return COMPRESS[suffix](sound(stem))
    return (_PLAIN | _TYPED)[name]()


def damaged(name: str, chance: random.Random) -> bytes:
    """Returns a damaged file; a compressed one may be damaged before it was compressed."""
    stem, _, suffix = name.rpartition(".")
    if suffix in COMPRESS and stem in _PLAIN and chance.random() < 0.3:
        return COMPRESS[suffix](mutated(sound(stem), chance))
    if suffix == "avro" and chance.random() < 0.3:
        return _avro(stem, lambda content: mutated(content, chance))
    return mutated(sound(name), chance)
