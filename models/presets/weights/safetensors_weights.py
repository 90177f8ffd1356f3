"""Weights in files in the safetensors format (https://github.com/huggingface/safetensors)."""

import contextlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes  # noqa: F401 - gives NumPy the type bfloat16, which safetensors asks for
import numpy as np
from safetensors import SafetensorError, safe_open
from typing_extensions import override

from models.errors import PresetError
from models.presets.preset import Preset, StoredWeights

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

# Far above any real header, far below what would fill memory.
_MAX_HEADER_BYTES = 4 << 20
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class TensorWeight:
    """One weight of a model here, and the arrays that hold it in the file.

    Attributes:
        name: Its key in `named_weights()`.
        parts: Name and shape of each array in the file.
        combine: Makes the weight from these arrays.
    """

    name: str
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    combine: Callable[..., np.ndarray]


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes:
        file: Which of the preset's files it is in.
        name: Its name there.
        dtype: Its type, as the format spells it.
        shape: Its shape.
    """

    file: str
    name: str
    dtype: str
    shape: tuple[int, ...]


class TensorFiles(ABC):
    """The arrays of a preset in the format of Hugging Face, by the names of PyTorch."""

    @property
    @abstractmethod
    def files(self) -> list[str]:
        """The files that hold the arrays."""

    @property
    @abstractmethod
    def arrays(self) -> dict[str, StoredArray]:
        """The stored arrays by the names that a layout uses."""

    @abstractmethod
    def read(self, array: StoredArray) -> np.ndarray:
        """Returns the values of one of the arrays, in the file's type."""


class Safetensors(TensorFiles):
    """The arrays of a preset, in one file or in several that an index names.

    Args:
        preset: The preset.
        rename: Returns a layout's name for the name in the file.
        file: The only file to read; that of the model, or its shards, if `None`.
    """

    def __init__(
        self, preset: Preset, rename: Callable[[str], str] = str, file: str | None = None
    ) -> None:
        self._preset = preset
        self._rename = rename
        self._file = file

    @cached_property
    @override
    def files(self) -> list[str]:
        if self._file is not None:
            return [self._file]
        return [WEIGHTS] if self._preset.has(WEIGHTS) else self._shards()

    def _shards(self) -> list[str]:
        index = self._preset.json(INDEX)
        names = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(names, dict) or not names:
            raise self._preset.error(INDEX, "must be an object with `weight_map`")
        shards: dict[str, None] = {}
        for shard in names.values():
            if not isinstance(shard, str) or not _is_plain(shard):
                raise self._preset.error(
                    INDEX, f"{shard!r} is not the name of a safetensors file in the preset's folder"
                )
            shards[shard] = None
        for shard in shards:
            self._preset.path(shard)
        return list(shards)

    @cached_property
    @override
    def arrays(self) -> dict[str, StoredArray]:
        found: dict[str, StoredArray] = {}
        for file in self.files:
            with self._opened(file) as store:
                for name in store.keys():  # noqa: SIM118 - it is not a mapping
                    part = store.get_slice(name)
                    array = StoredArray(file, name, part.get_dtype(), tuple(part.get_shape()))
                    other = found.setdefault(self._rename(name), array)
                    if other is not array:
                        raise self._preset.error(
                            file, f"{name!r} and {other.name!r} of {other.file} are the same weight"
                        )
        return found

    @override
    def read(self, array: StoredArray) -> np.ndarray:
        # Reopened for each array, since what has been read from an open file stays in memory.
        with self._opened(array.file) as store:
            values: np.ndarray = store.get_tensor(array.name)
        return values

    @contextlib.contextmanager
    def _opened(self, file: str) -> Iterator[Any]:
        """Opens one of the files after checking its header."""
        path = self._preset.path(file)
        try:
            with path.open("rb") as stream:
                start = stream.read(8)
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if size > min(_MAX_HEADER_BYTES, path.stat().st_size):
                raise self._preset.error(file, f"not safetensors (a header of {size} bytes)")
            with safe_open(path, framework="numpy") as store:
                yield store
        except (SafetensorError, OSError, ValueError, OverflowError) as error:
            if isinstance(error, PresetError):
                raise
            problem = str(error).partition("\n")[0]
            raise self._preset.error(file, f"cannot be read as safetensors ({problem})") from None


def _is_plain(name: str) -> bool:
    """Returns whether a name is that of a safetensors file, not a path."""
    return name.endswith(".safetensors") and not set(name) & set("/\\:\0")


class SafetensorsWeights(StoredWeights):
    """The weights that a layout names in a preset's files.

    Args:
        preset: The preset.
        stored: Its arrays.
        layout: What must be there.
        ignored: Prefixes of the names of arrays that may be there too.

    Raises:
        PresetError: The files are not safetensors; an array is missing, of another shape, not of a
            floating-point type, or unknown.
    """

    def __init__(
        self,
        preset: Preset,
        stored: TensorFiles,
        layout: Sequence[TensorWeight],
        ignored: Iterable[str],
    ) -> None:
        self._preset = preset
        self._stored = stored
        self._layout = layout
        expected = {name: shape for weight in layout for name, shape in weight.parts}
        _check(preset, stored, expected, tuple(ignored))

    @override
    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for weight in self._layout:
            yield weight.name, weight.combine(*(self._values(name) for name, _ in weight.parts))

    def _values(self, name: str) -> np.ndarray:
        array = self._stored.arrays[name]
        values = self._stored.read(array).astype(np.float32, copy=False)
        return self._preset.finite(array.file, array.name, values)


def _check(
    preset: Preset,
    stored: TensorFiles,
    expected: Mapping[str, tuple[int, ...]],
    ignored: tuple[str, ...],
) -> None:
    for name, array in stored.arrays.items():
        if name not in expected and not name.startswith(ignored):
            raise preset.error(array.file, f"holds {array.name!r}, which its configuration lacks")
    for name, shape in expected.items():
        if name not in stored.arrays:
            file = stored.files[0] if len(stored.files) == 1 else INDEX
            raise preset.error(file, f"lacks {name!r}")
        array = stored.arrays[name]
        if array.dtype not in _FLOATS:
            raise preset.error(
                array.file,
                f"{array.name!r} is of the type {array.dtype}, not one of {', '.join(_FLOATS)}",
            )
        if array.shape != shape:
            raise preset.error(
                array.file,
                f"{array.name!r} has the shape {list(array.shape)}; its configuration asks for "
                f"{list(shape)}",
            )
