"""Results without a model: rows with labels that a test chose, as a run writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.transforms.writing.results import rejected_of
from tests.transforms.writing.runs import file_of
from transforms.reading.units import Unit
from transforms.schemas import POSITION, SOURCE, label_fields
from transforms.unit_batch import UnitBatch
from transforms.writing.chunk import ChunkWriter
from transforms.writing.folder import open_folder
from transforms.writing.output import reserve_output
from transforms.writing.publish import publish
from transforms.writing.schemas import OutputSchemas

VERSIONS = {"textbeam": "0.1", "python": "3.11"}


def write_result(
    output: Path | str,
    rows: Mapping[str, Sequence[Any]],
    *,
    labels: Sequence[str] = ("negative", "positive"),
    kind: Mapping[str, Any] | None = None,
    source: str = "reviews.jsonl",
    rejected: Mapping[str, int] | None = None,
    output_format: str = "parquet",
    if_exists: Any = "error",
    batch_rows: int = 5_000,
    **model: Any,
) -> dict[str, Any]:
    """Writes and publishes rows; returns the manifest.

    Args:
        output: The folder.
        rows: Values by column: `text`, what a classifier adds, perhaps `pair`, `num_tokens` and
            `truncated`.
        labels: Those of the model.
        kind: Other arguments of `label_fields`.
        source: The input file.
        rejected: How many rows are rejected, by reason.
        output_format: The format.
        if_exists: What is done about an earlier result.
        batch_rows: Rows of a batch.
        model: More of what the manifest says about the model.
    """
    asked = {"probabilities": False, "top_k": 0, **(kind or {})}
    added = label_fields(labels, **asked)
    texts = [name for name in ("text", "pair") if name in rows]
    schema = pa.schema(
        [
            SOURCE,
            POSITION,
            *(pa.field(name, pa.string()) for name in texts),
            pa.field("num_tokens", pa.int32()),
            pa.field("truncated", pa.bool_()),
            *added,
        ]
    )
    count = len(rows["text"])
    filled = {
        "source": [source] * count,
        "position": range(count),
        "num_tokens": [7] * count,
        "truncated": [False] * count,
        **rows,
    }
    table = pa.table({f.name: pa.array(filled[f.name], f.type) for f in schema}, schema=schema)
    metadata = {"preset": "tiny"}
    files = [file_of(source)]
    settings = {
        "text_column": "text",
        "text_pair_column": "pair" if "pair" in rows else None,
        "adds": {field.name: str(field.type) for field in added},
    }
    reservation = reserve_output(
        *(str(output),),
        if_exists=if_exists,
        metadata=metadata,
        settings=settings,
        files=files,
        output_format=output_format,
    )
    counted = None
    if "label" in schema.names:
        counted = "labels" if "labels" in schema.names else "label"
    schemas = OutputSchemas(schema, metadata, counted, output_format)
    todo = reservation.compare(files)
    unit = Unit(tuple(files))
    assert reservation.start(schema, todo, (unit,), 1 << 30)
    batches = [
        UnitBatch(
            batch, unit=unit, start=batch["position"][0].as_py(), num_read=len(batch), source=source
        )
        for batch in table.to_batches(batch_rows)
        if len(batch)
    ]
    at = count
    nothing = schema.empty_table().combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], schema)
    ]
    for reason, number in (rejected or {}).items():
        given = rejected_of(source, list(range(at, at + number)), "read", reason)
        batches.append(
            UnitBatch(nothing[0], given, unit=unit, start=at, num_read=number, source=source)
        )
        at += number
    batches.append(UnitBatch(nothing[0], unit=unit, start=at, is_last=True))
    folder = open_folder(str(output))
    chunk = ChunkWriter(folder, reservation.plan.run_id, schemas, batches[0], 1 << 30)
    for batch in batches:
        chunk.add(batch)
    chunk.commit(is_last=True)
    facts = {
        "command": "classify",
        "model": {
            "preset": "tiny",
            "family": "bert",
            "weights": "sha256:0",
            "labels": list(labels),
            "sequence_length": 128,
            "long_text": "truncate",
            "precision": "auto",
            "backend": "tensorflow",
            **model,
        },
        "text_column": "text",
        "renamed": {},
        "filled": {},
        "versions": VERSIONS,
    }
    manifest = publish(reservation.plan, schemas, facts)
    reservation.close(finished=True)
    return manifest
