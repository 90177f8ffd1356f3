"""What must hold of every input, however damaged."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from models.errors import RunError, UserError
from tests.fuzz import sound_files
from transforms.reading.corpus import plan_corpus
from transforms.reading.layout import BATCH_ROWS
from transforms.reading.units import plan_units, read_unit
from transforms.rejected import REJECTED
from transforms.schemas import POSITION


class Outcome(NamedTuple):
    """What came of an input.

    Attributes:
        rows: Rows that were read.
        rejected: Rows that were rejected.
        refused: Why it was refused as a whole, or an empty string.
        digest: Of all that was read.
    """

    rows: int = 0
    rejected: int = 0
    refused: str = ""
    digest: str = ""


def outcome(read: Callable[[Path], Outcome], path: Path) -> Outcome:
    """Returns what comes of an input that is read twice.

    Raises:
        Exception: Something else than a refusal comes out, or not the same twice.
    """
    found = [_once(read, path) for _ in range(2)]
    if found[0] != found[1]:
        raise AssertionError(f"two readings differ: {found[0]} and {found[1]}")
    return found[0]


def _once(read: Callable[[Path], Outcome], path: Path) -> Outcome:
    try:
        return read(path)
    except (UserError, RunError, OSError) as error:
        message = str(error)
        if not isinstance(error, OSError) and (not message or "\n" in message.strip()):
            raise AssertionError(f"a refusal must be a line: {message!r}") from error
        return Outcome(refused=message)


def read_file(path: Path) -> Outcome:
    """Reads a corpus of one file, and checks its batches."""
    corpus = plan_corpus([str(path)])
    rows = rejected = 0
    digest = hashlib.sha256()
    positions: set[int] = set()
    for unit in plan_units(corpus, unit_bytes=2048):
        for _, batch in read_unit(corpus, unit):
            assert batch.rows.schema.equals(corpus.schema, check_metadata=True)
            assert batch.rejected.schema == REJECTED
            assert 0 < batch.num_rows <= BATCH_ROWS
            for part in (batch.rows, batch.rejected):
                part.validate(full=True)
                found = part.column(POSITION.name).to_pylist()
                assert positions.isdisjoint(found)
                positions.update(found)
                digest.update(_serialized(part))
            rows, rejected = rows + batch.rows.num_rows, rejected + batch.rejected.num_rows
    return Outcome(rows, rejected, digest=digest.hexdigest())


def _serialized(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def chance_of(seed: int, case: str, number: int) -> random.Random:
    """Returns the randomness of an input."""
    return random.Random(f"{seed} {case} {number}")


class Case(NamedTuple):
    """A kind of inputs.

    Attributes:
        name: Its name.
        make: Makes an input in a folder, and returns its path.
        read: Reads it.
    """

    name: str
    make: Callable[[Path, random.Random], Path]
    read: Callable[[Path], Outcome]


def _file_case(name: str) -> Case:
    def make(folder: Path, chance: random.Random) -> Path:
        path = folder / f"a.{name}"
        path.write_bytes(sound_files.damaged(name, chance))
        return path

    return Case(name, make, read_file)


READERS = tuple(_file_case(name) for name in sound_files.NAMES)
"""A case for each kind of file."""
