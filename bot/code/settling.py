"""What a whole pull request does to references: added, removed, or moved from place to place."""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from bot.code.patches import Change


class FileChanges(Struct, frozen=True):
    """What one file of a pull request changes. `previous_path` is that of a renamed one."""

    path: str
    changes: Sequence[Change]
    previous_path: str | None = None


class Settled(Struct, frozen=True):
    """A change of a reference in a pull request.

    `path` and `line` are of the new file for added and moved, of the old one for removed.
    """

    change: Literal["added", "removed", "moved"]
    path: str
    line: int
    key: str
    alias: str | None

    def __lt__(self, other: "Settled") -> bool:
        return self.place < other.place

    @property
    def place(self) -> tuple[str, int, str, str, str]:
        """What they are sorted by."""
        return self.path, self.line, self.key, self.change, self.alias or ""


class _One(Struct, frozen=True, eq=False):
    """A change while it looks for its counterpart; `file` is one even if it is renamed."""

    file: str
    path: str
    change: Change

    @property
    def place(self) -> tuple[str, int]:
        return self.path, self.change.line


_Apart = tuple[list[_One], list[_One], list[_One]]  # removed, added, moved


def settled(files: Iterable[FileChanges]) -> list[Settled]:
    """Settle the changes of all files of a pull request, sorted by path and line.

    What is removed in one place and added in another for the same key is moved. Those are taken
    together that are nearest: in the same file, in files of the same name, then anywhere.
    """
    by_key: dict[str, list[_One]] = defaultdict(list)
    for file in files:
        for change in file.changes:
            old = change.change == "removed"
            path = (file.previous_path or file.path) if old else file.path
            by_key[change.key].append(_One(file.path, path, change))
    found = []
    for changes in by_key.values():
        removed = [one for one in changes if one.change.change == "removed"]
        added = [one for one in changes if one.change.change == "added"]
        moved: list[_One] = []
        for alike in (_file, _name, _anywhere):
            removed, added = _paired(removed, added, moved, alike)
        found += [_settled(one, "moved") for one in moved]
        found += [_settled(one, "removed") for one in removed]
        found += [_settled(one, "added") for one in added]
    return sorted(set(found))


def _file(one: _One) -> str:
    return one.file


def _name(one: _One) -> str:
    return one.path.rpartition("/")[2]


def _anywhere(one: _One) -> str:
    return ""


def _paired(
    removed: list[_One], added: list[_One], moved: list[_One], alike: Callable[[_One], str]
) -> tuple[list[_One], list[_One]]:
    """Take together what is alike, the next neighbours first; return what is left over."""
    groups: dict[str, list[_One]] = defaultdict(list)
    for one in sorted(removed + added, key=operator.attrgetter("place")):
        groups[alike(one)].append(one)
    left: list[_One] = []
    for group in groups.values():
        waiting: list[_One] = []
        for one in group:
            if waiting and waiting[-1].change.change != one.change.change:
                other = waiting.pop()
                moved.append(one if one.change.change == "added" else other)
            else:
                waiting.append(one)
        left += waiting
    return (
        [one for one in left if one.change.change == "removed"],
        [one for one in left if one.change.change == "added"],
    )


def _settled(one: _One, change: Literal["added", "removed", "moved"]) -> Settled:
    return Settled(change, one.path, one.change.line, one.change.key, one.change.alias)
