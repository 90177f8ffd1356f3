"""Avro types in Arrow, as specified in https://avro.apache.org/docs/1.12.0/specification/."""

import decimal
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from fastavro import parse_schema

from transforms.reading.stored.avro_limits import check_schema

_PRIMITIVES = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}

_LOGICAL = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("ms", "UTC"),
    ("long", "timestamp-micros"): pa.timestamp("us", "UTC"),
    ("long", "timestamp-nanos"): pa.timestamp("ns", "UTC"),
    ("long", "local-timestamp-millis"): pa.timestamp("ms"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
    ("long", "local-timestamp-nanos"): pa.timestamp("ns"),
}

_DIGITS, _MOST_DIGITS = 38, 76  # of Arrow's two decimal types
_EXACT = decimal.Context(prec=1000, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)

_RECORDS = ("record", "error")
_UUID_BYTES, _DURATION_BYTES = 16, 12


@dataclass(frozen=True)
class ColumnType:
    """How the values of a column are brought into Arrow.

    Attributes:
        type: Their type in Arrow.
        convert: Turns a decoded value that is not null into what Arrow takes; None if Arrow takes
            the value as it is.
    """

    type: pa.DataType
    convert: Callable[[Any], Any] | None = None


class UnknownTypeError(Exception):
    """A type without an equivalent in Arrow; the message completes a sentence about a column."""


@dataclass(frozen=True)
class RowType:
    """The columns of an Avro file.

    Attributes:
        columns: Their types by name, in order.
        faults: Why some of them cannot be read, by name; the type of such a column is meaningless.
        decoded: The schema to decode rows with. It has bytes where the file's has strings, so that
            a string that is not UTF-8 costs its row and not the block, and no logical types, since
            Arrow takes their numbers as they are.
        is_recursive: Whether a record can hold itself.
    """

    columns: dict[str, ColumnType]
    faults: dict[str, str]
    decoded: Any
    is_recursive: bool


