"""Which names may stand in lines of code that are not kept: their words, as hashes of 32 bits.

A word is kept without regard to case and to what joins its parts, so that a name is found in any
spelling. A name that is not there may seem to be, seldom; one that is there is never missed.
"""

import re
import zlib
from array import array
from collections.abc import Collection
from functools import lru_cache

from bot.code.vocabulary import Rules

_WORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._$-]*")
_JOINTS = re.compile(rb"[^A-Za-z0-9]+")
_LONGEST = 400  # bytes of a word: more than any name has in any spelling
_MOST = 65_536  # words of a pull request; of more any name may be among them
_JOINED = re.compile(r"\wKEY|KEY\w")


class Words:
    """The words of some lines of code. `add` may be given them in parts, whole lines each."""

    def __init__(self, rules: Rules) -> None:
        self._found: set[int] = set()
        # With such a pattern a name may be a part of a word.
        self._is_any = any(_JOINED.search(pattern) for pattern in rules.patterns)

    def add(self, text: bytes) -> None:
        """Take in some lines."""
        if self._is_any:
            return
        for word in {found[0][:_LONGEST] for found in _WORD.finditer(text)}:
            self._found.add(_hash(word))
            if b"." in word:  # of dotted names each part may be one
                self._found.update(map(_hash, word.split(b".")))
        self._is_any = len(self._found) > _MOST

    def packed(self) -> bytes | None:
        """Return what is kept of them; None where any name may be among them."""
        if self._is_any:
            return None
        return zlib.compress(array("I", sorted(self._found)).tobytes())


def may_hold(packed: bytes | None, names: Collection[str]) -> bool:
    """Tell whether one of some names may be among the words."""
    if packed is None:
        return True
    words = array("I")
    words.frombytes(zlib.decompress(packed))
    return not _hashes(frozenset(names)).isdisjoint(words)


@lru_cache(maxsize=4)  # they are looked for in many pull requests, one after the other
def _hashes(names: frozenset[str]) -> frozenset[int]:
    return frozenset(_hash(name.encode()) for name in names)


def _hash(word: bytes) -> int:
    return zlib.crc32(_JOINTS.sub(b"", word).lower())
