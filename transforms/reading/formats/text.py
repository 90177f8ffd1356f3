"""Plain text: every line is a row."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.files import CorpusFile
from transforms.reading.blocks import read_blocks
from transforms.reading.dialect import Dialect
from transforms.reading.encoding import not_text
from transforms.reading.encoding_evidence import find_encoding, take_sample
from transforms.reading.layout import (
    Layout,
    ReadBatch,
    Rejects,
    batch_bounds,
    read_batch,
)
from transforms.reading.lines import LineBlock, lines_around, split_lines
from transforms.reading.readers import FileRange, FormatReader, Head

TEXT_COLUMN = "text"
"""The one column that plain text has."""

_NEWLINE, _RETURN = 10, 13


def _looker(files: Sequence[CorpusFile]) -> Callable[[CorpusFile], None]:
    return lambda file: None  # all that there is to know is known


def _heads(files: Sequence[CorpusFile], looks: Sequence[None]) -> list[Head]:
    return [Head(files[0].path, {TEXT_COLUMN: pa.string()})]


def _dialect(file: CorpusFile, asked: Dialect) -> Dialect:
    return Dialect(find_encoding(take_sample(file), asked.encoding))


def _read(layout: Layout, unit: FileRange) -> Iterator[ReadBatch]:
    r"""Reads the lines whose first byte lies in a range, without their endings, `\n` or `\r\n`.

    Args:
        layout: The one column.
        unit: The range.

    Returns:
        Batches whose `position` is the byte offset of the line in the decompressed file.
    """
    own = layout.of_file({TEXT_COLUMN}, unit.path)
    return read_blocks(own, unit, partial(_read_block, own))


def _read_block(layout: Layout, block: LineBlock, rejects: Rejects) -> Iterator[ReadBatch]:
    lines, positions = _split(block)
    for first, after in batch_bounds(pc.binary_length(lines).to_numpy()):
        batch = _batch(layout, lines[first:after], positions[first:after], rejects)
        yield batch.of_bytes(block.stored_bytes * (after - first) / len(lines))


def _split(block: LineBlock) -> tuple[pa.Array, np.ndarray]:
    """Returns the lines of a block as one binary array, and the offset of each in the file."""
    octets = np.frombuffer(block.data, np.uint8)
    is_kept = octets != _NEWLINE
    ends = np.flatnonzero(~is_kept)
    if is_kept[-1]:  # the last line of a file may have no newline
        ends = np.append(ends, len(octets))
    starts = np.concatenate([[0], ends[:-1] + 1])
    has_return = (ends > starts) & (octets[ends - 1] == _RETURN) & (ends < len(octets))
    is_kept[ends[has_return] - 1] = False
    lengths = ends - starts - has_return
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(octets[is_kept])]
    places = block.offset + starts if block.starts is None else block.starts
    return pa.Array.from_buffers(pa.binary(), len(ends), buffers), places


def _batch(layout: Layout, lines: pa.Array, positions: np.ndarray, rejects: Rejects) -> ReadBatch:
    try:
        return read_batch(layout, [lines.cast(pa.string())], positions, rejects)
    except pa.ArrowInvalid:  # some line is not UTF-8
        errors = [not_text(line, rejects.encoding) for line in lines.to_pylist()]
    is_valid = np.array([error is None for error in errors])
    for row in np.flatnonzero(~is_valid):
        rejects.add(int(positions[row]), lines[row].as_py(), str(errors[row]))
    valid_lines = lines.filter(pa.array(is_valid)).cast(pa.string())
    return read_batch(layout, [valid_lines], positions[is_valid], rejects)


TEXT = FormatReader(_looker, _heads, split_lines, _read, dialect=_dialect, around=lines_around)
"""Reads plain text."""
