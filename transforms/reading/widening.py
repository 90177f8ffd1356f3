"""One type for the columns of files that differ, so that every value stays what it is."""

import pyarrow as pa
import pyarrow.compute as pc

_UNITS = ("s", "ms", "us", "ns")
_DIGITS, _MOST_DIGITS = 38, 76  # of Arrow's two wide decimal types
_DIGITS_OF_INTEGERS = {8: 3, 16: 5, 32: 10, 64: 19}  # by bits; unsigned 64 have one more


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Returns the type that holds the values of both types, or None if there is none.

    Integers beside floating-point numbers become doubles, and times become those of the finer unit,
    though a few values may lie beyond what these hold exactly: `widened` tells such rows.

    Args:
        one: A plain type, as `typed_columns.plain_type` returns; the members of structs stay in
            its order.
        other: Another one.
    """
    if one == other:
        return one
    for null, typed in ((one, other), (other, one)):
        if pa.types.is_null(null):
            return nullable_type(typed)
    if isinstance(one, pa.BaseExtensionType) or isinstance(other, pa.BaseExtensionType):
        stored = nullable_type(one), nullable_type(other)
        return common_type(*stored) if stored != (one, other) else None
    for merge in (_numbers, _times, _bytes, _lists, _maps, _structs):
        if (merged := merge(one, other)) is not None:
            return merged
    return None


def nullable_type(type_: pa.DataType) -> pa.DataType:
    """Returns a type that may have nulls: lists of one length become lists of any.

    pyarrow writes a list of fixed size that is null, and then cannot read the file.
    """
    if isinstance(type_, pa.BaseExtensionType):
        storage = nullable_type(type_.storage_type)
        return type_ if storage == type_.storage_type else storage
    if pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_):
        return pa.list_(_nullable_field(type_.value_field))
    if pa.types.is_large_list(type_):
        return pa.large_list(_nullable_field(type_.value_field))
    if pa.types.is_map(type_):
        item = _nullable_field(type_.item_field)
        return pa.map_(type_.key_field, item, keys_sorted=type_.keys_sorted)
    if pa.types.is_struct(type_):
        return pa.struct([_nullable_field(member) for member in type_])
    return type_


def _nullable_field(field: pa.Field) -> pa.Field:
    return field.with_type(nullable_type(field.type))


def widened(column: pa.Array, type_: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """Returns a column in a wider type, null where a value does not fit, and why not, by row."""
    if column.type == type_:
        return column, {}
    try:
        return cast_unchecked(column, type_), {}
    except pa.ArrowInvalid:
        pass
    cast: list[pa.Array] = []
    faults: dict[int, str] = {}
    for row in range(len(column)):
        try:
            cast.append(cast_unchecked(column.take(pa.array([row])), type_))
        except pa.ArrowInvalid as error:
            cast.append(pa.nulls(1, type_))
            faults[row] = f"a value does not fit its type {type_}: {error}"
    return pa.concat_arrays(cast), faults


def cast_unchecked(column: pa.Array, type_: pa.DataType) -> pa.Array:
    """Returns a column in another type; UTF-8 is not checked.

    Raises:
        pa.ArrowInvalid: A value does not fit.
    """
    return pc.cast(column, options=pc.CastOptions(type_, allow_invalid_utf8=True))


def _numbers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        return _integers(one, other)
    are_floats = [pa.types.is_floating(type_) for type_ in (one, other)]
    if all(are_floats):
        return max(one, other, key=lambda type_: type_.bit_width)
    if any(are_floats):
        both_numbers = all(pa.types.is_floating(t) or pa.types.is_integer(t) for t in (one, other))
        return pa.float64() if both_numbers else None
    digits = [_digits(type_) for type_ in (one, other)]
    return _decimals(*digits[0], *digits[1]) if digits[0] and digits[1] else None


def _integers(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    widest = max(one.bit_width, other.bit_width)
    signed = [pa.types.is_signed_integer(type_) for type_ in (one, other)]
    if signed[0] == signed[1]:
        return max(one, other, key=lambda type_: type_.bit_width)
    unsigned = other if signed[0] else one
    bits = max(widest, 2 * unsigned.bit_width)
    by_bits = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
    return by_bits.get(bits, pa.decimal128(_DIGITS_OF_INTEGERS[64] + 1, 0))


def _digits(type_: pa.DataType) -> tuple[int, int] | None:
    """Returns how many digits before and after the point the numbers of a type have."""
    if pa.types.is_decimal(type_):
        return type_.precision - type_.scale, type_.scale
    if pa.types.is_integer(type_):
        return _DIGITS_OF_INTEGERS[type_.bit_width] + (type_ == pa.uint64()), 0
    return None


def _decimals(before: int, after: int, other_before: int, other_after: int) -> pa.DataType | None:
    scale = max(after, other_after)
    precision = max(before, other_before) + scale
    if precision > _MOST_DIGITS:
        return None
    return (pa.decimal128 if precision <= _DIGITS else pa.decimal256)(precision, scale)


def _times(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_date(one) and pa.types.is_date(other):
        return pa.date32()
    for is_kind in (pa.types.is_timestamp, pa.types.is_duration, pa.types.is_time):
        if is_kind(one) and is_kind(other):
            break
    else:
        return None
    unit = max(one.unit, other.unit, key=_UNITS.index)
    if pa.types.is_duration(one):
        return pa.duration(unit)
    if pa.types.is_time(one):
        return pa.time64(unit) if unit in ("us", "ns") else pa.time32(unit)
    if (one.tz is None) != (other.tz is None):
        return None  # an instant, and what a clock showed somewhere
    return pa.timestamp(unit, one.tz if one.tz == other.tz else "UTC")


def _bytes(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    are_bytes = all(
        pa.types.is_string(t) or pa.types.is_binary(t) or pa.types.is_fixed_size_binary(t)
        for t in (one, other)
    )
    return pa.binary() if are_bytes else None


def _lists(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    kinds = [_list_kind(type_) for type_ in (one, other)]
    if None in kinds:
        return None
    item = _common_field(one.value_field, other.value_field)
    if item is None:
        return None
    if kinds == ["fixed", "fixed"] and one.list_size == other.list_size:
        return pa.list_(item, one.list_size)
    return pa.large_list(item) if "large" in kinds else pa.list_(item)


def _list_kind(type_: pa.DataType) -> str | None:
    if pa.types.is_fixed_size_list(type_):
        return "fixed"
    if pa.types.is_large_list(type_):
        return "large"
    return "list" if pa.types.is_list(type_) else None


def _maps(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pa.types.is_map(one) and pa.types.is_map(other)):
        return None
    key = _common_field(one.key_field, other.key_field)
    item = _common_field(one.item_field, other.item_field)
    if key is None or item is None:
        return None
    return pa.map_(key, item, keys_sorted=one.keys_sorted and other.keys_sorted)


def _structs(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Returns a struct with the members of both; a value has null for those that it lacks."""
    if not (pa.types.is_struct(one) and pa.types.is_struct(other)):
        return None
    members = {member.name: member for member in one}
    if len(members) < one.num_fields or len({member.name for member in other}) < other.num_fields:
        return None
    for name in members.keys() - {member.name for member in other}:
        members[name] = members[name].with_nullable(True)
    for member in other:
        known = members.get(member.name)
        merged = _common_field(known, member) if known else member.with_nullable(True)
        if merged is None:
            return None
        members[member.name] = merged
    return pa.struct(list(members.values()))


def _common_field(one: pa.Field, other: pa.Field) -> pa.Field | None:
    type_ = common_type(one.type, other.type)
    return None if type_ is None else pa.field(one.name, type_, one.nullable or other.nullable)
