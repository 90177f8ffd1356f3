"""What it costs to write rows in each output format.

    python -m benchmarks.output_formats [--rows=100000]

Rows with labels, and rows with vectors of 384 float32 numbers, are written as parts, digests
included, in one thread.
"""

import argparse
import tempfile
import time

import numpy as np
import pyarrow as pa

from transforms.schemas import POSITION, SOURCE, label_fields, vector_field
from transforms.writing.folder import open_folder
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.schemas import OutputSchemas

_BATCH_ROWS = 2048
_DIMENSIONS = 384
_TEXT = 'A line of news, number {}, of about as many characters as "most lines" of AG News have.'


def main() -> None:
    """Prints rows a second of processor time and bytes a row, by format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    args = parser.parse_args()
    for kind, make in (("labels", _labels), ("vectors", _vectors)):
        batches = [make(start) for start in range(0, args.rows, _BATCH_ROWS)]
        for name in OUTPUT_FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                schemas = OutputSchemas(batches[0].schema, {}, None, name)
                writer = schemas.part_writer(open_folder(folder), "parts", False)
                began = time.process_time()
                for batch in batches:
                    writer.write(batch)
                part = writer.close()
                speed = part.rows / (time.process_time() - began)
            size = part.bytes / part.rows
            print(f"{kind:8} {name:8} {speed:12,.0f} rows/s {size:8,.0f} bytes/row")


def _labels(start: int) -> pa.RecordBatch:
    scores = np.random.default_rng(start).random(_BATCH_ROWS, np.float32)
    fields = label_fields(["negative", "positive"], False, 0)
    return _batch(start, fields, [pa.array(["positive"] * _BATCH_ROWS), pa.array(scores)])


def _vectors(start: int) -> pa.RecordBatch:
    numbers = np.random.default_rng(start).standard_normal(_BATCH_ROWS * _DIMENSIONS, np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers), _DIMENSIONS)
    return _batch(start, [vector_field(_DIMENSIONS, "float32")], [vectors])


def _batch(start: int, fields: list[pa.Field], columns: list[pa.Array]) -> pa.RecordBatch:
    positions = range(start, start + _BATCH_ROWS)
    rows = [[_TEXT.format(row) for row in positions], ["/data/news.txt"] * _BATCH_ROWS, positions]
    schema = pa.schema([pa.field("text", pa.string()), SOURCE, POSITION, *fields])
    given = [pa.array(column, field.type) for column, field in zip(rows, schema, strict=False)]
    return pa.RecordBatch.from_arrays([*given, *columns], schema=schema)


if __name__ == "__main__":
    main()
