"""A bare repository on disk, read by the `git` program as GitHub reads those that it serves."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_ONE_MEGABYTE = 2**20
_SHA = re.compile("[0-9a-f]{40}")
_REF = re.compile(r"(?!.*(\.\.|@\{|//))[^\x00-\x20~^:?*\[\\-][^\x00-\x20~^:?*\[\\]*")


@dataclass(frozen=True)
class Entry:
    """What a tree has at a path; `size` in bytes, of files and links only."""

    path: str
    mode: str
    kind: str  # blob, tree, commit
    sha: str
    size: int | None


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    date: str
    message: str


@dataclass(frozen=True)
class Difference:
    """One file of a diff, as `git diff -M` has it; no `patch` where git shows none."""

    status: str  # A, D, M, T or R
    path: str
    previous_path: str | None
    mode: str
    sha: str  # of the new blob, of the old one where the file is gone
    additions: int
    deletions: int
    patch: str | None

    @property
    def lines(self) -> int:
        return 0 if self.patch is None else self.patch.count("\n") + 1


class Git:
    """A bare repository. Nothing of the user's own settings is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._diffs: dict[tuple[str, str], list[Difference]] = {}
        self._trees: dict[tuple[str, bool], list[Entry]] = {}
        self._of_commits: dict[str, str] = {}

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "TZ": "UTC",
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **more,
        }

    def run(self, *arguments: str, given: bytes = b"", env: Mapping[str, str] = {}) -> bytes:
        """Return what git says; raise what it complains of."""
        done = subprocess.run(
            ["git", *arguments],
            input=given,
            capture_output=True,
            env=self.environment(**env),
            check=False,
        )
        if done.returncode:
            raise GitError(f"git {arguments[0]}: {done.stderr.decode(errors='replace')[:500]}")
        return done.stdout

    def text(self, *arguments: str, **options: Mapping[str, str]) -> str:
        return self.run(*arguments, **options).decode(errors="replace").strip()  # type: ignore[arg-type]

    def object(self, sha: str) -> tuple[str, bytes]:
        """Return kind (blob, tree, commit) and content of an object; no kind if there is none."""
        if not _SHA.fullmatch(sha):
            return "", b""
        head, _, content = self.run("cat-file", "--batch", given=f"{sha}\n".encode()).partition(
            b"\n"
        )
        kind = head.decode().split()[1]
        return ("", b"") if kind == "missing" else (kind, content[:-1])

    def resolve(self, ref: str) -> str | None:
        """Return the commit that a branch, tag, full ref or SHA names."""
        if _SHA.fullmatch(ref):
            return ref if ref in self._of_commits or self.object(ref)[0] == "commit" else None
        if not _REF.fullmatch(ref):
            return None
        named = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}", ref]
        said = self.text("for-each-ref", "--format=%(objectname) %(refname)", *named)
        found = {name: sha for sha, _, name in (one.partition(" ") for one in said.splitlines())}
        return next((found[one] for one in named if one in found), None)

    def branches(self) -> dict[str, str]:
        """Return the commit of each branch."""
        said = self.text("for-each-ref", "--format=%(objectname) %(refname:strip=2)", "refs/heads")
        pairs = (line.partition(" ") for line in said.splitlines())
        return {name: sha for sha, _, name in pairs}

    def tree_of(self, commit: str) -> str:
        if commit not in self._of_commits:
            tree = self.text("rev-parse", "--verify", f"{commit}^{{tree}}")
            if not _SHA.fullmatch(commit):
                return tree
            self._of_commits[commit] = tree
        return self._of_commits[commit]

    def tree(self, tree: str, recursive: bool) -> list[Entry]:
        """Return what a tree has, with its subtrees as entries of their own."""
        if (tree, recursive) not in self._trees:
            how = ["-r", "-t"] if recursive else []
            said = self.run("ls-tree", "-z", "-l", *how, tree).decode(errors="replace")
            self._trees[tree, recursive] = [_entry(one) for one in said.split("\0") if one]
        return self._trees[tree, recursive]

    def blob(self, sha: str) -> bytes:
        return self.run("cat-file", "blob", sha)

    def commits(self, *what: str) -> list[Commit]:
        """Return commits that `git rev-list` finds, newest first."""
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%B%x01"
        said = self.run("log", "--no-show-signature", f"--format={form}", *what, "--")
        found = said.decode(errors="replace").split("\x01")
        return [_commit(one.lstrip("\n")) for one in found if one.strip()]

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            return self.text("merge-base", one, other)
        except GitError:
            return None

    def changed_paths(self, commit: Commit) -> list[tuple[str, str]]:
        """Return letter and path of what a commit changes beside its first parent."""
        before = commit.parents[0] if commit.parents else EMPTY_TREE
        said = self.run("diff", "--name-status", "--no-renames", "-z", before, commit.sha)
        words = said.decode(errors="replace").split("\0")
        return list(zip(words[:-1:2], words[1::2], strict=True))

    def diff(self, before: str, after: str) -> list[Difference]:
        """Return how two commits or trees differ, in the order of the paths."""
        if (before, after) not in self._diffs:
            self._diffs[before, after] = self._diff(before, after)
        return self._diffs[before, after]

    def _diff(self, before: str, after: str) -> list[Difference]:
        common = ("diff", "--no-ext-diff", "--no-color", "-M")
        raw = self.run(*common, "--raw", "--no-abbrev", "-z", before, after)
        counts = _counts(self.run(*common, "--numstat", "-z", before, after))
        text = self.run(*common, "-p", "--full-index", before, after)
        sections = text.decode(errors="replace").split("\ndiff --git ") if text else []
        found, position = [], 0
        for status, path, previous, mode, sha in _raw(raw):
            patch = _patch(sections[position])
            position += 2 if status == "T" else 1
            added, removed = counts[path]
            if status == "T":
                patch = None
            found.append(Difference(status, path, previous, mode, sha, added, removed, patch))
        assert position == len(sections)
        return found

    async def archive(self, commit: str, prefix: str) -> AsyncGenerator[bytes, None]:
        """Yield a `tar.gz` of a commit, as `git archive` makes it, piece by piece."""
        process = await asyncio.create_subprocess_exec(
            *("git", "archive", "--format=tar.gz", f"--prefix={prefix}", commit),
            stdout=asyncio.subprocess.PIPE,
            env=self.environment(),
        )
        assert process.stdout is not None
        try:
            while piece := await process.stdout.read(_ONE_MEGABYTE):
                yield piece
        finally:
            if process.returncode is None and not process.stdout.at_eof():
                process.kill()
            await process.wait()


