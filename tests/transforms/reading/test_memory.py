"""Files of kilobytes that unpack to gigabytes, read in a process of their own."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.transforms.reading.formats.avro_files import block_of, header_of, number, schema_of

READ = """
import re, sys
from transforms.reading.corpus import plan_corpus
from transforms.reading.units import plan_units, read_unit
rows = rejected = 0
corpus = plan_corpus(sys.argv[1:])
for unit in plan_units(corpus):
    for _, batch in read_unit(corpus, unit):
        rows, rejected = rows + batch.rows.num_rows, rejected + batch.rejected.num_rows
        del batch
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
print(rows, rejected, int(peak[1]) >> 10)
"""
PEAK_MIB = 900
MEGABYTE = b"x" * (1 << 20)
LONG = 512  # of these
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


def write_zstd(path, before: bytes, after: bytes) -> None:
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        writer.write(before)
        for _ in range(LONG):
            writer.write(MEGABYTE)
        writer.write(after)


def constant(length: int, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), ["x" * length])


def write_line(path):
    write_zstd(path, b"a\n", b"\nb\n")


def write_object(path):
    write_zstd(path, b'{"text":"a"}\n{"text":"', b'"}\n{"text":"b"}\n')


def write_block(path):
    compress = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [number(len(MEGABYTE) * LONG), *[MEGABYTE] * LONG]
    content = b"".join([*map(compress.compress, pieces), compress.flush()])
    path.write_bytes(header_of(schema_of(("text", "string")), "deflate") + block_of(1, content))


def write_dictionary(path):
    batch = pa.RecordBatch.from_pydict({"text": constant(4 << 20, 1000)})
    with pa.ipc.new_file(path, batch.schema) as writer:
        writer.write_batch(batch)


def write_pages(path):
    table = pa.table({"text": constant(4 << 20, 1000)})
    pq.write_table(table, path, store_schema=False)


@ON_LINUX
@pytest.mark.parametrize(
    ("name", "write", "rows", "rejected"),
    [
        ("line.txt.zst", write_line, 2, 1),
        ("object.jsonl.zst", write_object, 2, 1),
        ("block.avro", write_block, 0, 1),
        ("dictionary.arrow", write_dictionary, 1000, 0),
        ("pages.parquet", write_pages, 1000, 0),
    ],
)
def test_a_small_file_of_gigabytes_is_read_in_bounded_memory(tmp_path, name, write, rows, rejected):
    path = tmp_path / name
    write(path)
    assert path.stat().st_size < 10 << 20
    command = [sys.executable, "-c", READ, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found_rows, found_rejected, peak = map(int, done.stdout.split())
    assert (found_rows, found_rejected) == (rows, rejected)
    assert peak < PEAK_MIB


@ON_LINUX
def test_a_line_of_ten_megabytes_is_a_row(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * (10 << 20) + b"\nb\n")
    command = [sys.executable, "-c", READ, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2 0 ")
