"""Real git repositories for tests: written commit by commit, always with the same SHAs."""

import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tests.github.git import Git, GitError
from tests.kit import marks

START = int(datetime.fromisoformat("2026-03-02T10:00:00Z").timestamp())

Files = Mapping[str, "str | bytes | Link | Submodule | None"]


class Link(str):
    """A symbolic link to a path."""


class Submodule(str):
    """A commit of another repository."""


class GitRepo(Git):
    """A bare repository with a branch `main`; a minute passes from commit to commit.

    Every method that writes returns the SHA of the commit that its branch is at afterwards.
    """

    author = "Jane"

    @classmethod
    def make(cls, folder: Path) -> "GitRepo":
        """Make an empty one; skip the test where there is no git."""
        if shutil.which("git") is None:
            marks.leave("there is no git")
        folder.mkdir(parents=True)
        repo = cls(folder)
        repo.run("init", "--quiet", "--bare", "--initial-branch=main", str(folder))
        repo.run("config", "merge.directoryRenames", "false")
        return repo

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.minutes = 0

    def fork(self, folder: Path) -> "GitRepo":
        """Make a fork, which shares its objects as those of one network do at GitHub."""
        made = GitRepo.make(folder)
        shutil.rmtree(made.folder / "objects")
        (made.folder / "objects").symlink_to((self.folder / "objects").resolve())
        for name, sha in self.branches().items():
            made.set_branch(name, sha)
        made.minutes = self.minutes
        return made

    def tip(self, branch: str = "main") -> str:
        return self.text("rev-parse", "--verify", f"refs/heads/{branch}")

    def set_branch(self, branch: str, sha: str) -> str:
        """Put a branch somewhere, as a forced push does."""
        self.run("update-ref", f"refs/heads/{branch}", sha)
        return sha

    def delete_branch(self, branch: str) -> None:
        self.run("update-ref", "-d", f"refs/heads/{branch}")

    def branch(self, name: str, start: str = "main") -> str:
        """Begin a branch at another one or at a commit, such as `main~2`."""
        return self.set_branch(name, self.text("rev-parse", "--verify", f"{start}^{{commit}}"))

    def commit(
        self,
        files: Files,
        message: str = "More",
        *,
        branch: str = "main",
        moves: Mapping[str, str] | None = None,
        orphan: bool = False,
    ) -> str:
        """Commit files by path (None: deleted), after moving some; `moves` are old to new paths.

        A branch that is not there begins at `main`, if that is there. An orphan has no parent.
        """
        tip = None if orphan else self.resolve(f"refs/heads/{branch}")
        if tip is None and not orphan:
            tip = self.resolve("refs/heads/main")
        person = f"{self.author} <{self.author.lower()}@users.example> {self._moment()} +0000"
        parts = [f"commit refs/heads/{branch}\nmark :1\n".encode()]
        parts += [f"author {person}\ncommitter {person}\n".encode(), _data(message.encode())]
        if tip is not None:
            parts.append(f"from {tip}\n".encode())
        elif orphan:
            self.run("update-ref", "-d", f"refs/heads/{branch}")
        for old, new in (moves or {}).items():
            parts.append(b"R %s %s\n" % (_quoted(old), _quoted(new)))
        parts += [_change(path, content) for path, content in files.items()]
        parts.append(b"\nget-mark :1\n")
        said = self.run("fast-import", "--quiet", "--force", given=b"".join(parts))
        return said.decode().split()[-1]

    def move(self, moves: Mapping[str, str], message: str = "Move", branch: str = "main") -> str:
        """Move files or folders."""
        return self.commit({}, message, moves=moves, branch=branch)

    def merge(
        self, source: str, into: str = "main", how: str = "merge", message: str | None = None
    ) -> str:
        """Merge a branch or commit as GitHub's button does: by merge, squash or rebase."""
        ours, theirs = self.tip(into), self.resolve(source)
        assert theirs is not None, f"no {source}"
        if how == "rebase":
            return self._rebase(ours, theirs, into)
        tree = self.text("merge-tree", "--write-tree", ours, theirs).split()[0]
        parents = [ours, theirs] if how == "merge" else [ours]
        return self._commit_tree(tree, parents, message or f"Merge {source}", into)

    def revert(self, sha: str, branch: str = "main") -> str:
        """Take back what a commit, or a merge beside its first parent, has done."""
        tree = self._applied(self.tip(branch), sha, f"{sha}^1")
        return self._commit_tree(tree, [self.tip(branch)], f"Revert {sha}", branch)

    def _rebase(self, onto: str, source: str, branch: str) -> str:
        for one in reversed(self.commits("--no-merges", source, f"^{onto}")):
            tree = self._applied(onto, one.parents[0], one.sha)
            onto = self._commit_tree(tree, [onto], one.message, branch)
        return onto

    def _applied(self, onto: str, before: str, after: str) -> str:
        """Return the tree of a commit with the difference between two others applied to it."""
        index = self.folder / f"index-of-{os.getpid()}"
        env = {"GIT_INDEX_FILE": str(index)}
        change = self.run("diff", "--binary", "--full-index", before, after)
        self.run("read-tree", onto, env=env)
        if change:
            self.run("apply", "--cached", given=change, env=env)
        tree = self.text("write-tree", env=env)
        index.unlink()
        return tree

    def _commit_tree(self, tree: str, parents: list[str], message: str, branch: str) -> str:
        who, when = self.author, f"{self._moment()} +0000"
        env = {
            f"GIT_{role}_{what}": text
            for role in ("AUTHOR", "COMMITTER")
            for what, text in (
                ("NAME", who),
                ("EMAIL", f"{who.lower()}@users.example"),
                ("DATE", when),
            )
        }
        above = [word for one in parents for word in ("-p", one)]
        made = self.run("commit-tree", tree, *above, given=message.encode(), env=env)
        return self.set_branch(branch, made.decode().strip())

    def _moment(self) -> int:
        self.minutes += 1
        return START + 60 * self.minutes


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode(errors="surrogateescape")


def _change(path: str, content: "str | bytes | Link | Submodule | None") -> bytes:
    name = _quoted(path)
    if content is None:
        return b"D %s\n" % name
    if isinstance(content, Submodule):
        return b"M 160000 %s %s\n" % (content.encode(), name)
    mode = b"120000" if isinstance(content, Link) else b"100644"
    raw = content.encode() if isinstance(content, str) else content
    return b"M %s inline %s\n%s" % (mode, name, _data(raw))


__all__ = ["START", "Files", "GitError", "GitRepo", "Link", "Submodule"]
