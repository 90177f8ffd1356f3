"""Reading a sample of a corpus: all of a small one, places from all over a large one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.errors import RunError
from models.faults import reason_of
from pipelines.planning.places import CELL_BYTES, Place, Places, shares
from transforms.errors import InputError
from transforms.files import map_files
from transforms.reading.corpus import Corpus
from transforms.reading.formats.record import INPUT_FORMATS
from transforms.reading.units import Unit, read_unit
from transforms.storage.ahead import in_order

SMALL_BYTES = 8 << 20
"""A corpus of no more bytes, as stored, is read whole, if it does not hold far more."""

_AT_ONCE = 16  # places, which wait for storage more than they compute
_LEAST_PLACES, _MOST_PLACES = 128, 1024
_TEXT_BYTES = 64 << 20  # that are read
_LEAST_TEXT_BYTES = 4 << 20  # of a place that cannot be cut: what a reader reads at a time
_PRECISE = 0.01  # standard error of rows and of text that is good enough, as a share
_MOST_CELL_BYTES = 4 << 20
_ROWS_A_CELL = 8  # or more
_ROWS_KEPT = 4096  # of a batch, to be tokenized
_FEW_PLACES = 8  # of which the batches tell more than the places


@dataclass(frozen=True)
class Piece:
    """Rows that were read, one after another.

    Attributes:
        rows: How many there were, rejected ones included.
        rejected: How many of them were rejected.
        text_bytes: Bytes of the texts of the others.
        stored_bytes: Bytes of the file, as stored, that they took.
        texts: Texts of rows that were not rejected, from all over, for each text column.
        weight: How many rows each of these stands for.
    """

    rows: int
    rejected: int
    text_bytes: int
    stored_bytes: float
    texts: tuple[pa.Array, ...]
    weight: float


@dataclass(frozen=True)
class Cluster:
    """Pieces that were chosen together, and count as one observation.

    Attributes:
        pieces: They.
        stored_bytes: Bytes that they were chosen by.
        weight: How often they were chosen.
    """

    pieces: Sequence[Piece]
    stored_bytes: float
    weight: float = 1.0


@dataclass(frozen=True)
class Sample:
    """Rows of a corpus.

    Attributes:
        clusters: What was read.
        size: Bytes of the corpus, as stored.
        is_whole: Whether all of it was read.
        num_rows: How many rows there are, if that is known.
        num_files: Files that were read from.
        num_begun: Files, or parts of them, of which only the beginning was read.
    """

    clusters: Sequence[Cluster]
    size: int
    is_whole: bool
    num_rows: int | None = None
    num_files: int = 0
    num_begun: int = 0


@dataclass
class _Read:
    """What was read of a place."""

    place: Place
    pieces: list[Piece]
    is_whole: bool
    times: int = 0  # it was chosen
    text_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.text_bytes = sum(piece.text_bytes for piece in self.pieces)


def take_sample(corpus: Corpus, limit: int | None = None) -> Sample:
    """Reads a sample of a corpus; the same one each time.

    Args:
        corpus: The corpus.
        limit: If given, only the first so many rows count.

    Raises:
        InputError: A file cannot be read.
        RunError: The storage failed.
    """
    try:
        if limit is not None:
            return _first_rows(corpus, limit)
        num_rows = _num_rows(corpus)
        if corpus.size <= SMALL_BYTES:
            sample = _all_rows(corpus, num_rows)
            if sample is not None:
                return sample
        return _scattered_rows(corpus, num_rows)
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(f"cannot read {error.filename!r}: {error.strerror}") from error
    except OSError as error:
        raise RunError(f"reading a sample of the input failed: {reason_of(error)}") from error


def _num_rows(corpus: Corpus) -> int | None:
    """Returns how many rows the files say that they have, if they do."""
    count = INPUT_FORMATS[corpus.format].load().num_rows
    return None if count is None else sum(map_files(corpus.files, count))


def _first_rows(corpus: Corpus, limit: int) -> Sample:
    """Reads the first rows, up to a limit."""
    unit = Unit(corpus.files, size=corpus.size, limit=limit)
    read = _read(_with_texts_alone(corpus), Place(unit, corpus.size), _TEXT_BYTES)
    read.times = 1
    found = sum(piece.rows for piece in read.pieces)
    stored = sum(piece.stored_bytes for piece in read.pieces)
    is_whole = read.is_whole or found >= limit
    known = _num_rows(corpus) if not is_whole else None
    if known is None and not is_whole:
        known = round(corpus.size * found / max(stored, 1))
    num_rows = found if is_whole else min(limit, known or 0)
    clusters = [Cluster(read.pieces, stored)] if is_whole else _of_batches([read])
    return Sample(clusters, corpus.size, is_whole, num_rows, 0, int(not is_whole))


def _all_rows(corpus: Corpus, num_rows: int | None) -> Sample | None:
    """Reads all rows; None if there is far more text than the files have bytes."""
    places = Places(corpus).whole_files()
    narrow = _with_texts_alone(corpus)
    reads: list[_Read] = []
    left = _TEXT_BYTES
    for group in _groups(places):
        share = max(left // len(group), 1)
        reads += _read_at_once(narrow, group, share)
        left = _TEXT_BYTES - sum(read.text_bytes for read in reads)
        if left <= 0 or not all(read.is_whole for read in reads):
            return None
    clusters = [Cluster(read.pieces, read.place.stored_bytes) for read in reads]
    return Sample(clusters, corpus.size, True, num_rows, len(places))


def _scattered_rows(corpus: Corpus, num_rows: int | None) -> Sample:
    """Reads places from all over, until they agree well enough."""
    narrow = _with_texts_alone(corpus)
    places = Places(corpus, _cell_bytes(corpus, narrow))
    drawn = shares()
    reads: dict[str, _Read] = {}
    draws, text_bytes = 0, 0
    # Where a few files must be read from their beginnings, the more of each.
    share = max(_LEAST_TEXT_BYTES, _TEXT_BYTES // min(places.num_files, _TEXT_BYTES))
    while draws < _MOST_PLACES:
        group = list(in_order(list(islice(drawn, _AT_ONCE)), places.at, _AT_ONCE))
        draws += len(group)
        times = Counter(place.unit.name for place in group)
        new = {place.unit.name: place for place in group if place.unit.name not in reads}
        found = _read_at_once(narrow, list(new.values()), share)
        reads |= zip(new, found, strict=True)
        for name, count in times.items():
            reads[name].times += count
        text_bytes += sum(read.text_bytes for read in found)
        is_enough = draws >= _LEAST_PLACES and _is_precise(list(reads.values()))
        if is_enough or text_bytes >= _TEXT_BYTES:
            break
    found = list(reads.values())
    clusters = _of_batches(found) if len(found) < _FEW_PLACES else _clusters(found)
    files = {file.path for read in found for file in read.place.unit.files}
    begun = sum(not read.is_whole for read in found)
    return Sample(clusters, corpus.size, False, num_rows, len(files), begun)


def _cell_bytes(corpus: Corpus, narrow: Corpus) -> int:
    """Returns how large places in files of text should be, for some rows to begin in each."""
    places = Places(corpus)
    if not places.are_cut:
        return CELL_BYTES
    few = [places.at(share) for share in islice(shares(), _AT_ONCE)]
    reads = _read_at_once(narrow, few, CELL_BYTES)
    rows = sum(piece.rows for read in reads for piece in read.pieces)
    mean = sum(place.stored_bytes for place in few) / max(rows, 1)
    return int(min(max(CELL_BYTES, _ROWS_A_CELL * mean), _MOST_CELL_BYTES)) // 8 * 8


def _with_texts_alone(corpus: Corpus) -> Corpus:
    """Returns a corpus of which as few columns are read as can be."""
    if not INPUT_FORMATS[corpus.format].is_typed:
        # Rows are parsed whole, and rejected for what is in other columns too.
        return replace(corpus, files=())
    texts = tuple(column for column in corpus.fields if column.name in corpus.text_columns)
    return replace(corpus, fields=texts, files=())


def _groups(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    for start in range(0, len(places), _AT_ONCE):
        yield places[start : start + _AT_ONCE]


def _read_at_once(corpus: Corpus, places: Sequence[Place], most_bytes: int) -> list[_Read]:
    return list(in_order(places, lambda place: _read(corpus, place, most_bytes), _AT_ONCE))


def _read(corpus: Corpus, place: Place, most_bytes: int) -> _Read:
    """Reads a place; of a long one only the beginning."""
    names = corpus.output_text_column, corpus.output_text_pair_column
    pieces: list[Piece] = []
    left = most_bytes
    for _, batch in read_unit(corpus, place.unit):
        if left <= 0:
            return _Read(place, pieces, False)
        columns = [batch.rows.column(name) for name in names if name is not None]
        size = sum(pc.sum(pc.binary_length(column)).as_py() or 0 for column in columns)
        kept = np.linspace(0, len(batch.rows) - 1, min(len(batch.rows), _ROWS_KEPT)).astype(int)
        pieces.append(
            Piece(
                batch.num_rows,
                batch.rejected.num_rows,
                size,
                batch.stored_bytes,
                tuple(column.take(pa.array(kept)) for column in columns),
                len(batch.rows) / max(len(kept), 1),
            )
        )
        left -= size
    return _Read(place, pieces, True)


def _clusters(reads: Iterable[_Read]) -> list[Cluster]:
    """Returns a cluster for each place."""
    return [
        Cluster(
            read.pieces,
            read.place.stored_bytes
            if read.is_whole
            else sum(piece.stored_bytes for piece in read.pieces),
            read.times,
        )
        for read in reads
    ]


def _of_batches(reads: Sequence[_Read]) -> list[Cluster]:
    """Returns a cluster for each batch that was read of a place."""
    clusters = []
    for read in reads:
        total = sum(piece.stored_bytes for piece in read.pieces)
        scale = read.place.stored_bytes / max(total, 1) if read.is_whole else 1.0
        clusters += [
            Cluster([piece], scale * piece.stored_bytes, read.times * piece.stored_bytes / total)
            for piece in read.pieces
            if piece.stored_bytes
        ]
    return clusters


def _is_precise(reads: Sequence[_Read]) -> bool:
    """Returns whether places agree on how many rows and how much text the corpus has."""
    if len(reads) < _FEW_PLACES:
        return False
    clusters = _clusters(reads)
    weights = np.array([cluster.weight for cluster in clusters])
    for counts in (
        [sum(piece.rows for piece in cluster.pieces) for cluster in clusters],
        [sum(piece.text_bytes for piece in cluster.pieces) for cluster in clusters],
    ):
        sizes = np.array([max(cluster.stored_bytes, 1.0) for cluster in clusters])
        density = np.array(counts) / sizes
        mean = np.average(density, weights=weights)
        variance = np.average((density - mean) ** 2, weights=weights) / len(clusters)
        if mean and np.sqrt(variance) > _PRECISE * mean:
            return False
    return True
