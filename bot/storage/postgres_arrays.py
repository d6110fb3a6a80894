"""Rows as arrays of columns, in the form in which PostgreSQL keeps them.

psycopg makes texts of lists, element by element, and looks each time what is in them: that costs
five times as much, and the server has to take the texts apart again.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from bot.storage.transaction import Values

_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct(">i").pack
_header = struct.Struct(">iiIii").pack
_no_elements = struct.Struct(">iiI").pack
_bigint = struct.Struct(">iq").pack
_smallint = struct.Struct(">ih").pack


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _length(len(encoded)) + encoded


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _number(pack: Callable[[int, int], bytes], size: int) -> Callable[[int], bytes]:
    return lambda value: pack(size, value)


# By the name of a type: its number, that of arrays of it, and how a value is written.
_TYPES: dict[str, tuple[int, int, Callable[[Any], bytes]]] = {
    "BIGINT": (20, 1016, _number(_bigint, 8)),
    "SMALLINT": (21, 1005, _number(_smallint, 2)),
    "TEXT": (25, 1009, _text),
    "BYTEA": (17, 1001, _bytes),
}


def types_of(names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the types that arrays have whose elements have some types."""
    return tuple([_TYPES[name][1] for name in names])


def arrays(names: Sequence[str], rows: Sequence[Values]) -> list[bytes]:
    """Return the columns of rows, each as an array of a type."""
    return [
        array(name, column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    ]


def array(name: str, values: Sequence[Any]) -> bytes:
    """Return values as an array of a type."""
    number, _, write = _TYPES[name]
    if not values:
        return _no_elements(0, 0, number)
    first = values[0]
    if values.count(first) == len(values):  # as of many columns in a batch
        elements = (_NULL if first is None else write(first)) * len(values)
        return _header(1, first is None, number, len(values), 1) + elements
    has_null = None in values
    if has_null:
        written = [_NULL if value is None else write(value) for value in values]
    else:
        written = [write(value) for value in values]
    return _header(1, has_null, number, len(values), 1) + b"".join(written)
