"""What a schema of Avro may not be, since no decoder would withstand its rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

MOST_TYPES = 10_000
"""Types in a schema with those that it names more than once counted each time."""

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_RECORDS = ("record", "error")


class _Shape(NamedTuple):
    """What is known of a type.

    Attributes:
        num_types: How many types it is made of.
        may_be_empty: Whether a value can take no bytes at all.
        is_recursive: Whether it holds a record inside of itself.
    """

    num_types: int = 1
    may_be_empty: bool = False
    is_recursive: bool = False


def check_schema(schema: Any, named: Mapping[str, Any]) -> bool:
    """Checks that rows of a schema take no more than the bytes that are stored of them.

    Args:
        schema: The parsed schema.
        named: All types that have names.

    Returns:
        Whether it holds a record inside of itself, so that one row can be as deep as a file is
        long.

    Raises:
        ValueError: An array has values of no bytes, of which a byte could ask for billions; or
            there are too many types, which names can multiply.
    """
    try:
        shape = _Walk(named).shape(schema, ())
    except RecursionError:
        raise ValueError("its schema is nested too deeply") from None
    if shape.num_types > MOST_TYPES:
        raise ValueError(f"its schema has {shape.num_types:,} types, more than {MOST_TYPES:,}")
    return shape.is_recursive


class _Walk:
    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, _Shape] = {}

    def shape(self, schema: Any, within: tuple[str, ...]) -> _Shape:
        if isinstance(schema, list):
            return self._joined(schema, within)._replace(may_be_empty=False)
        if isinstance(schema, str):
            if schema in _PRIMITIVES:
                return _Shape(may_be_empty=schema == "null")
            if schema in within:
                return _Shape(is_recursive=True)
            return self._known.get(schema) or self.shape(self._named[schema], within)
        kind = schema["type"]
        if kind in _RECORDS:
            types = [field["type"] for field in schema["fields"]]
            found = self._joined(types, (*within, schema["name"]))
            self._known[schema["name"]] = found
            return found
        if kind in ("array", "map"):
            inner = self.shape(schema["items" if kind == "array" else "values"], within)
            if inner.may_be_empty and kind == "array":
                raise ValueError("its schema has an array of values that take no bytes")
            return inner._replace(num_types=inner.num_types + 1, may_be_empty=False)
        if kind == "fixed":
            return _Shape(may_be_empty=schema["size"] <= 0)
        return _Shape() if kind == "enum" else self.shape(kind, within)

    def _joined(self, schemas: list[Any], within: tuple[str, ...]) -> _Shape:
        """Returns the shape of a record of some types."""
        shapes = [self.shape(schema, within) for schema in schemas]
        return _Shape(
            1 + sum(shape.num_types for shape in shapes),
            all(shape.may_be_empty for shape in shapes),
            any(shape.is_recursive for shape in shapes),
        )
