"""Names of columns, which readers of the output (DuckDB, Spark, BigQuery) compare without case."""

from collections.abc import Collection, Iterable

from models.errors import nearest


def folded(name: str) -> str:
    """Returns what names that differ in case alone have in common."""
    return name.lower()


def find_column(name: str, names: Collection[str]) -> str | None:
    """Returns the column that a name stands for.

    Returns:
        The column of just this name, else the only one that differs in case alone, else None.
    """
    if name in names:
        return name
    alike = [each for each in names if folded(each) == folded(name)]
    return alike[0] if len(alike) == 1 else None


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
