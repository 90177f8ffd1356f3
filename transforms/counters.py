"""Numbers that are summed over batches, parts and runs."""

from collections.abc import Iterable, Mapping
from typing import Any

Counters = dict[str, Any]
"""Numbers by name; values may themselves be `Counters`."""


def sum_counters(several: Iterable[Mapping[str, Any]]) -> Counters:
    """Returns the sum of counters, key by key, without changing them."""
    total: Counters = {}
    for counters in several:
        for key, value in counters.items():
            if isinstance(value, Mapping):
                total[key] = sum_counters([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return total


def without(counters: Mapping[str, Any], less: Mapping[str, Any]) -> Counters:
    """Returns counters less others; what nested ones count down to 0 is left out."""
    rest: Counters = {}
    for key, value in counters.items():
        if isinstance(value, Mapping):
            nested = without(value, less.get(key, {}))
            rest[key] = {name: count for name, count in nested.items() if count}
        else:
            rest[key] = max(value - less.get(key, 0), 0)
    return rest


def most_common(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Returns the highest counts, highest first, with ties ordered by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:limit])
