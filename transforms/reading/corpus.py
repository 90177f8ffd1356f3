"""What a run is going to read, determined before any work is done."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from transforms.errors import InputError
from transforms.files import CorpusFile, distinct, match, name_of
from transforms.reading.column_names import output_names
from transforms.reading.columns import RESERVED, FoundColumns
from transforms.reading.contents import check_contents, what_it_is
from transforms.reading.decompress import compression_suffix
from transforms.reading.dialect import UNKNOWN, Dialect
from transforms.reading.formats.record import FORMATS, INPUT_FORMATS, InputFormat, format_of_name
from transforms.reading.formats.text import TEXT_COLUMN
from transforms.reading.layout import InputColumn, Layout
from transforms.reading.readers import look_at_each

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
        The plan, for `ReadCorpus`.

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
    check_contents(files, record)
    files = _with_dialects(files, record, dialect)
    reader = record.load()
    heads = reader.heads(files)
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


def _with_dialects(
    files: tuple[CorpusFile, ...], record: InputFormat, asked: Dialect
) -> tuple[CorpusFile, ...]:
    """Returns files of text with their dialects; other files as they are."""
    find = record.load().dialect
    if find is None:
        return files
    found = look_at_each(files, lambda file: find(file, asked))
    for file, each in zip(files, found, strict=True):
        if each.delimiter is not None and each.delimiter == each.quote:
            raise InputError(
                f"{each.quote!r} is both the delimiter and the quote of {file.path!r}: give two "
                "characters with --delimiter and --quote"
            )
    return tuple(replace(file, dialect=each) for file, each in zip(files, found, strict=True))
