"""Patterns of a repository, such as `useExperiment("KEY")`: where KEY is filled in with a key.

A pattern is literal text but for KEY, and white space in it matches any white space. It stands
between characters that are no part of a word. The time taken grows with the text alone.
"""

import re
from collections.abc import Container, Iterator

from msgspec import Struct

PLACE = "KEY"
MOST_CHARACTERS = 200

_SPACE = re.compile(r"\s+")
_RUN = re.compile(rb"[A-Za-z0-9._-]+")
_RUN_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_LONGEST = 192  # bytes of a key or alias in its longest spelling
# What a word has, with all that is not ASCII.
WORD = rb"A-Za-z0-9_\x80-\xff"
_WORD = re.compile(rb"[%s]" % WORD)


class Filling(Struct, frozen=True):
    """A pattern made ready: what stands `before` and `after` KEY, as regular expressions.

    `anchor` is a literal part that is in every text that matches.
    """

    before: re.Pattern[bytes] | None
    after: re.Pattern[bytes] | None
    after_may_be_in_key: bool
    word_before: bool
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
        after_may_be_in_key=bool(after) and after[0].encode()[0] in _RUN_CHARACTERS,
        word_before=bool(before) and bool(_WORD.match(before[-1].encode())),
        anchor=max(_SPACE.split(before) + _SPACE.split(after), key=len).encode(),
    )


def _literal(text: str) -> bytes:
    return rb"\s++".join(re.escape(part.encode()) for part in _SPACE.split(text))


def filled_in(filling: Filling, text: bytes, keys: Container[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield where a pattern has a key filled in: the offset of the key, and the key.

    Of several that would fit in one place it is the longest.
    """
    if filling.before is None:
        yield from _at_the_beginning(filling, text, keys)
        return
    for found in filling.before.finditer(text):
        start = found.end()
        run = _RUN.match(text, start, start + _LONGEST)
        if run is None:
            continue
        for end in _ends(filling, text, start, run.end()):
            if text[start:end] in keys:
                yield start, text[start:end]
                break


def _ends(filling: Filling, text: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where a key may end that begins at `start`, the farthest first."""
    if filling.after is None:
        for one in range(end, start, -1):
            if not _WORD.match(text, one):
                yield one
    elif filling.after_may_be_in_key:
        for one in range(end, start, -1):
            if filling.after.match(text, one):
                yield one
    elif filling.after.match(text, end):
        yield end


def _at_the_beginning(
    filling: Filling, text: bytes, keys: Container[bytes]
) -> Iterator[tuple[int, bytes]]:
    """Look for a pattern that begins with KEY, from what follows."""
    assert filling.after is not None
    for found in filling.after.finditer(text):
        end = found.start()
        lowest = max(0, end - _LONGEST)
        longest: bytes | None = None
        for start in range(end - 1, lowest - 1, -1):
            if text[start] not in _RUN_CHARACTERS:
                break
            bounded = start == 0 or not _WORD.match(text, start - 1)
            if bounded and text[start:end] in keys:
                longest = text[start:end]
        if longest:
            yield end - len(longest), longest