def row_type(schema: Any) -> RowType:
    """Finds the columns of a schema.

    Raises:
        ValueError: It is not a valid schema, or not one of records with distinct field names.
    """
    named: dict[str, Any] = {}
    try:
        parsed: Any = parse_schema(schema, named)
    except Exception as error:  # of many classes, some of them Python's own
        raise ValueError(f"its schema is not valid: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("type") not in _RECORDS:
        raise ValueError("its schema is not one of records, and rows are records")
    try:
        is_recursive = check_schema(parsed, named)
    except (KeyError, TypeError) as error:
        raise ValueError(f"its schema is not valid: {error!r}") from error
    columns: dict[str, ColumnType] = {}
    faults: dict[str, str] = {}
    for field in parsed["fields"]:
        try:
            columns[field["name"]] = _column_type(field["type"], named, (parsed["name"],))
        except RecursionError:
            raise ValueError("its schema is nested too deeply") from None
        except (KeyError, TypeError) as error:
            raise ValueError(f"its schema is not valid at {field['name']!r}: {error!r}") from error
        except UnknownTypeError as error:
            columns[field["name"]] = ColumnType(pa.null())
            faults[field["name"]] = str(error)
    if len(columns) < len(parsed["fields"]):
        raise ValueError("two columns of its schema have the same name")
    return RowType(columns, faults, parse_schema(_decoded(parsed)), is_recursive)


def _column_type(schema: Any, named: Mapping[str, Any], within: tuple[str, ...]) -> ColumnType:
    """Returns the equivalent of a type in Arrow.

    Args:
        schema: The type.
        named: All types that have names.
        within: Names of the records around it.

    Raises:
        UnknownTypeError: Arrow has no equivalent.
    """
    if isinstance(schema, list):
        return _union_type(schema, named, within)
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            return ColumnType(_PRIMITIVES[schema])
        return _column_type(named[schema], named, within)
    kind = schema["type"]
    if kind in _RECORDS:
        return _record_type(schema, named, within)
    if kind == "array":
        items = _column_type(schema["items"], named, within)
        return ColumnType(pa.list_(items.type), items.convert and _each(items.convert))
    if kind == "map":
        values = _column_type(schema["values"], named, within)
        return ColumnType(pa.map_(pa.string(), values.type), _pairs(values.convert))
    if kind == "enum":
        return ColumnType(pa.string())
    # A decimal without a precision is to be read as the type that it is stored in.
    is_decimal = schema.get("logicalType") == "decimal" and "precision" in schema
    if is_decimal and kind in ("bytes", "fixed"):
        return _decimal_type(schema["precision"], schema.get("scale", 0))
    if kind == "fixed":
        if schema.get("logicalType") == "uuid" and schema["size"] == _UUID_BYTES:
            return ColumnType(pa.string(), lambda value: str(uuid.UUID(bytes=value)))
        if schema.get("logicalType") == "duration" and schema["size"] == _DURATION_BYTES:
            raise UnknownTypeError(
                "holds durations of months, days and milliseconds, of which the output could keep "
                "the bytes but not the type"
            )
        return ColumnType(pa.binary(schema["size"]))
    if logical := _LOGICAL.get((kind, schema.get("logicalType"))):
        return ColumnType(logical)
    return _column_type(kind, named, within)


def _union_type(schema: list[Any], named: Mapping[str, Any], within: tuple[str, ...]) -> ColumnType:
    members = [member for member in schema if member not in ("null", {"type": "null"})]
    if len(members) > 1:
        listed = " and ".join(
            member if isinstance(member, str) else str(member.get("name", member["type"]))
            for member in members
        )
        raise UnknownTypeError(
            f"holds a union of {listed}, and only a union of null and one other type can be read"
        )
    return _column_type(members[0] if members else "null", named, within)


def _record_type(schema: Any, named: Mapping[str, Any], within: tuple[str, ...]) -> ColumnType:
    name = schema["name"]
    if name in within:
        raise UnknownTypeError(f"holds the record {name} inside itself, which no column can")
    fields = {
        field["name"]: _column_type(field["type"], named, (*within, name))
        for field in schema["fields"]
    }
    converts = {key: field.convert for key, field in fields.items() if field.convert}
    type_ = pa.struct([(key, field.type) for key, field in fields.items()])
    return ColumnType(type_, _members(converts) if converts else None)


def _decimal_type(precision: int, scale: int) -> ColumnType:
    # BigQuery gives its largest numbers 77 digits, of which the first is only a partial one.
    make = pa.decimal128 if precision <= _DIGITS else pa.decimal256
    type_ = make(min(precision, _MOST_DIGITS), scale)
    return ColumnType(type_, lambda value: _number(value, scale))


def _number(value: bytes, scale: int) -> decimal.Decimal:
    unscaled = int.from_bytes(value, "big", signed=True)
    return decimal.Decimal(unscaled).scaleb(-scale, _EXACT)


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    convert = _optional(convert)
    return lambda values: [convert(value) for value in values]


def _pairs(convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Returns what makes the pairs of a map, whose keys may be strings that are not UTF-8."""
    changed = _optional(convert) if convert else lambda value: value
    return lambda values: [
        (key.encode("utf-8", "surrogateescape"), changed(value)) for key, value in values.items()
    ]


def _members(converts: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    optional = {name: _optional(convert) for name, convert in converts.items()}
    return lambda record: {
        name: optional[name](value) if name in optional else value for name, value in record.items()
    }


def _decoded(schema: Any) -> Any:
    """Returns a parsed schema with bytes for strings, and without what decoding does not need."""
    if isinstance(schema, str):
        return "bytes" if schema == "string" else schema
    if isinstance(schema, list):
        return [_decoded(member) for member in schema]
    kind = schema["type"]
    if kind in _RECORDS:
        fields = [{"name": f["name"], "type": _decoded(f["type"])} for f in schema["fields"]]
        return {"type": kind, "name": schema["name"], "fields": fields}
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        return {"type": kind, inner: _decoded(schema[inner])}
    if kind in ("enum", "fixed"):
        return {key: schema[key] for key in ("type", "name", "symbols", "size") if key in schema}
    return _decoded(kind)
