"""Units of work: the part of a file that one worker reads at a time."""

from collections.abc import Iterator

from transforms.files import CorpusFile
from transforms.reading.corpus import Corpus
from transforms.reading.formats.record import INPUT_FORMATS
from transforms.reading.layout import ReadBatch
from transforms.reading.readers import ReadUnit

UNIT_BYTES = 64 << 20
"""Bytes of a file, as stored, that are read as one unit of work."""


def split_file(
    corpus: Corpus, file: CorpusFile, unit_bytes: int = UNIT_BYTES
) -> Iterator[ReadUnit]:
    """Cuts a file into units that can be read independently.

    Args:
        corpus: The plan that the file belongs to.
        file: The file.
        unit_bytes: About how many bytes of the file, as stored, go into a unit.

    Yields:
        The units, in file order.
    """
    if file.size <= unit_bytes:
        yield ReadUnit(file.path)
    else:
        yield from INPUT_FORMATS[corpus.format].load().split(file, unit_bytes)


def read_unit(corpus: Corpus, unit: ReadUnit) -> Iterator[ReadBatch]:
    """Reads the rows of a unit, in file order.

    Args:
        corpus: The plan.
        unit: A part of one of its files.

    Returns:
        Batches of rows and rejected rows; every row of the unit is in one of the two.

    Raises:
        OSError: The file is gone, or the storage failed.
    """
    return INPUT_FORMATS[corpus.format].load().read(corpus, unit)


def read_head(corpus: Corpus, limit: int) -> Iterator[tuple[str, ReadBatch]]:
    """Reads the first rows of a corpus, file by file.

    Args:
        corpus: The plan.
        limit: How many rows to read, rejected ones included.

    Yields:
        The path of a file, and a batch from it. Reading stops once there are enough rows.
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
