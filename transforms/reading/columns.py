"""The columns of a corpus: what its files and folders have, brought together."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from models.errors import quoted
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.reading.column_names import (
    ColumnNames,
    alike_in_case,
    find_column,
    folded,
    nearest_column,
    output_names,
)
from transforms.reading.layout import InputColumn
from transforms.reading.partitions import folder_scalar, folder_type, folder_values
from transforms.reading.readers import Head
from transforms.reading.widening import common_type, nullable_type
from transforms.schemas import POSITION, SOURCE

RESERVED = (SOURCE.name, POSITION.name)
"""Names of the columns that reading itself adds."""

_WAY_OUT = (
    "one run needs one type: leave it out by naming the columns to keep with --columns, or give "
    "the files to runs of their own"
)


class FoundColumns:
    """The columns that files and their folders have.

    Args:
        files: The files of a corpus.
        heads: Their columns: of each file that has any, or one for all.
        settled: For a format whose files do not tell types: makes the type of a column from what
            was found.
    """

    def __init__(
        self,
        files: Sequence[CorpusFile],
        heads: Sequence[Head],
        settled: Callable[[pa.DataType], pa.DataType] | None,
    ) -> None:
        self._heads = heads
        self._settled = settled
        self._folders = {file.path: folder_values(file.path) for file in files}
        self._of_files = _spelled(heads)
        self._names = ColumnNames(self._of_files)
        self._of_folders: dict[str, dict[str, str | None]] = {}
        for path, values in self._folders.items():
            for name, value in values.items():
                self._of_folders.setdefault(folded(name), {})[path] = value
                if not self._names.alike(name):
                    self._names.add(name)

    def resolve_text(self, name: str, flag: str) -> str:
        """Returns the text column that a flag names.

        Raises:
            InputError: A file lacks it, or it holds no text.
        """
        first = self._heads[0]
        found = find_column(name, self._of_files)
        types = []
        if found is None or find_column(found, first.columns) is None:
            raise _no_column(name, flag, f"{first.path!r}, which has", list(first.columns), first)
        for head in self._heads:
            own = find_column(found, head.columns)
            if own is None:
                raise InputError(f"{head.path!r} has no column {name!r}, which {first.path!r} has")
            self._check_fault(head, own)
            types.append((head.columns[own], head.path))
        # All texts of one file may be null.
        texts = [(type_, path) for type_, path in types if not pa.types.is_null(type_)] or types
        for type_, path in () if self._settled else texts:
            if not (pa.types.is_string(type_) or pa.types.is_binary(type_)):
                raise InputError(
                    f"column {name!r} holds {type_}, not text, in {path!r}; a text column is a "
                    "string"
                )
        return found

    def resolve(self, names: Sequence[str], flag: str) -> list[str]:
        """Returns the columns that a flag names.

        Raises:
            InputError: No file has one of them.
        """
        resolved = []
        for name in names:
            found = self._names.find(name) or self._names.find(name.strip())
            if found is None:
                several = " and the other files, which have"
                more = several if self._heads[1:] else ", which has"
                where = f"{self._heads[0].path!r}{more}"
                raise _no_column(name.strip(), flag, where, self._names, self._heads[0])
            resolved.append(found)
        return resolved

    def plan(
        self,
        texts: Sequence[str],
        wanted: Collection[str] | None,
        reserved: Collection[str],
        earlier: pa.Schema | None = None,
    ) -> tuple[tuple[InputColumn, ...], tuple[tuple[str, int], ...]]:
        """Plans what is read, and in which types.

        Args:
            texts: The text columns.
            wanted: Columns to keep besides; all if None.
            reserved: Names of the columns that later stages add.
            earlier: Columns of the results that the rows will stand beside.

        Returns:
            The columns, and which of them some files lack, by their names in the output, with how
            many do.

        Raises:
            InputError: A column cannot be kept, or has types that do not go together.
        """
        asked = self._names if wanted is None else {*wanted, *texts}
        kept = [name for name in self._names if name in asked]
        self._check_distinct(kept, wanted is None)
        taken = {*reserved, *RESERVED}
        names = output_names(kept, taken)
        before = {} if earlier is None else {column.name: column.type for column in earlier}
        spelled = ColumnNames(before)
        names = {name: spelled.find(new) or new for name, new in names.items()}
        found = self._found([name for name in kept if name not in texts])
        fields, gaps = [], []
        for name in kept:
            if name in texts:
                fields.append(InputColumn(name, names[name], pa.string()))
                continue
            type_, lacking = self._type_of(name, found[name], before.get(names[name]))
            fields.append(InputColumn(name, names[name], type_, is_optional=lacking > 0))
            if lacking:
                gaps.append((names[name], lacking))
        if earlier is not None:
            fields += self._only_earlier(earlier, names.values(), taken)
        return tuple(fields), tuple(gaps)

    def _check_distinct(self, kept: Sequence[str], are_all: bool) -> None:
        if pair := alike_in_case(kept):
            path = next(
                (head.path for head in self._heads if all(name in head.columns for name in pair)),
                self._heads[0].path,
            )
            ways = "keep one of them with --columns, or rename one" if are_all else "rename one"
            raise InputError(
                f"the columns {pair[0]!r} and {pair[1]!r} of {path!r} differ in case alone, and "
                f"readers of tables take them for one: {ways}"
            )

    def _check_fault(self, head: Head, name: str) -> None:
        if name in head.faults:
            raise InputError(
                f"column {name!r} of {head.path!r} {head.faults[name]}; "
                "name the columns to keep with --columns to leave it out"
            )

    def _found(self, names: Collection[str]) -> "dict[str, _Found]":
        """Returns what the files have of some columns, but for those that their folders give."""
        found = {name: _Found(self._given(name)) for name in names}
        known = ColumnNames(names)
        for head in self._heads:
            others = [own for own in head.columns if own not in found and known.alike(own)]
            of_head = ColumnNames(head.columns if others else ())
            pairs = [(own, own) for own in head.columns if own in found]
            pairs += [
                (name, own)
                for own in others
                for name in known.alike(own)
                if of_head.find(name) == own
            ]
            for name, own in pairs:
                if not self._is_given(head, found[name].given):
                    self._check_fault(head, own)
                    found[name].types.setdefault(head.columns[own], head.path)
                    found[name].num_files += 1
        return found

    def _given(self, name: str) -> dict[str, str | None]:
        """Returns the values that folders give a column, by the paths of files."""
        return self._of_folders.get(folded(name), {})

    def _is_given(self, head: Head, given: dict[str, str | None]) -> bool:
        """Returns whether the values of folders count, and not those of a head."""
        return head.path in given and (len(self._heads) > 1 or len(given) == len(self._folders))

    def _type_of(
        self, name: str, found: "_Found", before: pa.DataType | None
    ) -> tuple[pa.DataType, int]:
        """Returns the type of a column, and how many heads lack it."""
        given, types = found.given, found.types
        lacking = len(self._heads) - found.num_files
        if given:
            lacking -= sum(self._is_given(head, given) for head in self._heads)
        merged = _merged(name, types) if types else None
        if given:
            merged = _with_folders(name, types, merged, given)
        assert merged is not None
        if lacking:
            merged = nullable_type(merged)
        if before is not None:
            merged = self._fitted(merged, before, [] if types else list(given.values()))
        return self._settled(merged) if self._settled else merged, lacking

    def _fitted(
        self, type_: pa.DataType, before: pa.DataType, of_folders: Sequence[str | None]
    ) -> pa.DataType:
        """Returns the type that a column has in earlier results if it holds these values as well.

        Args:
            type_: Its type in the files.
            before: Its type in earlier results.
            of_folders: Its values, if only folders give them.
        """
        if pa.types.is_string(before) and (of_folders or self._settled):
            return before  # the values are texts that are kept as they are
        if self._settled and not of_folders and not _is_of_json(before):
            return type_
        fits = common_type(before, type_) == before and _holds(before, of_folders)
        return before if fits else type_

    def _only_earlier(
        self, earlier: pa.Schema, names: Collection[str], taken: Collection[str]
    ) -> Iterator[InputColumn]:
        """Yields the columns of earlier results that no file of this run has."""
        known = {folded(name) for name in (*names, *taken, *self._names)}
        for column in earlier:
            if folded(column.name) not in known:
                yield InputColumn(column.name, column.name, column.type, is_optional=True)


@dataclass
class _Found:
    """What files have of a column.

    Attributes:
        given: The values that folders give it, by the paths of files.
        types: Its types, each with the first file that has it.
        num_files: How many files have it, but for those that have it from their folders.
    """

    given: dict[str, str | None]
    types: dict[pa.DataType, str] = field(default_factory=dict)
    num_files: int = 0


def _spelled(heads: Sequence[Head]) -> dict[str, None]:
    """Returns the columns of files, in order of appearance, as the first file spells them.

    Two that differ in case alone are two columns only where one file has both.
    """
    names: dict[str, None] = {}
    by_fold: dict[str, list[str]] = {}
    for head in heads:
        for name in head.columns:
            alike = by_fold.setdefault(folded(name), [])
            if name not in names and all(each in head.columns for each in alike):
                names[name] = None
                alike.append(name)
    return names


def _no_column(name: str, flag: str, where: str, names: Collection[str], first: Head) -> InputError:
    near = nearest_column(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    return InputError(
        f"no column {name!r} for {flag} in {where} {quoted(names)}{first.hint or hint}"
    )


def _merged(name: str, types: dict[pa.DataType, str]) -> pa.DataType:
    """Returns the type that holds the values of all types, each with the first file that has it.

    Raises:
        InputError: There is none.
    """
    merged = next(iter(types))
    for type_, path in types.items():
        wider = common_type(merged, type_)
        if wider is None:
            other, first = next(
                ((t, p) for t, p in types.items() if common_type(t, type_) is None),
                next(iter(types.items())),
            )
            raise InputError(
                f"column {name!r} is {type_} in {path!r} and {other} in {first!r}; {_WAY_OUT}"
            )
        merged = wider
    return merged


def _with_folders(
    name: str,
    types: dict[pa.DataType, str],
    merged: pa.DataType | None,
    given: dict[str, str | None],
) -> pa.DataType:
    """Returns the type of a column that folders give, and of which some files have values too.

    Raises:
        InputError: The values of folders are of another type.
    """
    type_ = folder_type(list(given.values()))
    if merged is None or pa.types.is_null(merged):
        return type_
    wider = pa.string() if pa.types.is_string(merged) else common_type(merged, type_)
    if wider is not None and _holds(wider, given.values()):
        return wider
    path, (other, first) = next(iter(given)), next(iter(types.items()))
    raise InputError(
        f"column {name!r} is {type_} in the folders of {path!r} and {other} in {first!r}; "
        f"{_WAY_OUT}"
    )


def _is_of_json(type_: pa.DataType) -> bool:
    """Returns whether a type is one that values of JSON are read as."""
    if type_.num_fields:
        return all(_is_of_json(type_.field(i).type) for i in range(type_.num_fields))
    return type_ in (pa.bool_(), pa.int64(), pa.float64(), pa.string())


def _holds(type_: pa.DataType, values: Collection[str | None]) -> bool:
    try:
        for value in set(values):
            folder_scalar(value, type_)
    except (ValueError, pa.ArrowException):
        return False
    return True
