"""Names of columns, which readers of the output (DuckDB, Spark, BigQuery) compare without case."""

from collections.abc import Collection, Iterable, Iterator

from models.errors import nearest


def folded(name: str) -> str:
    """Returns what names that differ in case alone have in common."""
    return name.lower()


class ColumnNames(Collection[str]):
    """Names of columns, in which others are found whatever the case they are written in.

    Args:
        names: The names, in order.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[str, None] = {}
        self._alike: dict[str, list[str]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Adds a name, unless it is there."""
        if name not in self._names:
            self._names[name] = None
            self._alike.setdefault(folded(name), []).append(name)

    def find(self, name: str) -> str | None:
        """Returns the column that a name stands for.

        Returns:
            The column of just this name, else the only one that differs in case alone, else None.
        """
        if name in self._names:
            return name
        alike = self.alike(name)
        return alike[0] if len(alike) == 1 else None

    def alike(self, name: str) -> list[str]:
        """Returns the columns of this name in any case."""
        return self._alike.get(folded(name), [])

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def find_column(name: str, names: Collection[str]) -> str | None:
    """Returns the column that a name stands for, as `ColumnNames.find` does."""
    return name if name in names else ColumnNames(names).find(name)


def nearest_column(name: str, names: Iterable[str]) -> str | None:
    """Returns the column that an unknown name probably stands for, if one is close enough."""
    spelled = {folded(each): each for each in names}
    near = nearest(folded(name), spelled)
    return None if near is None else spelled[near]


def alike_in_case(names: Iterable[str]) -> tuple[str, str] | None:
    """Returns two different names that differ in case alone, if there are any."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(folded(name), name)) != name:
            return other, name
    return None


def output_names(names: Collection[str], reserved: Collection[str]) -> dict[str, str]:
    """Returns the output name of every kept column; `input_<name>` if its own is taken.

    Args:
        names: Names of the kept columns in the files, no two of which differ in case alone.
        reserved: Names that the output needs itself.
    """
    taken = set(map(folded, reserved))
    chosen = {name: name for name in names if folded(name) not in taken}
    taken.update(map(folded, chosen))
    for name in names:
        if name not in chosen:
            candidate, number = f"input_{name}", 2
            while folded(candidate) in taken:
                candidate, number = f"input_{name}_{number}", number + 1
            chosen[name] = candidate
            taken.add(folded(candidate))
    return chosen
