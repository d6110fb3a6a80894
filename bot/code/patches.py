"""The references that a change of a file adds and removes.

A patch is a part of two files. What lies before a hunk is not known, so a hunk that begins within
a comment or a literal over lines is told by what ends it (docs/code.md).
"""

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from bot.code.alike import alike
from bot.code.files import decoded, is_binary, is_generated, passed_over
from bot.code.matching import Reference, references, references_in_part
from bot.code.names import configuration_of, family_of
from bot.code.vocabulary import Vocabulary

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


class BadPatch(Exception):
    """It is no patch as GitHub gives it: the file has to be read in another way."""


class Change(Struct, frozen=True):
    """A reference that is added (`line` of the new file) or removed (`line` of the old one)."""

    line: int
    change: Literal["added", "removed"]
    key: str
    alias: str | None

    def __lt__(self, other: "Change") -> bool:
        return self.place < other.place

    @property
    def place(self) -> tuple[int, str, str, str]:
        """What changes are sorted by."""
        return self.line, self.change, self.key, self.alias or ""


class _Side(Struct):
    """One side of a hunk: its lines, and the number of the first of them in the file.

    `twins` has for a line that both sides have, counted from 0, the one on the other side.
    """

    first: int
    lines: list[str]
    twins: dict[int, int]

    @property
    def content(self) -> bytes:
        return "\n".join(self.lines).encode("utf-8", "surrogatepass")


def changes(
    vocabulary: Vocabulary, path: str, previous_path: str | None, patch: str
) -> list[Change]:
    """Return what the patch of one file changes, sorted by line.

    `patch` is what https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files has: hunks
    alone. `previous_path` is that of a renamed file, else None. A side whose path is passed over
    has no references. Raises BadPatch.
    """
    hunks = [*_hunks(patch)]
    old_read = _is_read(vocabulary, previous_path or path, [old for old, _ in hunks])
    new_read = _is_read(vocabulary, path, [new for _, new in hunks])
    found: set[Change] = set()
    for old, new in hunks:
        before = _of_side(vocabulary, previous_path or path, old) if old_read else []
        after = _of_side(vocabulary, path, new) if new_read else []
        found |= _differences(before, old, after, new)
    return sorted(found)


def changes_of_files(
    vocabulary: Vocabulary,
    path: str,
    before: bytes | None,
    after: bytes | None,
    previous_path: str | None = None,
) -> list[Change]:
    """Return the same of two whole versions of a file; None is one that is not there."""
    was = _of_file(vocabulary, previous_path or path, before)
    now = _of_file(vocabulary, path, after)
    if not was and not now:
        return []
    twins = alike(_lines(before), _lines(after))
    old = _Side(1, [], twins)
    new = _Side(1, [], {there: here for here, there in twins.items()})
    return sorted(_differences(was, old, now, new))


def needs_both_versions(vocabulary: Vocabulary, path: str, previous_path: str | None) -> bool:
    """Tell whether a rename changes what the lines that it leaves alone are: a patch lacks them.

    So it is where only one of the paths is read, or they are of different families of languages.
    """
    if previous_path is None or not vocabulary:
        return False
    paths = (path, previous_path)
    read = {passed_over(one, vocabulary.rules) is None for one in paths}
    kinds = {(family_of(one).name, configuration_of(one)) for one in paths}
    return read == {True, False} or (read == {True} and len(kinds) > 1)


def _hunks(patch: str) -> Iterator[tuple[_Side, _Side]]:
    """Yield the two sides of each hunk."""
    lines = patch.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise BadPatch("it has no hunk")
    at = 0
    while at < len(lines):
        header = _HUNK.match(lines[at])
        if header is None:
            raise BadPatch("a hunk has no heading")
        old_first, old_count, new_first, new_count = (
            1 if number is None else int(number) for number in header.groups()
        )
        old = _Side(old_first, [], {})
        new = _Side(new_first, [], {})
        at += 1
        while len(old.lines) < old_count or len(new.lines) < new_count:
            if at >= len(lines):
                raise BadPatch("a hunk is shorter than it says")
            _take(lines[at], old, new)
            at += 1
        if len(old.lines) != old_count or len(new.lines) != new_count:
            raise BadPatch("a hunk is not as long as it says")
        while at < len(lines) and lines[at].startswith("\\"):
            at += 1
        yield old, new


def _take(line: str, old: _Side, new: _Side) -> None:
    match line[:1]:
        case " " | "":  # an empty line may have lost its blank
            old.twins[len(old.lines)] = len(new.lines)
            new.twins[len(new.lines)] = len(old.lines)
            old.lines.append(line[1:])
            new.lines.append(line[1:])
        case "-":
            old.lines.append(line[1:])
        case "+":
            new.lines.append(line[1:])
        case "\\":
            pass
        case _:
            raise BadPatch("a line is neither added, removed nor left alone")


def _is_read(vocabulary: Vocabulary, path: str, sides: list[_Side]) -> bool:
    """Tell whether a file is read. That it is generated only its top can show."""
    if passed_over(path, vocabulary.rules):
        return False
    return not any(side.first <= 1 and is_generated(side.content) for side in sides[:1])


def _of_side(vocabulary: Vocabulary, path: str, side: _Side) -> list[Reference]:
    if side.first <= 1:
        return references(vocabulary, path, side.content)
    return references_in_part(vocabulary, path, side.content)


def _of_file(vocabulary: Vocabulary, path: str, content: bytes | None) -> list[Reference]:
    if content is None or passed_over(path, vocabulary.rules):
        return []
    if is_binary(content) or is_generated(content):
        return []
    return references(vocabulary, path, content)


def _differences(
    before: list[Reference], old: _Side, after: list[Reference], new: _Side
) -> set[Change]:
    """Compare the references of two sides, whose lines count from 1.

    On a line that both have there may be another reference all the same: what stands above has made
    a comment of it, or has ended one.
    """
    was = {(one.line - 1, one.key, one.alias) for one in before}
    now = {(one.line - 1, one.key, one.alias) for one in after}
    removed = {
        Change(old.first + line, "removed", key, alias)
        for line, key, alias in was
        if line not in old.twins or (old.twins[line], key, alias) not in now
    }
    added = {
        Change(new.first + line, "added", key, alias)
        for line, key, alias in now
        if line not in new.twins or (new.twins[line], key, alias) not in was
    }
    return removed | added


def _lines(content: bytes | None) -> list[bytes]:
    return [] if content is None else decoded(content).split(b"\n")
