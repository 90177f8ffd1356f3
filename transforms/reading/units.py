"""Units of work: what of a file one worker reads at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

from transforms.files import CorpusFile
from transforms.reading.corpus import Corpus
from transforms.reading.decompress import compression_suffix
from transforms.reading.format_delimited import read_delimited
from transforms.reading.format_jsonl import read_jsonl
from transforms.reading.format_parquet import UNIT_BYTES, read_parquet, row_group_ranges
from transforms.reading.format_text import read_text
from transforms.reading.layout import ReadBatch

_FORMATS_OF_LINES = ("text", "jsonl")


@dataclass(frozen=True)
class ReadUnit:
    """A part of a file: a range of bytes in text and JSON Lines, of row groups in Parquet.

    Attributes:
        path: The file.
        start: First byte or row group.
        stop: The one after the last, or None for the rest of the file.
    """

    path: str
    start: int = 0
    stop: int | None = None


def split_file(
    corpus: Corpus, file: CorpusFile, unit_bytes: int = UNIT_BYTES
) -> Iterator[ReadUnit]:
    """Cuts a file into units that can be read apart from each other.

    Compressed files, CSV and TSV stay whole: where their rows begin, only reading them tells.

    Args:
        corpus: The plan that the file is of.
        file: The file.
        unit_bytes: About how many bytes of the file a unit is to have.

    Yields:
        The units, in file order.
    """
    if file.size <= unit_bytes:
        yield ReadUnit(file.path)
    elif corpus.format == "parquet":
        for start, stop in row_group_ranges(file.path, unit_bytes):
            yield ReadUnit(file.path, start, stop)
    elif corpus.format in _FORMATS_OF_LINES and not compression_suffix(file.path):
        for start in range(0, file.size, unit_bytes):
            yield ReadUnit(file.path, start, min(start + unit_bytes, file.size))
    else:
        yield ReadUnit(file.path)


def read_unit(corpus: Corpus, unit: ReadUnit) -> Iterator[ReadBatch]:
    """Reads the rows of a unit, in file order.

    Args:
        corpus: The plan.
        unit: A part of one of its files.

    Yields:
        Batches of rows and rejected rows; every row of the unit is in one of the two.

    Raises:
        OSError: The file is gone, or the storage failed.
    """
    if corpus.format == "text":
        return read_text(corpus, unit.path, unit.start, unit.stop)
    if corpus.format == "jsonl":
        return read_jsonl(corpus, unit.path, unit.start, unit.stop)
    if corpus.format == "parquet":
        return read_parquet(corpus, unit.path, unit.start, unit.stop)
    return read_delimited(corpus, unit.path, corpus.format)


def read_head(corpus: Corpus, limit: int) -> Iterator[tuple[str, ReadBatch]]:
    """Reads the first rows of a corpus, file by file.

    Args:
        corpus: The plan.
        limit: How many rows, rejected ones included.

    Yields:
        The path of a file, and a batch of it. Nothing more is read once the rows are there.
    """
    if limit < 1:
        return
    for file in corpus.files:
        for batch in read_unit(corpus, ReadUnit(file.path)):
            head = batch.head(limit)
            yield file.path, head
            limit -= head.num_rows
            if limit == 0:
                return
