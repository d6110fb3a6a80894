"""What a part of a file tells of what stood before it: whether it begins within a literal."""

import re

# What may be written on after a literal over lines, and what may stand before one.
_GOES_ON = re.compile(rb"[ \t]*[;,)\]}.]")
_OPENS_BEFORE = re.compile(rb"(?:[=(,\[{:+?&|>!]|\breturn|\byield|\bdefault|\bconst|\blet)\s*\Z")
_QUOTES = frozenset({b"`", b'"""', b"'''"})


def begins_within(text: bytes, quote: bytes, start: int, end: int) -> bool:
    """Tell whether the first quote of a literal over lines ends one that began before the text.

    A guess by what stands around it: text before and `;` or `)` behind, or alone on its line below
    what opens nothing.
    """
    if quote not in _QUOTES:
        return False
    line_start = text.rfind(b"\n", 0, start) + 1
    line_end = text.find(b"\n", end)
    before = text[line_start:start]
    behind = text[end : len(text) if line_end < 0 else line_end]
    if quote in behind or _OPENS_BEFORE.search(before):
        return False
    if _GOES_ON.match(behind):
        return True
    if behind.strip():
        return False
    if before.strip():
        return quote != b"`" and not before[-1:].isspace() and len(before.strip()) > 2
    above = text[:line_start].rstrip()
    return bool(above) and not _OPENS_BEFORE.search(above)
