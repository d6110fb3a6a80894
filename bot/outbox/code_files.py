"""Looks at single files of a commit, and at the list of all that it has.

https://docs.github.com/en/rest/git/trees#get-a-tree
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache
from msgspec import Struct

from bot import storage as store
from bot.code.files import (
    LARGEST,
    LONGEST_PATH,
    TOO_LARGE,
    TOO_LONG_A_PATH,
    is_binary,
    is_generated,
    passed_over,
)
from bot.code.matching import references
from bot.code.vocabulary import Rules, Vocabulary
from bot.domain.code_readings import MOST_REFERENCES, Names, Task
from bot.github import Refused, files
from bot.github.client import TooLarge
from bot.outbox.registry import Job
from bot.services import Services

_TREE = "/repos/{+repository}/git/trees/{sha}{+recursive}"
_MOST_TREE = 64 * 1024 * 1024  # bytes of a list of files
_MOST_TREES = 60  # lists, where one has no room for all files
_FILE_MODES = ("100644", "100755", "100664")
_MOST_KEPT, _MOST_TERMS = 32, 400_000  # vocabularies that are kept ready, and terms in them


class TreeEntry(Struct):
    """A file of a commit; `size` is in bytes. GitHub's schema lets all of it be missing."""

    path: str
    sha: str
    mode: str = _FILE_MODES[0]
    type: str = "blob"
    size: int | None = None


class Tree(Struct):
    tree: list[TreeEntry]
    truncated: bool = False


@dataclass(slots=True)
class Listing:
    """The files of a commit that are to be read, by path; unless it `is_whole` there are more."""

    wanted: dict[str, TreeEntry]
    files: int  # with those that are not to be read
    is_whole: bool


@dataclass(slots=True)
class Looked:
    """What was found in the files that were looked at, and what could not be read."""

    references: list[store.CodeReference] = field(default_factory=list)
    unread: list[store.Unread] = field(default_factory=list)
    files: int = 0

    def look(
        self, task: Task, vocabulary: Vocabulary, path: str, size: int, content: bytes
    ) -> None:
        """Look at a file, of which `content` is all or, of a large one, the beginning."""
        if is_binary(content) or is_generated(content):
            return
        self.files += 1
        if len(self.references) > MOST_REFERENCES:
            return  # which is said of all that is kept at once (code_readings.keep)
        if size > LARGEST:
            self.unread.append(store.Unread(TOO_LARGE, path))
        elif "\0" in path:  # git has no such, and PostgreSQL keeps none
            self.unread.append(store.Unread("its path cannot be kept"))
        elif len(path.encode("utf-8", "replace")) > LONGEST_PATH:
            self.unread.append(store.Unread(TOO_LONG_A_PATH, f"{path[:100]}…"))
        else:
            self.references += [
                store.CodeReference(
                    task.row.repository_id, path, one.line, one.key, one.alias or ""
                )
                for one in references(vocabulary, path, content)
            ]


