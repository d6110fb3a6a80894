"""Patterns of gitignore, matched in a time that their segments and those of the path bound.

Anybody who may write to a repository writes them, and a regular expression made of `*a*a*a*a*b`
takes for ever on the wrong path (https://git-scm.com/docs/gitignore#_pattern_format).
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

MOST_CHARACTERS = 300
_NOTHING = re.compile(r"(?!)")


class Pattern(Struct, frozen=True):
    """One line: `segments` between slashes, None for `**`. It says no where it is `negated`."""

    segments: tuple[re.Pattern[str] | None, ...]
    negated: bool
    folders_only: bool


def matches(patterns: tuple[str, ...], path: str) -> bool:
    """Tell whether patterns of gitignore take in a file; the last one that fits decides."""
    parts = path.split("/")
    taken: list[bool] = [False] * len(parts)  # a folder, by how many parts it has, or the file
    for pattern in _ready(patterns):
        for length in _fitting(pattern.segments, parts):
            if length < len(parts) or not pattern.folders_only:
                taken[length - 1] = not pattern.negated
    # As git has it: what stands in a folder that is taken in cannot be let out again.
    return any(taken)


def work_of(patterns: tuple[str, ...], paths: Iterable[str]) -> int:
    """Return how many looks it takes, at most, to hold paths against patterns."""
    segments = sum(len(one.segments) for one in _ready(patterns))
    return segments * sum(path.count("/") + 1 for path in paths)


@functools.lru_cache(maxsize=256)
def _ready(patterns: tuple[str, ...]) -> tuple[Pattern, ...]:
    return tuple(one for line in patterns if (one := pattern_of(line)))


def pattern_of(line: str) -> Pattern | None:
    """Make a line of gitignore ready; None for a comment, an empty line or one that is too long."""
    line = re.sub(r"(?<!\\) +\Z", "", line)
    if not line or line.startswith("#") or len(line) > MOST_CHARACTERS:
        return None
    negated = line.startswith("!")
    line = line[negated:]
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    anchored = "/" in line
    segments: list[re.Pattern[str] | None] = [] if anchored else [None]
    for number, segment in enumerate(line.lstrip("/").split("/")):
        if segment == "**":
            if not segments or segments[-1] is not None or number == 0:
                segments.append(None)
        else:
            segments.append(_segment(segment))
    if not segments or (segments == [None] and "**" not in line):
        return None
    if line.endswith("/**"):  # all that is inside, not the folder itself
        segments.append(_segment("*"))
    return Pattern(tuple(segments), negated, folders_only)


def _segment(glob: str) -> re.Pattern[str]:
    """Make a glob without slashes a regular expression that never goes back over a star.

    The first place in which what follows a star fits is as good as any later one.
    """
    chunks: list[str] = [""]
    place = 0
    while place < len(glob):
        one = glob[place]
        place += 1
        if one == "*":
            chunks.append("")
        elif one == "?":
            chunks[-1] += "."
        elif one == "[" and (found := re.compile(r"[!^]?\]?[^\]]*\]").match(glob, place)):
            chunks[-1] += _range(found[0][:-1])
            place = found.end()
        else:
            if one == "\\" and place < len(glob):
                one = glob[place]
                place += 1
            chunks[-1] += re.escape(one)
    if len(chunks) == 1:
        return re.compile(chunks[0] + r"\Z", re.DOTALL)
    middle = "".join(f"(?>.*?{chunk})" for chunk in chunks[1:-1] if chunk)
    return re.compile(f"{chunks[0]}{middle}.*{chunks[-1]}\\Z", re.DOTALL)


def _range(inside: str) -> str:
    negated = inside[:1] in {"!", "^"}
    pieces = []
    for low, high in re.findall(r"(.)(?:-(.))?", inside[negated:], re.DOTALL):
        if not high:
            pieces.append(re.escape(low))
        elif low <= high:
            pieces.append(f"{re.escape(low)}-{re.escape(high)}")
    if not pieces:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(pieces)}]"


def _fitting(segments: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> Iterator[int]:
    """Say how many parts of a path fit, from its front; `**` is a star over whole segments.

    All ways to come to a part are followed at once, so no part is looked at again.
    """
    at = _reached(segments, {0})
    for length, part in enumerate(parts, 1):
        moved = set()
        for one in at:
            segment = segments[one] if one < len(segments) else _NOTHING
            if segment is None:
                moved.add(one)
            elif segment.match(part):
                moved.add(one + 1)
        at = _reached(segments, moved)
        if not at:
            return
        if len(segments) in at:
            yield length


def _reached(segments: Sequence[re.Pattern[str] | None], at: set[int]) -> set[int]:
    """Return places with those behind them that are reached through stars over no segment."""
    left, found = [*at], set[int]()
    while left:
        place = left.pop()
        if place not in found:
            found.add(place)
            if place < len(segments) and segments[place] is None:
                left.append(place + 1)
    return found
