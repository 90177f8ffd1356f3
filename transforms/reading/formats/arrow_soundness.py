"""What must hold for a record batch from a file before pyarrow computes with it.

pyarrow trusts what a file says: offsets outside of the values, as in a damaged file, crash the
process.
"""

import pyarrow as pa
import pyarrow.compute as pc

from transforms.reading.formats.typed_columns import plain_type, unchecked_type
from transforms.reading.stored.arrow_lengths import may_expand, plain_bytes

MOST_DICTIONARY_BYTES = 1 << 30
"""Most bytes of a dictionary of views as plain values."""

_VIEW_BYTES = 16  # the length, and the value or its position


def sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns a record batch that is safe to compute with.

    Strings that are not UTF-8, and times beyond their day, concern only their rows, and are left as
    they are.

    Raises:
        pa.ArrowException: A column has offsets outside of its values, or a dictionary of values
            that cannot be plain ones.
    """
    for column in batch.columns:
        type_ = unchecked_type(column.type)
        (column if type_ == column.type else column.view(type_)).validate(full=True)
    columns = [_with_plain_values(_with_empty_nulls(column)) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _with_plain_values(array: pa.Array) -> pa.Array:
    """Returns an array whose dictionary, if it has one, has no views: they cannot be decoded."""
    if not (pa.types.is_dictionary(array.type) and may_expand(array.type.value_type)):
        return array
    taken = int(plain_bytes(array.dictionary).sum())
    if taken > MOST_DICTIONARY_BYTES:
        raise pa.ArrowInvalid(f"its dictionary would take {taken:,} bytes")
    values = pc.cast(
        array.dictionary,
        options=pc.CastOptions(plain_type(array.type.value_type), allow_invalid_utf8=True),
    )
    return pa.DictionaryArray.from_arrays(array.indices, values)


def _with_empty_nulls(array: pa.Array) -> pa.Array:
    """Returns an array whose views are empty where it is null.

    Their content is undefined there, so `validate` ignores it, but casts copy by their lengths.
    """
    type_ = array.type
    if pa.types.is_string_view(type_) or pa.types.is_binary_view(type_):
        return _with_empty_null_views(array)
    if pa.types.is_dictionary(type_):
        values = _with_empty_nulls(array.dictionary)
        if values is array.dictionary:
            return array
        return pa.DictionaryArray.from_arrays(array.indices, values, ordered=type_.ordered)
    if pa.types.is_struct(type_):
        return _with_children(array, [array.field(i) for i in range(type_.num_fields)], 1)
    if pa.types.is_fixed_size_list(type_):
        return _with_children(array, [array.values], 1)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_map(type_):
        return _with_children(array, [array.values], 2)
    return array


def _with_empty_null_views(array: pa.Array) -> pa.Array:
    if not array.null_count:
        return array
    validity, views, *data = array.buffers()
    octets = bytearray(views)
    for place in array.is_null().to_numpy(zero_copy_only=False).nonzero()[0].tolist():
        begin = (array.offset + place) * _VIEW_BYTES
        octets[begin : begin + _VIEW_BYTES] = bytes(_VIEW_BYTES)
    buffers = [validity, pa.py_buffer(octets), *data]
    return pa.Array.from_buffers(array.type, len(array), buffers, offset=array.offset)


def _with_children(array: pa.Array, children: list[pa.Array], num_buffers: int) -> pa.Array:
    """Returns an array of lists or structs with its inner arrays repaired.

    Args:
        array: The array.
        children: Its inner arrays.
        num_buffers: How many of the buffers are its own.
    """
    mended = [_with_empty_nulls(child) for child in children]
    if all(new is old for new, old in zip(mended, children, strict=True)):
        return array
    own = array.buffers()[:num_buffers]
    return pa.Array.from_buffers(array.type, len(array), own, offset=array.offset, children=mended)
