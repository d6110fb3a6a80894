"""Reads JSON from outside: strictly, so that no two readers can see two things in one text."""

import re
from typing import Any

import jiter
import msgspec

# An escaped NUL: valid JSON, but no text of GitHub's holds one and PostgreSQL cannot store it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class InvalidJSON(ValueError):
    """The text is not JSON, or not JSON that can be kept."""


def parse(text: bytes) -> Any:
    """Return what a JSON text says.

    Refused with InvalidJSON, beside what is no JSON: names that stand twice in one object, NaN
    and infinities, lone surrogates, NUL characters, nesting deeper than 200 levels, and numbers
    of thousands of digits.
    """
    if b"\\u0000" in text and _NUL.search(text):
        raise InvalidJSON("it holds a NUL character")
    try:
        return jiter.from_json(
            text, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
        )
    except ValueError as error:
        raise InvalidJSON(str(error)) from None


def render(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8."""
    return msgspec.json.encode(value)
