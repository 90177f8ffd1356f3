"""JSON Lines: every line that is not blank is an object, and a row."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from models.errors import quoted
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.reading.blocks import read_blocks
from transforms.reading.dialect import UTF_8, Dialect
from transforms.reading.encoding import not_text, to_utf_8, without_mark
from transforms.reading.encoding_evidence import find_encoding, take_sample
from transforms.reading.formats.json_layout import other_layout
from transforms.reading.formats.json_types import (
    column_array,
    found_type,
    merged_type,
    settled_type,
)
from transforms.reading.formats.json_values import (
    has_inexact_number,
    json_text,
    parse_digits,
    parse_json,
)
from transforms.reading.layout import (
    BATCH_ROWS,
    InputColumn,
    Layout,
    ReadBatch,
    Rejects,
    read_batch,
)
from transforms.reading.lines import LineBlock, line_blocks, lines_around, split_lines
from transforms.reading.readers import FileRange, FormatReader, Head, look_at_each

_Line = tuple[int, bytes]
"""The offset of a line in its file, and the line."""

_SAMPLED_FILES = 16
_SAMPLED_LINES = 10_000
_SAMPLED_BYTES = 4 << 20
_GLANCED_BYTES = 16 << 10  # of every other file, which may have keys of its own


def _dialect(file: CorpusFile, asked: Dialect) -> Dialect:
    """Finds out the encoding of a file, and that its lines may be JSON.

    Raises:
        InputError: It is JSON of another layout, or its encoding is uncertain.
    """
    sample = take_sample(file)
    encoding = find_encoding(sample, asked.encoding, is_always_utf_8=True)
    head = without_mark(sample.head, encoding)
    text = (head if encoding == UTF_8 else to_utf_8(head, encoding)).decode("utf-8", "replace")
    if other := other_layout(text, sample.is_whole):
        raise InputError(f"{file.path!r} is not JSON Lines, one object per line, but {other}")
    return Dialect(encoding)


def _looker(files: Sequence[CorpusFile]) -> Callable[[CorpusFile], dict[str, pa.DataType]]:
    """Returns what finds the columns that a file shows, which looks at some more closely."""
    sampled = {file.path for file in _sampled_files(files)}

    def look(file: CorpusFile) -> dict[str, pa.DataType]:
        if file.path in sampled:
            return _found_columns(_sample_objects(file))
        return _found_columns(_glance(file)) if file.size else {}

    return look


def _heads(files: Sequence[CorpusFile], samples: Sequence[dict[str, pa.DataType]]) -> list[Head]:
    """Returns the columns that samples of files show, or an empty list if there are none."""
    sampled = _sampled_files(files)
    found = {file.path: sample for file, sample in zip(files, samples, strict=True)}
    closely = [found.pop(file.path) for file in sampled]
    columns = _merged_columns([*closely, *found.values()])
    if columns:
        return [Head(sampled[0].path, columns)]
    for file, fault in zip(sampled, look_at_each(sampled, _head_fault), strict=True):
        if fault:
            raise InputError(f"cannot read {file.path!r}: {fault}")
    return []


def _sampled_files(files: Sequence[CorpusFile]) -> list[CorpusFile]:
    """Returns the files to sample: a few that are not empty, spread over the list."""
    filled = [file for file in files if file.size]
    step = max(len(filled) / _SAMPLED_FILES, 1)
    return [filled[int(i * step)] for i in range(min(len(filled), _SAMPLED_FILES))]


def _sample_objects(file: CorpusFile) -> list[dict[str, Any]]:
    """Returns the objects at the head of a file, leaving out lines that hold none.

    Raises:
        InputError: There are lines, and none of them is an object.
    """
    data = b""
    for block in _head_blocks(file):
        if block.fault is not None:
            break  # what is broken is reported when it is read
        data += block.data
        if len(data) > _SAMPLED_BYTES // 2:  # else there may be a last line without a newline
            break
    lines = [line for line in data.split(b"\n") if line.strip()][:_SAMPLED_LINES]
    parsed = list(map(_parsed, lines))
    values = [value for value, error in parsed if error is None]
    if lines and not values:
        is_text = not_text(lines[0]) is None
        way = "if it is of another format, name that with --input_format"
        raise InputError(
            f"{file.path!r} is not JSON Lines, one object per line: its first line is "
            f"{parsed[0][1]}; {way if is_text else 'name its encoding with --encoding'}"
        )
    return values


def _head_fault(file: CorpusFile) -> str | None:
    """Returns why a file cannot be read from its first line on, or None."""
    block = next(_head_blocks(file), None)
    return None if block is None else block.fault


def _glance(file: CorpusFile) -> list[dict[str, Any]]:
    """Returns the objects in the first lines of a file."""
    block = next(_head_blocks(file, _GLANCED_BYTES), None)
    if block is None or block.fault is not None:
        return []
    parsed = [_parsed(line) for line in block.data.split(b"\n") if line.strip()]
    return [value for value, error in parsed if error is None]


def _head_blocks(file: CorpusFile, block_bytes: int = _SAMPLED_BYTES) -> Iterator[LineBlock]:
    encoding = file.dialect.encoding or UTF_8
    return line_blocks(file, block_bytes=block_bytes, encoding=encoding)


def _found_columns(samples: Sequence[dict[str, Any]]) -> dict[str, pa.DataType]:
    """Finds the columns of objects: the union of their keys, in order of first appearance."""
    values: dict[str, list[Any]] = {}
    for sample in samples:
        for name, value in sample.items():
            values.setdefault(name, []).append(value)
    return {name: found_type(column) for name, column in values.items()}


def _merged_columns(samples: Iterable[dict[str, pa.DataType]]) -> dict[str, pa.DataType]:
    merged: dict[str, pa.DataType] = {}
    for sample in samples:
        for name, type_ in sample.items():
            merged[name] = merged_type(merged[name], type_) if name in merged else type_
    return merged


def _read(layout: Layout, unit: FileRange) -> Iterator[ReadBatch]:
    """Reads the lines whose first byte lies in a range.

    A key that an object lacks is null. A column that was planned as a string takes any other
    value as its JSON text; the text columns take only strings.

    Args:
        layout: The columns.
        unit: The range.

    Returns:
        Batches whose `position` is the byte offset of the line in the decompressed file.
    """
    return read_blocks(layout, unit, partial(_read_block, layout))


def _read_block(layout: Layout, block: LineBlock, rejects: Rejects) -> Iterator[ReadBatch]:
    rows = _numbered_lines(block)
    parse = parse_json if has_inexact_number(block.data) else orjson.loads
    while chunk := list(islice(rows, BATCH_ROWS)):
        share = sum(len(line) + 1 for _, line in chunk) / len(block.data)
        yield _batch(layout, chunk, parse, rejects).of_bytes(block.stored_bytes * share)


def _numbered_lines(block: LineBlock) -> Iterator[_Line]:
    offset = block.offset
    for number, line in enumerate(block.data.split(b"\n")):
        if line and not line.isspace():
            yield offset if block.starts is None else int(block.starts[number]), line
        offset += len(line) + 1


def _batch(
    layout: Layout, chunk: list[_Line], parse: Callable[[bytes], Any], rejects: Rejects
) -> ReadBatch:
    try:
        return _read_batch(layout, [parse(line) for _, line in chunk], chunk, rejects)
    except ValueError:  # some line is wrong
        pass
    parsed = [_parsed(line, rejects.encoding) for _, line in chunk]
    errors = [error or _misfit(layout, value) for value, error in parsed]
    for column in layout.fields:
        good = [row for row, error in enumerate(errors) if error is None]
        for row, misfit in _misfit_values(column, [(row, parsed[row][0]) for row in good]):
            errors[row] = misfit
    for (offset, line), error in zip(chunk, errors, strict=True):
        if error is not None:
            rejects.add(offset, line.removesuffix(b"\r"), error)
    good = [row for row, error in enumerate(errors) if error is None]
    objects, lines = [parsed[row][0] for row in good], [chunk[row] for row in good]
    return _read_batch(layout, objects, lines, rejects)


def _read_batch(
    layout: Layout, objects: list[dict[str, Any]], lines: list[_Line], rejects: Rejects
) -> ReadBatch:
    """Makes columns from objects, and from the lines that they are in.

    Raises:
        ValueError: A value is not an object, or does not fit the layout.
    """
    if not set(map(type, objects)) <= {dict}:
        raise ValueError("a line is not an object")
    if layout.all_columns:
        names = layout.known_names
        if names.union(*objects) != names:
            raise ValueError("an object has another key")
    columns = []
    for column in layout.fields:
        values = [value.get(column.name) for value in objects]
        if column.name in layout.text_columns and not set(map(type, values)) <= {str}:
            raise ValueError("a text is not a string")
        columns.append(column_array(values, column.type, partial(_exact, column.name, lines)))
    offsets = np.array([offset for offset, _ in lines], np.int64)
    return read_batch(layout, columns, offsets, rejects)


def _exact(name: str, lines: list[_Line], row: int) -> Any:
    """Returns a value with the digits that its numbers have in the file."""
    return parse_digits(lines[row][1])[name]


def _parsed(line: bytes, encoding: str = UTF_8) -> tuple[dict[str, Any], str | None]:
    """Returns the object in a line, or what is wrong with the line."""
    try:
        value = parse_json(line)
    except orjson.JSONDecodeError as error:
        return {}, not_text(line, encoding) or f"not JSON: {error}"
    except ValueError as error:
        return {}, str(error)
    if type(value) is not dict:
        return {}, f"not a JSON object but {_described(value)}"
    return value, None


def _misfit(layout: Layout, value: dict[str, Any]) -> str | None:
    """Returns which keys an object lacks or has too many of, or that its text is not a string."""
    for name in layout.text_columns:
        if name not in value:
            return f"no {name!r} in the object, which has {quoted(value) or 'no keys'}"
        if type(value[name]) is not str:
            return f"{name!r} is not a string but {_described(value[name])}"
    if layout.all_columns:
        unknown = value.keys() - layout.known_names
        if unknown:
            return (
                f"unplanned key {quoted(sorted(unknown))}, which the samples at the head of the "
                "files do not have; name the columns to keep with --columns to ignore others"
            )
    return None


def _misfit_values(
    column: InputColumn, rows: list[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, str]]:
    """Yields the rows whose value does not fit the column's type, with what is wrong."""
    if _fits(column, [value for _, value in rows]):
        return
    for row, value in rows:
        if not _fits(column, [value]):
            described = _described(value[column.name])
            yield row, f"{column.name!r} does not fit its type {column.type}: {described}"


def _fits(column: InputColumn, objects: list[dict[str, Any]]) -> bool:
    try:
        column_array([value.get(column.name) for value in objects], column.type)
    except ValueError:
        return False
    return True


def _described(value: Any) -> str:
    try:
        text = json_text(value)
    except ValueError as error:
        return str(error)
    return text if len(text) <= 60 else text[:57] + "..."


JSONL = FormatReader(_looker, _heads, split_lines, _read, settled_type, _dialect, lines_around)
"""Reads JSON Lines."""
