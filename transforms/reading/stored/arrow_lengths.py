"""How many bytes the items of an Arrow array take as plain values.

A dictionary or a view holds a value once, however many items have it.
"""

import numpy as np
import pyarrow as pa

_VIEW_NUMBERS = 4  # of 32 bits, the first of them the length


def may_expand(type_: pa.DataType) -> bool:
    """Returns whether items of a type can take more than their array does."""
    if pa.types.is_dictionary(type_):
        return True
    if pa.types.is_string_view(type_) or pa.types.is_binary_view(type_):
        return True
    return any(may_expand(type_.field(number).type) for number in range(type_.num_fields))


def plain_bytes(array: pa.Array) -> np.ndarray:
    """Returns how many bytes each item takes as a plain value, int64 `[items]`, approximately.

    Args:
        array: An array that is sound.
    """
    type_ = array.type
    if pa.types.is_dictionary(type_):
        if len(array.dictionary) == 0:
            return np.zeros(len(array), np.int64)
        indices = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return plain_bytes(array.dictionary)[indices.astype(np.int64)]
    if pa.types.is_string_view(type_) or pa.types.is_binary_view(type_):
        views = _numbers(array.buffers()[1], np.int32)[::_VIEW_NUMBERS]
        return views[array.offset : array.offset + len(array)].astype(np.int64)
    if _has_offsets(type_, 32) or _has_offsets(type_, 64):
        offsets = _numbers(array.buffers()[1], np.int32 if _has_offsets(type_, 32) else np.int64)
        return np.diff(offsets[array.offset : array.offset + len(array) + 1].astype(np.int64))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_map(type_):
        ends = np.concatenate([[0], np.cumsum(plain_bytes(array.values))])
        offsets = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        return np.diff(ends[offsets])
    if pa.types.is_fixed_size_list(type_):
        size = type_.list_size
        items = array.values.slice(array.offset * size, len(array) * size)
        return plain_bytes(items).reshape(len(array), size).sum(axis=1)
    if pa.types.is_struct(type_):
        members = (array.field(number) for number in range(type_.num_fields))
        return sum(map(plain_bytes, members), np.zeros(len(array), np.int64))
    return np.full(len(array), array.nbytes // max(len(array), 1), np.int64)


def _numbers(buffer: pa.Buffer | None, kind: type[np.integer]) -> np.ndarray:
    """Returns the whole numbers in a buffer, which may be a few bytes longer."""
    content = np.frombuffer(buffer or b"", np.uint8)
    return content[: len(content) - len(content) % np.dtype(kind).itemsize].view(kind)


def _has_offsets(type_: pa.DataType, bits: int) -> bool:
    if bits == 32:
        return pa.types.is_string(type_) or pa.types.is_binary(type_)
    return pa.types.is_large_string(type_) or pa.types.is_large_binary(type_)
