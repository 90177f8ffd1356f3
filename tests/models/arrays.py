"""What batches of any backend hold."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np


def arrays(batches: Iterable[Any]) -> Iterator[Any]:
    """Yields batches with arrays in place of tensors."""
    for batch in batches:
        yield keras.tree.map_structure(np.asarray, batch)
