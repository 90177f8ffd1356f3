"""Reading a small file as a pipeline would."""

import bz2
import csv
import gzip
import io
from pathlib import Path
from typing import Any

import zstandard

from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.layout import BATCH_ROWS, ReadBatch
from transforms.reading.units import plan_units, read_unit
from transforms.rejected import REJECTED

COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstandard.compress}


class Found:
    """Everything that a corpus gives, checked for what holds of every batch."""

    def __init__(self, corpus: Corpus, unit_bytes: int = 64 << 20) -> None:
        self.rows: list[dict[str, Any]] = []
        self.rejected: list[dict[str, Any]] = []
        self.batches: list[ReadBatch] = []
        for unit in plan_units(corpus, unit_bytes=unit_bytes):
            for _, batch in read_unit(corpus, unit):
                self._add(corpus, batch)

    def _add(self, corpus: Corpus, batch: ReadBatch) -> None:
        assert batch.rows.schema.equals(corpus.schema, check_metadata=True)
        assert batch.rejected.schema == REJECTED
        batch.rows.validate(full=True)
        assert 0 < batch.num_rows <= BATCH_ROWS
        self.batches.append(batch)
        self.rows += batch.rows.to_pylist()
        self.rejected += batch.rejected.to_pylist()

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def texts(self) -> list[str]:
        return self.column("text")

    @property
    def raws(self) -> list[bytes | None]:
        return [row["raw"] for row in self.rejected]

    def only_error(self) -> str:
        assert len(self.rejected) == 1
        assert self.rejected[0]["stage"] == "read"
        return self.rejected[0]["error"]


def read(path: Path, content: str | bytes | None = None, **options: Any) -> Found:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Found(plan_corpus([str(path)], **options))


def as_csv(*rows: list[str]) -> str:
    # Python 3.10 does not write a NUL: another character stands in for it.
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([[field.replace("\0", "\ue000") for field in row] for row in rows])
    return buffer.getvalue().replace("\ue000", "\0")
