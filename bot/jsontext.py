"""Reads JSON from outside: requests strictly, deliveries with whatever odd text is in them.

A request to the API is ours to refuse. A delivery comes once: what cannot be kept of it is
replaced, and the rest of it counts.
"""

import re
from contextlib import suppress
from typing import Any, TypeVar

import jiter
import msgspec

T = TypeVar("T")
DEPTH = 200  # levels of a delivery that are read; GitHub's payloads have about ten
_DIGITS = 1000  # of a number
_BOM = b"\xef\xbb\xbf"

# An escaped NUL: valid JSON, but no text of GitHub's holds one and PostgreSQL cannot store it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# All that is text, an escape at a time, so that an escaped backslash is never taken for the
# beginning of one; the two halves of a character beyond U+FFFF go together.
_GOOD = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?!0000|[dD][89a-fA-F])"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+",
    re.DOTALL,
)
_NO_TEXT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})")
_REPLACEMENT = rb"\ufffd"
_TOKEN = re.compile(
    rb'(?P<text>"(?:[^"\\]++|\\.)*+"?)|(?P<open>[\[{])|(?P<close>[\]}])'
    rb"|(?P<number>-?[0-9][0-9.eE+-]{%d,})" % _DIGITS,
    re.DOTALL,
)


class InvalidJSON(ValueError):
    """The text is not JSON, or not JSON that can be kept."""


def parse(text: bytes) -> Any:
    """Return what a JSON text says, read strictly: no two readers can see two things in it.

    Refused with InvalidJSON, beside what is no JSON: names that stand twice in one object, NaN
    and infinities, lone surrogates, NUL characters, nesting deeper than 200 levels, and numbers
    of thousands of digits.
    """
    if b"\\u0000" in text and _NUL.search(text):
        raise InvalidJSON("it holds a NUL character")
    return _read(text, is_strict=True)


def parse_delivery(text: bytes) -> tuple[Any, bytes]:
    """Return what the JSON text of a delivery says, and the text as it can be kept.

    U+0000, lone surrogates and bytes that are no UTF-8 become U+FFFD, a byte order mark goes, of
    names that stand twice in one object the last counts, as for GitHub's own readers. Values
    nested deeper than DEPTH levels, and numbers of more than a thousand digits, become null.
    Raises InvalidJSON for what is no JSON.
    """
    if b"\\u0000" not in text:
        with suppress(InvalidJSON):
            return _read(text), text
    text = _mended(text)
    with suppress(InvalidJSON):
        return _read(text), text
    text = _bounded(text)
    return _read(text), text


def decode(text: bytes, decoder: "msgspec.json.Decoder[T]") -> T | None:
    """Return what the JSON text of a delivery says, as a type.

    None where something is not of the type, or no text that can be kept: `parse_delivery` reads
    it piece by piece then, and says what is no JSON. What the type has no field for is passed over,
    whatever stands there: whoever reads it later does so by `parse_delivery`.
    """
    try:
        found = decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # Escaped as in the text, but it takes less to look for it in what has been read of that.
    return None if b"\\u0000" in msgspec.json.encode(found) else found


def render(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8."""
    return msgspec.json.encode(value)


def _read(text: bytes, *, is_strict: bool = False) -> Any:
    try:
        return jiter.from_json(
            text, allow_inf_nan=False, catch_duplicate_keys=is_strict, cache_mode="keys"
        )
    except ValueError as error:
        raise InvalidJSON(str(error)) from None


def _mended(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD for what is no character."""
    text = text.removeprefix(_BOM).decode("utf-8", "replace").encode()
    kept: list[bytes] = []
    since = 0
    while since < len(text):
        end = _GOOD.match(text, since).end()  # type: ignore[union-attr]  # it matches anywhere
        bad = _NO_TEXT.match(text, end)
        kept += (text[since:end], _REPLACEMENT if bad else text[end : end + 2])
        since = bad.end() if bad else end + 2
    return b"".join(kept)


def _bounded(text: bytes) -> bytes:
    """Return a JSON text with null for what is nested too deep or is too long a number."""
    kept: list[bytes] = []
    depth, since = 0, 0
    for match in _TOKEN.finditer(text):
        if match["open"]:
            depth += 1
            if depth == DEPTH + 1:
                kept.append(text[since : match.start()] + b"null")
        elif match["close"]:
            depth -= 1
            if depth == DEPTH:
                since = match.end()
        elif match["number"] and depth <= DEPTH:
            kept.append(text[since : match.start()] + b"null")
            since = match.end()
    return b"".join([*kept, text[since:] if depth <= DEPTH else b""])
