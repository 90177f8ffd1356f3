"""Results with vectors that no model made, so that they may be as many as a test wants."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.quantization import Ranges, to_bits, to_int8
from transforms.schemas import POSITION, SOURCE, vector_field
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.manifest import MANIFEST, build_manifest, utc_now
from transforms.writing.parts import Part


def random_vectors(rows: int, dimensions: int, seed: int = 0) -> np.ndarray:
    """Returns vectors of a length of about 1, float32 `[rows, dimensions]`."""
    numbers = np.random.default_rng(seed).standard_normal((rows, dimensions), np.float32)
    return numbers / np.float32(dimensions**0.5)


def write_vectors(
    folder: Path,
    vectors: np.ndarray,
    texts: Sequence[str] | None = None,
    *,
    dtype: str = "float32",
    output_format: str = "parquet",
    part_rows: int = 1000,
    group_rows: int = 300,
    is_there: np.ndarray | None = None,
) -> Path:
    """Writes a result as `pipelines.embed` does.

    Args:
        folder: Where.
        vectors: float32 `[rows, dimensions]`.
        texts: The text of each row; `text 0`, … if `None`.
        dtype: What numbers become.
        output_format: Of the parts.
        part_rows: Rows of a part.
        group_rows: Rows that are written at a time.
        is_there: bool `[rows]`: which rows have a vector; all if `None`.

    Returns:
        The folder.
    """
    folder.mkdir(exist_ok=True)
    rows, dimensions = vectors.shape
    ranges = Ranges.of(vectors) if dtype == "int8" else None
    numbers = {
        "int8": lambda: to_int8(vectors, ranges),
        "binary": lambda: to_bits(vectors),
    }.get(dtype, lambda: vectors.astype(dtype))()
    field = vector_field(dimensions, dtype)
    schema = pa.schema(
        [pa.field("text", pa.string()), SOURCE, POSITION, field], {"embedding_dtype": dtype}
    )
    mask = None if is_there is None else pa.array(~is_there)
    table = pa.table(
        [
            pa.array(texts or [f"text {row}" for row in range(rows)]),
            pa.array(["made.up"] * rows),
            pa.array(range(rows), pa.int64()),
            pa.FixedSizeListArray.from_arrays(
                pa.array(numbers.ravel()), numbers.shape[1], mask=mask
            ),
        ],
        schema=schema,
    )
    record = OUTPUT_FORMATS[output_format]
    parts = {}
    for start in range(0, max(rows, 1), part_rows):
        some, sink = table.slice(start, part_rows), io.BytesIO()
        encoder = record.load().encoder(sink, schema, some)
        for offset in range(0, some.num_rows, group_rows):
            encoder.write(some.slice(offset, group_rows))
        encoder.close()
        name = f"part-{start // part_rows:05d}{record.extension}"
        content = sink.getvalue()
        (folder / name).write_bytes(content)
        parts[name] = Part(name, False, some.num_rows, len(content), "", {})
    manifest = build_manifest(
        run_id="20260101t000000-000000",
        started=utc_now(),
        schema=schema,
        output_format=output_format,
        facts={"command": "embed", "text_column": "text", "renamed": {}},
        settings={"text_pair_column": None},
        inputs=[],
        parts=parts,
        uncounted=[],
        counts={},
        timelines=[],
        ranges=None if ranges is None else ranges.as_json(),
    )
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder
