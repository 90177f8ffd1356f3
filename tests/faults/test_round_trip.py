"""Whatever the rows, the format and the flags: what comes back is what went in, once."""

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.null_run import null_run
from tests.transforms.writing.results import rows_in_part
from transforms.verification import verify
from transforms.writing.formats.record import OUTPUT_FORMATS

# A table of text must do without what ends its lines and fields, and without its own escapes.
_PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1
).filter(lambda text: text.strip() == text and '"' not in text)
_ANY = st.text(st.characters(codec="utf-8"), min_size=1)
_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)  # which JSON does not have

ROWS = {
    "txt": st.lists(st.fixed_dictionaries({"text": _PLAIN})),
    "csv": st.lists(st.fixed_dictionaries({"text": _PLAIN, "note": _PLAIN})),
    "tsv": st.lists(st.fixed_dictionaries({"text": _PLAIN, "note": _PLAIN})),
    **{
        name: st.lists(
            st.fixed_dictionaries(
                {"text": _ANY, "id": _INTEGERS, "score": _FLOATS, "is_new": st.booleans()}
            )
        )
        for name in ("jsonl", "parquet", "arrow", "avro")
    },
}
SCHEMA = pa.schema(
    [("text", pa.string()), ("id", pa.int64()), ("score", pa.float64()), ("is_new", pa.bool_())]
)
_AVRO = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": name, "type": kind}
        for name, kind in (
            ("text", "string"), ("id", "long"), ("score", "double"), ("is_new", "boolean"),
        )
    ],
}  # fmt: skip


def encode(name: str, rows: list[dict[str, Any]]) -> bytes:
    if name == "txt":
        return "".join(row["text"] + "\n" for row in rows).encode()
    if name in ("csv", "tsv"):
        buffer = io.StringIO(newline="")
        options = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if name == "tsv" else {}
        writer = csv.writer(buffer, **options)
        writer.writerows([["text", "note"], *([row["text"], row["note"]] for row in rows)])
        return buffer.getvalue().encode()
    if name == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    sink = io.BytesIO()
    if name == "avro":
        fastavro.writer(sink, _AVRO, rows)
    elif name == "parquet":
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), sink, row_group_size=3)
    else:
        with pa.ipc.new_file(sink, SCHEMA) as writer:
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA), max_chunksize=3)
    return sink.getvalue()


# What a reader of CSV, who gets strings, makes of them.
_FROM_CSV = {"id": int, "score": float, "is_new": lambda text: {"true": True, "false": False}[text]}


def found_in(output: Path) -> list[dict[str, Any]]:
    manifest = json.loads((output / "_MANIFEST.json").read_text())
    rows = [row for part in manifest["parts"] for row in rows_in_part(output / part["path"])]
    added = ("source", "position", "num_tokens", "truncated")
    given = [{k: v for k, v in row.items() if k not in added} for row in rows]
    if manifest["output_format"] != "csv":
        return given
    return [{k: _FROM_CSV.get(k, str)(v) for k, v in row.items()} for row in given]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("unit_bytes", [50, 10_000])
@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_what_comes_back_is_what_went_in(name, unit_bytes, output_format):
    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(first=ROWS[name].filter(bool), second=ROWS[name].filter(bool), again=st.booleans())
    def check(first, second, again):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / f"a.{name}").write_bytes(encode(name, first))
            pattern, output = f"{folder}/*.{name}", folder / "out"
            if again:  # in two steps, as a schedule would
                null_run([pattern], str(output), "update", unit_bytes, output_format)
            (folder / f"b.{name}").write_bytes(encode(name, second))
            null_run([pattern], str(output), "update", unit_bytes, output_format)
            assert found_in(output) == [*first, *second]
            assert verify(str(output), [pattern]).problems == []

    check()
