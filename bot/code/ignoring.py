"""Patterns of gitignore, matched in a time that grows with the path alone.

Anybody who may write to a repository writes them, and a regular expression made of `*a*a*a*a*b`
takes for ever on the wrong path (https://git-scm.com/docs/gitignore#_pattern_format).
"""

import functools
import re
from collections.abc import Sequence

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
    ready = _ready(patterns)
    # As git has it: what stands in a folder that is taken in cannot be let out again.
    return any(
        _said(ready, parts[:length], folder=length < len(parts))
        for length in range(1, len(parts) + 1)
    )


def _said(patterns: Sequence[Pattern], parts: list[str], *, folder: bool) -> bool:
    for pattern in reversed(patterns):
        if (folder or not pattern.folders_only) and _fits(pattern.segments, parts):
            return not pattern.negated
    return False


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


def _fits(segments: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> bool:
    """Tell whether a path fits, as a glob does: `**` is a star over whole segments."""
    at = part = 0
    back: tuple[int, int] | None = None
    while part < len(parts):
        segment = segments[at] if at < len(segments) else _NOTHING
        if segment is None:
            back = (at, part)
            at += 1
        elif segment.match(parts[part]):
            at += 1
            part += 1
        elif back:
            at, part = back[0] + 1, back[1] + 1
            back = (back[0], part)
        else:
            return False
    return all(segment is None for segment in segments[at:])
