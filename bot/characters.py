"""Characters as people see them: what has no place in a line of text, and where one may be cut.

An emoji, a flag, a letter with its accents are one to the eye and several in a text. Invisible
characters join them, and shape words of many scripts, so they are kept; those that turn the
direction of what follows, and hide thereby what it says, are not.
https://www.unicode.org/reports/tr29/#Grapheme_Cluster_Boundaries
"""

import unicodedata

_TURNING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x2070))))
_JOINERS = "\u200c\u200d"
_ZWJ = "\u200d"
# Skin tones, the tags of a region's flag, vowels and final consonants of Korean
_EXTENDING = (range(0x1F3FB, 0x1F400), range(0xE0020, 0xE0080), range(0x1160, 0x1200))
_FLAGS = range(0x1F1E6, 0x1F200)  # two letters are one
_VIRAMA = 9  # its combining class: it joins two consonants
_LONGEST = 64  # characters of one that is seen; more are none of any script, and are cut


def plain(text: str) -> str:
    """Return a text with a blank for each character that has no place in a line."""
    if text.isprintable():
        return text
    return "".join(one if _is_plain(one) else " " for one in text)


def is_plain(text: str) -> bool:
    """Tell whether each character of a text has its place in a line."""
    return text.isprintable() or all(map(_is_plain, text))


def _is_plain(one: str) -> bool:
    if one.isprintable():
        return True
    # What is not assigned may be an emoji that is newer than this Python.
    is_shown = unicodedata.category(one) in ("Cf", "Cn") and one not in _TURNING
    return is_shown and ord(one) & 0xFFFE != 0xFFFE and not "\ufdd0" <= one <= "\ufdef"


def shortened(text: str, room: int) -> str:
    """Return a text of `room` characters at most, with a sign where it was cut."""
    return text if len(text) <= room else f"{begin(text, room - 1)}…"


def begin(text: str, room: int) -> str:
    """Return as much of the beginning of a text as fits into `room`: whole signs, no parts."""
    end = room
    while 0 < end < len(text) and room - end < _LONGEST and _is_within(text, end):
        end -= 1
    return text[: end if end > 0 and room - end < _LONGEST else room]


def _is_within(text: str, at: int) -> bool:
    """Tell whether the characters before and after a place are seen as one."""
    before, after = text[at - 1], text[at]
    return _extends(after) or _joins(before, after) or _is_within_flag(text, at)


def _extends(one: str) -> bool:
    """Tell whether a character is seen with the one before it."""
    is_mark = unicodedata.category(one).startswith("M")
    return is_mark or one in _JOINERS or any(ord(one) in some for some in _EXTENDING)


def _joins(before: str, after: str) -> bool:
    is_conjunct = unicodedata.combining(before) == _VIRAMA and after.isalpha()
    return before == _ZWJ or is_conjunct


def _is_within_flag(text: str, at: int) -> bool:
    """Tell whether a place is between the two letters of a flag."""
    if ord(text[at]) not in _FLAGS:
        return False
    start = at
    while start > 0 and ord(text[start - 1]) in _FLAGS:
        start -= 1
    return (at - start) % 2 == 1
