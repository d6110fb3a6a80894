"""How much GitHub takes of a text, and how one that is longer is cut: between lines, with a note.

What is too long it refuses, and would refuse for ever.
"""

import re
from collections.abc import Sequence
from itertools import accumulate

from bot import characters

BODY = 65_536  # characters of a comment or an issue
SUMMARY = 65_535  # bytes of what a check run says
TITLE = 256  # characters of an issue's
STATUS = 140  # characters that a commit status says
LABEL = 50  # characters of a label's name
ISSUE_TYPE = 100  # characters of a name; more than GitHub takes of one that is new
_FENCE = re.compile(r" {0,3}(`{3,50}|~{3,50})")


def fit(lines: Sequence[str], room: int) -> tuple[list[str], int]:
    """Return the lines that fit into `room` bytes, and how many are left out.

    There are never more characters than bytes, so the room may be one of characters.
    """
    ends = accumulate(len(line.encode()) + 1 for line in lines)
    kept = sum(end <= room for end in ends)
    return list(lines[:kept]), len(lines) - kept


def cut(text: str, room: int, note: str) -> str:
    """Return Markdown of `room` characters at most; `note` says how many lines are `{left}` out.

    A block of code that is open where it is cut is closed.
    """
    if len(text) <= room:
        return text
    lines, fence = text.split("\n"), ""
    left = room - len(note) - 100
    kept: list[str] = []
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip().startswith(fence):
            fence = ""
    if not kept:
        kept = [characters.begin(lines[0], room - len(note) - 100)]
    said = note.format(left=len(lines) - len(kept))
    return "\n".join([*kept, *([fence] if fence else []), "", said])