def _size_of(vocabulary: Vocabulary) -> int:
    """Return what part of _MOST_TERMS one takes: a small one its share of a number of them."""
    known = (vocabulary.terms, vocabulary.identifiers, vocabulary.hyphenated, vocabulary.fillings)
    return min(max(sum(map(len, known)), _MOST_TERMS // _MOST_KEPT), _MOST_TERMS)


class Vocabularies:
    """What is looked for, made ready once for each version and rules.

    A hundred thousand names take a hundred megabytes, and seconds: one is made at a time.
    """

    def __init__(self, _: Services) -> None:
        self._known: LRUCache[Any, Vocabulary] = LRUCache(_MOST_TERMS, getsizeof=_size_of)
        self._making = asyncio.Lock()

    async def get(self, names: Names, rules: Rules) -> Vocabulary:
        key = (tuple((key, tuple(aliases)) for key, aliases in names), rules)
        found = self._known.get(key)
        if found is not None:
            return found
        async with self._making:
            found = self._known.get(key)
            if found is None:
                found = await asyncio.to_thread(Vocabulary, names, rules)
                self._known[key] = found
        return found


def blob_sha(content: bytes, like: str) -> str:
    """Return git's name of a file's content, of the same kind as another."""
    digest = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return digest(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


async def list_files(job: Job, sha: str, rules: Rules) -> Listing:
    """Return the files of a commit that are to be read; raises CallFailed.

    Where one list has no room for all, folders are listed by themselves.
    """
    listing = Listing({}, 0, is_whole=True)
    calls = 1
    whole = await _tree(job, sha, recursive=True)
    if not whole.truncated:
        await asyncio.to_thread(_add, listing, whole.tree, "", rules)
        return listing
    waiting = [("", sha)]
    while waiting:
        folder, tree_sha = waiting.pop()
        if calls + 2 > _MOST_TREES:
            listing.is_whole = False
            break
        found = await _tree(job, tree_sha, recursive=bool(folder))
        calls += 1
        if found.truncated and folder:
            found = await _tree(job, tree_sha, recursive=False)
            calls += 1
        elif folder:
            await asyncio.to_thread(_add, listing, found.tree, folder, rules)
            continue
        listing.is_whole = listing.is_whole and not found.truncated
        await asyncio.to_thread(_add, listing, found.tree, folder, rules)
        waiting += [(f"{folder}{one.path}/", one.sha) for one in found.tree if one.type == "tree"]
    return listing


async def _tree(job: Job, sha: str, *, recursive: bool) -> Tree:
    at = job.at(sha=sha, recursive="?recursive=1" if recursive else "")
    found: Tree = await files.download(job.client, _TREE, at, _MOST_TREE, Tree)
    return found


def _add(listing: Listing, entries: Iterable[TreeEntry], folder: str, rules: Rules) -> None:
    for one in entries:
        if one.type != "blob":
            continue
        listing.files += 1
        path = f"{folder}{one.path}"
        if one.mode in _FILE_MODES and passed_over(path, rules) is None:
            listing.wanted[path] = one


async def read_blob(
    job: Job, task: Task, vocabulary: Vocabulary, looked: Looked, path: str, sha: str, size: int
) -> None:
    """Look at a file by git's name of its content; raises CallFailed."""
    if size > LARGEST:
        looked.unread.append(store.Unread(TOO_LARGE, path))
        return
    with _leaving(looked, path):
        content = await files.blob(job.client, job.at(sha=sha), LARGEST)
        await asyncio.to_thread(looked.look, task, vocabulary, path, len(content), content)


async def read_path(
    job: Job, task: Task, vocabulary: Vocabulary, looked: Looked, path: str, sha: str
) -> bool:
    """Look at a file of a commit by its path; False if GitHub knows none. Raises CallFailed."""
    with _leaving(looked, path):
        try:
            found = await files.at(job.client, job.at(path=path, ref=sha), LARGEST)
        except Refused as refusal:
            if refusal.status == 404:
                return False
            if refusal.status == 400:
                looked.unread.append(store.Unread("its path cannot be asked for", path))
                return True
            raise
        if found.type != "file" or found.path not in (None, path):
            return True  # a folder, a submodule, or a link, whose target has a path of its own
        if found.encoding == "none":
            await read_blob(job, task, vocabulary, looked, path, found.sha, found.size)
        else:
            content = files.content(found, LARGEST)
            await asyncio.to_thread(looked.look, task, vocabulary, path, len(content), content)
    return True


@contextmanager
def _leaving(looked: Looked, path: str) -> Iterator[None]:
    """Say of a file that it was not read, if it cannot be, however often it is asked for."""
    try:
        yield
    except TooLarge:
        looked.unread.append(store.Unread(TOO_LARGE, path))
    except files.Unreadable as error:
        looked.unread.append(store.Unread(error.reason, path))


def leftover(paths: Sequence[str], reason: str) -> list[store.Unread]:
    """Return what is said of files that were not read for one reason."""
    return [store.Unread(reason, path) for path in paths]
