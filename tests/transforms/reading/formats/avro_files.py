"""Avro files, written byte by byte."""

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import zstandard

from tests.transforms.reading.reading import Found
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus

MARKER = bytes(range(16))
NUMBERED = [("id", "long"), ("text", "string")]


def schema_of(*fields: tuple[str, Any]) -> dict[str, Any]:
    described = [{"name": name, "type": type_} for name, type_ in fields]
    return {"type": "record", "name": "Row", "fields": described}


def number(value: int) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, "long", value)
    return stream.getvalue()


def header_of(schema: Any, codec: str = "null") -> bytes:
    stream = io.BytesIO()
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    fastavro.schemaless_writer(stream, {"type": "map", "values": "bytes"}, meta)
    return b"Obj\x01" + stream.getvalue() + MARKER


def encoded(schema: Any, rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    for row in rows:
        fastavro.schemaless_writer(stream, schema, row)
    return stream.getvalue()


def block_of(num_rows: int, content: bytes, marker: bytes = MARKER) -> bytes:
    return number(num_rows) + number(len(content)) + content + marker


def numbered(start: int, stop: int) -> list[dict[str, Any]]:
    return [{"id": i, "text": f"text {i}"} for i in range(start, stop)]


def blocks_of_ten(
    count: int, codec: str = "null", compress: Callable[[bytes], bytes] = bytes
) -> list[bytes]:
    """Returns the header and blocks of ten rows each, numbered on."""
    schema = schema_of(*NUMBERED)
    blocks = [
        block_of(10, compress(encoded(schema, numbered(10 * i, 10 * i + 10)))) for i in range(count)
    ]
    return [header_of(schema, codec), *blocks]


def write(path: Path, schema: Any, rows: list[dict[str, Any]], **options: Any) -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows, **options)
    return path


def plan_fails(match: str, *paths: Path, **options: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        plan_corpus([str(path) for path in paths], **options)
    assert "\n" not in str(caught.value)


def all_positions(found: Found) -> list[int]:
    return sorted(found.column("position") + [row["position"] for row in found.rejected])


def deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(content) + compressor.flush()


def snapped(content: bytes) -> bytes:
    compressed = pa.compress(content, codec="snappy", asbytes=True)
    return compressed + zlib.crc32(content).to_bytes(4, "big")


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": deflated,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "snappy": snapped,
    "zstandard": zstandard.compress,
}
