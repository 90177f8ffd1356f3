"""Reading HDF5 that someone else wrote: in bounded memory, and nothing from outside the file."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator

import h5py
import numpy as np

from models.errors import PresetError
from models.presets.preset import Preset

# A file that unpacks to more than this many times its size holds no weights.
_MAX_EXPANSION = 16

# A chunk is read whole, however little of it an array is.
_MOST_PADDING, _LEAST = 16, 1 << 20

# Far above those of a model of hundreds of layers.
_MOST_OBJECTS = 100_000
_MOST_LEVELS = 20


@contextlib.contextmanager
def opened(
    preset: Preset, file: str, rename: Callable[[str], str | None]
) -> Iterator[dict[str, h5py.Dataset]]:
    """Opens one of a preset's files, and yields the float arrays in it by name.

    Links, as it may hold, are not followed.

    Args:
        preset: The preset.
        file: Its file.
        rename: Returns the name of the array, or of the group, at a path; `None` for one to ignore,
            a group with all in it.

    Raises:
        PresetError: It is not HDF5, or holds far more than weights.
    """
    with _store(preset, file) as store:
        yield _arrays(store, rename)


def read(preset: Preset, file: str, path: str) -> np.ndarray:
    """Returns the values of the array at a path in one of a preset's files."""
    with _store(preset, file) as store:
        return values(store[path])


@contextlib.contextmanager
def _store(preset: Preset, file: str) -> Iterator[h5py.File]:
    path = preset.path(file)
    try:
        with h5py.File(path, "r") as store:
            yield store
    except PresetError:
        raise
    except Exception as error:  # h5py raises errors of many kinds for a damaged file
        raise preset.error(file, f"cannot be read as HDF5 ({error})") from None


def _arrays(group: h5py.Group, rename: Callable[[str], str | None]) -> dict[str, h5py.Dataset]:
    """Returns the float arrays in a file by name.

    Raises:
        ValueError: It holds more groups than weights do, in each other without end, or two arrays
            of one name.
    """
    found: dict[str, h5py.Dataset] = {}
    groups = [("", group)]
    count = 0
    while groups:
        prefix, group = groups.pop()
        for key in group:
            count += 1
            if count > _MOST_OBJECTS or prefix.count("/") > _MOST_LEVELS:
                raise ValueError("more groups than any weights have")
            name = rename(f"{prefix}{key}")
            if name is None or not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            item = group[key]
            if isinstance(item, h5py.Group):
                groups.append((f"{prefix}{key}/", item))
            elif isinstance(item, h5py.Dataset) and (item.dtype.kind == "f" or is_bfloat16(item)):
                if name in found:
                    raise ValueError(f"{name!r} is there twice")
                found[name] = item
    return found


def is_bfloat16(array: h5py.Dataset) -> bool:
    """Returns whether Keras wrote an array of bfloat16, a type that HDF5 does not know."""
    return array.dtype == np.dtype("V2") and str(array.attrs.get("dtype")) == "bfloat16"


def values(array: h5py.Dataset) -> np.ndarray:
    """Returns the values of an array in the file's type, or as float32 where that is bfloat16."""
    if is_bfloat16(array):
        # The upper half of a float32.
        return (array[()].view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return array[()]


def check_array(preset: Preset, file: str, name: str, array: h5py.Dataset) -> None:
    """Raises `PresetError` for an array that is outside the file, or in chunks to fill memory."""
    if array.is_virtual or array.external:
        raise preset.error(file, f"{name!r} points to another file")
    if array.chunks and math.prod(array.chunks) > max(_MOST_PADDING * array.size, _LEAST):
        raise preset.error(file, f"{name!r} is stored in chunks far larger than itself")


def check_expansion(preset: Preset, file: str, arrays: Iterable[h5py.Dataset]) -> None:
    """Raises `PresetError` for a file whose arrays are far larger than the file."""
    needed = sum(array.nbytes for array in arrays)
    if needed > _MAX_EXPANSION * preset.path(file).stat().st_size:
        raise preset.error(file, f"unpacks to {needed} bytes, far more than its size")
