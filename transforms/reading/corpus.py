"""What a run is going to read, determined before any work is done."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from transforms.errors import InputError
from transforms.files import CorpusFile, distinct, hold, match, name_of
from transforms.reading.column_names import output_names
from transforms.reading.columns import RESERVED, FoundColumns
from transforms.reading.contents import check_content, what_it_is
from transforms.reading.decompress import compression_suffix
from transforms.reading.dialect import UNKNOWN, Dialect
from transforms.reading.encoding_evidence import SAMPLE_BYTES
from transforms.reading.formats.record import FORMATS, INPUT_FORMATS, InputFormat, format_of_name
from transforms.reading.formats.text import TEXT_COLUMN
from transforms.reading.layout import InputColumn, Layout
from transforms.reading.readers import look_at_each

# A file in a store that is no longer than this is fetched once to be planned, and not asked for its
# beginning, middle and end, which are about as much.
_WHOLE_BYTES = 256 << 10

_FORMAT_CHOICES = f"name one with --input_format: {', '.join(FORMATS)}"


@dataclass(frozen=True)
class Corpus(Layout):
    """The files of a run, and the columns that are read from them.

    Attributes:
        files: The files to read, in order, with their dialects.
        format: One of `FORMATS`, the same for all files.
        gaps: The columns that some files lack, by their names in the output, with how many do.
    """

    files: tuple[CorpusFile, ...] = ()
    format: str = "text"
    gaps: tuple[tuple[str, int], ...] = ()

    @property
    def size(self) -> int:
        """Total bytes of the files, as stored."""
        return sum(file.size for file in self.files)

    def only(self, files: Iterable[CorpusFile]) -> "Corpus":
        """Returns the corpus with those of its files alone that are among some."""
        paths = {file.path for file in files}
        return replace(self, files=tuple(file for file in self.files if file.path in paths))


def find_files(inputs: Sequence[str]) -> tuple[CorpusFile, ...]:
    """Finds the files of a run, each once.

    Args:
        inputs: Files, globs and folders.

    Raises:
        InputError: Something does not exist, or cannot be read.
    """
    if not inputs:
        raise InputError("no input; name a file, a glob or a folder")
    return distinct(file for pattern in inputs for file in match(pattern))


def plan_corpus(
    inputs: Sequence[str] | Sequence[CorpusFile],
    *,
    input_format: str | None = None,
    text_column: str = TEXT_COLUMN,
    text_pair_column: str | None = None,
    columns: Sequence[str] | None = None,
    reserved: Collection[str] = (),
    earlier: pa.Schema | None = None,
    columns_flag: str = "--columns",
    dialect: Dialect = UNKNOWN,
) -> Corpus:
    """Finds the files of a run and their columns, reading only the heads or footers of files.

    How the characters of a file of text are written is found out for each file by itself.

    Args:
        inputs: Files, globs and folders; or the files that `find_files` found.
        input_format: One of `FORMATS`; determined by the extensions of the files if None.
        text_column: The column with the text.
        text_pair_column: The column with the second text of sentence pairs.
        columns: Input columns to keep besides the text; all if None. White space around a name is
            stripped unless there is a column with that exact name.
        reserved: Names of the columns that later stages add; input columns give way to them.
        earlier: Columns of the results that the rows will stand beside: these are fitted to them
            where nothing is lost.
        columns_flag: The flag that `columns` come from, for messages.
        dialect: What is known of all files of text.

    A name stands for the column of just this name, else for the only one that differs in case
    alone.

    Returns:
        The plan, for `ReadUnits`.

    Raises:
        InputError: Something does not exist, is not in the format, or does not fit together.
    """
    if input_format is not None and input_format not in FORMATS:
        raise InputError(f"unknown input format {input_format!r}; {_FORMAT_CHOICES}")
    given = tuple(file for file in inputs if isinstance(file, CorpusFile))
    files = given or find_files([pattern for pattern in inputs if isinstance(pattern, str)])
    record = INPUT_FORMATS[input_format] if input_format else _common_format(files)
    if not record.may_be_compressed:
        _require_uncompressed(files, record)
    _require_dialect(files, record, dialect)
    files, looks = _looked_at(files, record, dialect)
    reader = record.load()
    heads = reader.heads(files, looks)
    if not heads:
        listed = f"{files[0].path!r}" + (f" and {len(files) - 1} more" if files[1:] else "")
        raise InputError(f"the input is empty, and its columns are unknown: {listed}")
    found = FoundColumns(files, heads, None if record.is_typed else reader.settled)
    text = found.resolve_text(text_column, "--text_column")
    pair = text_pair_column and found.resolve_text(text_pair_column, "--text_pair_column")
    if text == pair:
        raise InputError(f"text and second text are both {text_column!r}; name two columns")
    texts = [text] if pair is None else [text, pair]
    wanted = None if columns is None else found.resolve(columns, columns_flag)
    fields, gaps = found.plan(texts, wanted, reserved, earlier)
    return Corpus(
        fields=fields,
        text_column=text,
        text_pair_column=pair,
        all_columns=columns is None,
        files=files,
        format=record.name,
        gaps=gaps,
    )


def corpus_of_empty(
    files: Sequence[CorpusFile],
    text_column: str,
    text_pair_column: str | None,
    reserved: Collection[str],
) -> Corpus:
    """Returns a corpus of files without a byte, of which no columns are known but those of texts.

    The arguments are those of `plan_corpus`.
    """
    texts = [text_column] + ([] if text_pair_column is None else [text_pair_column])
    names = output_names(texts, {*reserved, *RESERVED})
    return Corpus(
        fields=tuple(InputColumn(name, names[name], pa.string()) for name in texts),
        text_column=text_column,
        text_pair_column=text_pair_column,
        all_columns=False,
        files=tuple(files),
        format="text",
    )


def _common_format(files: Iterable[CorpusFile]) -> InputFormat:
    """Returns the format that the extensions of all files stand for."""
    examples: dict[str, str] = {}
    for file in files:
        name = name_of(file.path).lower()
        record = format_of_name(name.removesuffix(compression_suffix(file.path)))
        if record is None:
            unknown = f"{file.path!r} is of unknown format; {_FORMAT_CHOICES}"
            raise InputError(what_it_is(file) or unknown)
        examples.setdefault(record.name, file.path)
    if len(examples) > 1:
        listed = ", ".join(f"{name} ({path!r})" for name, path in examples.items())
        raise InputError(f"a run reads files of one format, and these are of several: {listed}")
    return INPUT_FORMATS[next(iter(examples))]


def _require_uncompressed(files: Iterable[CorpusFile], record: InputFormat) -> None:
    for file in files:
        if compression_suffix(file.path):
            raise InputError(
                f"{file.path!r}: {record.title} is compressed internally; unpack the file first"
            )


def _require_dialect(files: Sequence[CorpusFile], record: InputFormat, asked: Dialect) -> None:
    for name in asked.as_json():
        if name not in record.flags:
            takers = [each.title for each in INPUT_FORMATS.values() if name in each.flags]
            raise InputError(
                f"--{name} is for {', '.join(takers[:-1])} and {takers[-1]}, and {files[0].path!r} "
                f"is {record.title}"
            )


def _looked_at(
    files: tuple[CorpusFile, ...], record: InputFormat, asked: Dialect
) -> tuple[tuple[CorpusFile, ...], list[Any]]:
    """Looks at all that planning wants to know of each file, one after the other.

    Args:
        files: The files.
        record: What they are read as.
        asked: What the user said of how their characters are written.

    Returns:
        The files, those of text with their dialects, and what the format's reader found in each.
    """
    reader = record.load()
    look = reader.looker(files)

    def look_at(file: CorpusFile) -> tuple[Dialect, Any]:
        held = _begun(file, record)
        check_content(held, record)
        if reader.dialect is not None:
            dialect = reader.dialect(held, asked)
            if dialect.delimiter is not None and dialect.delimiter == dialect.quote:
                raise InputError(
                    f"{dialect.quote!r} is both the delimiter and the quote of {file.path!r}: give "
                    "two characters with --delimiter and --quote"
                )
            held = replace(held, dialect=dialect)
        return held.dialect, look(held)

    found = look_at_each(files, look_at)
    described = (
        replace(file, dialect=dialect) for file, (dialect, _) in zip(files, found, strict=True)
    )
    return tuple(described), [each for _, each in found]


def _begun(file: CorpusFile, record: InputFormat) -> CorpusFile:
    """Returns a file with what planning looks at first: all of it, its beginning or its end."""
    if file.size <= _WHOLE_BYTES:
        return hold(file, 0, file.size)
    if record.end:
        return hold(file, file.size - SAMPLE_BYTES, file.size)
    return hold(file, 0, SAMPLE_BYTES + 1)