class GitError(Exception):
    """What git complained of."""


def _entry(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    mode, kind, sha, size = facts.split()
    return Entry(path, mode, kind, sha, None if size == "-" else int(size))


def _commit(text: str) -> Commit:
    sha, tree, parents, author, email, date, message = text.split("\0", 6)
    return Commit(sha, tree, tuple(parents.split()), author, email, date, message.strip("\n"))


def _raw(said: bytes) -> list[tuple[str, str, str | None, str, str]]:
    """Return status, path, previous path, mode and blob of each file of `git diff --raw -z`."""
    words = iter(said.decode(errors="replace").split("\0"))
    found = []
    for facts in words:
        if not facts:
            break
        old_mode, new_mode, old, new, status = facts[1:].split()
        path, previous = next(words), None
        if status[0] == "R":
            previous, path = path, next(words)
        gone = status[0] == "D"
        mode, sha = (old_mode, old) if gone else (new_mode, new)
        found.append((status[0], path, previous, mode, sha))
    return found


def _counts(said: bytes) -> dict[str, tuple[int, int]]:
    """Return the lines added and removed by path, of `git diff --numstat -z`."""
    words = iter(said.decode(errors="replace").split("\0"))
    found = {}
    for facts in words:
        if not facts:
            break
        added, removed, path = facts.split("\t", 2)
        if not path:  # renamed
            _, path = next(words), next(words)
        found[path] = tuple(0 if one == "-" else int(one) for one in (added, removed))
    return found  # type: ignore[return-value]


def _patch(section: str) -> str | None:
    """Return the hunks of one file of a diff, without what stands before them."""
    _, mark, hunks = section.partition("\n@@ ")
    return "@@ " + hunks.removesuffix("\n") if mark else None
