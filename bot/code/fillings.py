"""Patterns of a repository, such as `useExperiment("KEY")`: where KEY is filled in with a key.

A pattern is literal text but for KEY, and white space in it matches any white space. It stands
between characters that are no part of a word. The time taken grows with the text alone.
"""

import re
from collections.abc import Container, Iterator, Sequence

from msgspec import Struct

PLACE = "KEY"
MOST_CHARACTERS = 200

_SPACE = re.compile(r"\s+")
_RUN = re.compile(rb"[A-Za-z0-9._-]+")
# What a word has, with all that is not ASCII.
WORD = rb"A-Za-z0-9_\x80-\xff"
_WORD = re.compile(rb"[%s]" % WORD)


class Filling(Struct, frozen=True):
    """A pattern made ready: what stands `before` and `after` KEY, as regular expressions.

    `anchor` is a literal part that is in every text that matches.
    """

    before: re.Pattern[bytes] | None
    after: re.Pattern[bytes] | None
    anchor: bytes


def why_unusable(pattern: str) -> str | None:
    """Return what is wrong with a pattern in words, or None where it can be used."""
    if len(pattern) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters"
    if pattern.count(PLACE) != 1:
        return f"must have {PLACE} in it once"
    if not pattern.replace(PLACE, "").strip():
        return f"must have more in it than {PLACE}"
    return None


def filling_of(pattern: str) -> Filling | None:
    """Make a pattern ready; None for one that cannot be used."""
    if why_unusable(pattern):
        return None
    before, after = pattern.strip().split(PLACE)
    first, last = before[:1].encode(), after[-1:].encode()
    head = _literal(before)
    tail = _literal(after)
    if _WORD.match(first):
        head = rb"(?<![%s])" % WORD + head
    if _WORD.match(last):
        tail += rb"(?![%s])" % WORD
    return Filling(
        before=re.compile(head) if before else None,
        after=re.compile(tail) if after else None,
        anchor=max(_SPACE.split(before) + _SPACE.split(after), key=len).encode(),
    )


def _literal(text: str) -> bytes:
    return rb"\s++".join(re.escape(part.encode()) for part in _SPACE.split(text))


def filled_in(
    filling: Filling, text: bytes, keys: Container[bytes], lengths: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield where a pattern has a key filled in: the offset of the key, and the key.

    `lengths` are those that keys have, in bytes, the longest first: of several keys that would fit
    in one place it is the longest.
    """
    if filling.before is None:
        yield from _at_the_beginning(filling, text, keys, lengths)
        return
    for found in filling.before.finditer(text):
        start = found.end()
        run = _RUN.match(text, start, start + lengths[0] + 1)
        if run is None:
            continue
        for length in lengths:
            end = start + length
            if end <= run.end() and text[start:end] in keys and _ends(filling, text, end):
                yield start, text[start:end]
                break


def _ends(filling: Filling, text: bytes, end: int) -> bool:
    if filling.after is None:
        return not _WORD.match(text, end)
    return filling.after.match(text, end) is not None


def _at_the_beginning(
    filling: Filling, text: bytes, keys: Container[bytes], lengths: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Look for a pattern that begins with KEY, from what follows."""
    assert filling.after is not None
    for found in filling.after.finditer(text):
        end = found.start()
        for length in lengths:
            start = end - length
            if (
                start >= 0
                and text[start:end] in keys
                and (not start or not _WORD.match(text, start - 1))
            ):
                yield start, text[start:end]
                break
