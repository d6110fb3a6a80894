"""A plain search for experiments in a checkout, which knows nothing of the bot's own.

It goes through a file line by line, cuts comments off, and looks at what stands between two equal
quotes. Therefore it is wrong where a literal goes over lines or has escaped quotes in it, or where
an apostrophe is none that quotes; the histories have no such lines (tests/code/languages.txt has).
"""

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# What docs/code.md says is not read.
_NOT_READ = re.compile(
    r"(^|/)(node_modules|vendor|third_party)/|^dist/|\.(md|txt|png|lock|map)$|\.min\.js$|\.pb\.go$"
    r"|(^|/)package-lock\.json$"
)
_GENERATED = re.compile(r"@generated|DO NOT EDIT")
_LINE_COMMENTS = {
    "//": "ts tsx js go java kt rs cs swift scss php json5",
    "#": "py rb sh yaml yml toml env properties ex tf php",
    "--": "sql lua hs",
}
_BLOCK_COMMENTS = {
    ("/*", "*/"): "ts tsx js go java kt rs cs swift scss php sql tf",
    ("<!--", "-->"): "html vue",
    ("{-", "-}"): "hs",
    ("=begin", "=end"): "rb",
}
_QUOTES = "\"'`"


@dataclass(frozen=True, order=True)
class Found:
    path: str
    line: int
    key: str
    alias: str | None = field(default=None, compare=False)


@dataclass
class Search:
    """A search for keys by their names: a key itself, and its aliases."""

    git: Path
    names: Mapping[str, str]

    def ask(self, *arguments: str, given: bytes = b"") -> bytes:
        command = ["git", f"--git-dir={self.git}", "-c", "core.quotePath=false", *arguments]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout

    def files(self, commit: str) -> dict[str, str]:
        """Return the text of each file of a commit that is to be read, by its path."""
        listed = self.ask("ls-tree", "-r", "-z", commit).decode().split("\0")[:-1]
        found = [re.match(r"(\d+) (\w+) (\w+)\t([\s\S]+)", one) for one in listed]
        wanted = [(one[3], one[4]) for one in found if one and one[1] in ("100644", "100755")]
        wanted = [(sha, path) for sha, path in wanted if not _NOT_READ.search(path)]
        said = self.ask(
            "cat-file", "--batch", given="".join(f"{sha}\n" for sha, _ in wanted).encode()
        )
        texts, at = {}, 0
        for _, path in wanted:
            head, _, _ = said[at : at + 100].partition(b"\n")
            size, at = int(head.split()[2]), at + len(head) + 1
            content, at = said[at : at + size], at + size + 1
            if b"\0" not in content and not _GENERATED.search(content[:8000].decode()):
                texts[path] = content.decode()
        return texts

    def search(self, commit: str) -> set[Found]:
        """Return every line of a commit on which an experiment stands."""
        return {
            one for path, text in self.files(commit).items() for one in self.in_file(path, text)
        }

    def in_file(self, path: str, text: str) -> set[Found]:
        ending = path.rpartition(".")[2]
        found = set()
        for number, line in enumerate(_without_comments(text.split("\n"), ending), 1):
            words = {*_quoted(line), *_bare(line.rstrip("\r"), ending)}
            found |= {
                Found(path, number, self.names[one], one) for one in words & self.names.keys()
            }
        return found

    def changes(self, base: str, head: str) -> tuple[set[Found], set[Found]]:
        """Return what a pull request takes away, and what it brings, moves told as both."""
        common = self.ask("merge-base", base, head).decode().strip()
        was, now = self.search(common), self.search(head)
        twins = self._twins(common, head)
        back = {new: old for old, new in twins.items()}
        lost = {one for one in was if _same(one, twins) not in now}
        return lost, {one for one in now if _same(one, back) not in was}

    def _twins(self, base: str, head: str) -> dict[tuple[str, int], tuple[str, int]]:
        """Return for lines of the old files where they are in the new ones."""
        old_files, new_files = self.files(base), self.files(head)
        names = self.ask("diff", "-M", "--name-status", "-z", base, head).decode().split("\0")[:-1]
        twins = {
            (path, number): (path, number)
            for path, text in old_files.items()
            for number in range(1, text.count("\n") + 2)
        }
        words = iter(names)
        for status in words:
            old = next(words)
            new = next(words) if status[0] in "RC" else old
            for number in range(1, old_files.get(old, "").count("\n") + 2):
                twins.pop((old, number), None)
            if status[0] in "MR" and old in old_files and new in new_files:
                twins |= self._lines(base, head, old, new, old_files[old].count("\n") + 1)
        return twins

    def _lines(
        self, base: str, head: str, old: str, new: str, length: int
    ) -> dict[tuple[str, int], tuple[str, int]]:
        """Return the lines that two versions of a file have in common."""
        said = self.ask("diff", "-U0", f"{base}:{old}", f"{head}:{new}").decode()
        hunks = re.findall(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", said, re.MULTILINE)
        twins, number, there = {}, 1, 1
        for start, count, new_start, new_count in [*hunks, (str(length + 1), "1", "0", "0")]:
            # A hunk that takes nothing away stands behind the line that it names.
            until = int(start) + (count == "0")
            while number < until:
                twins[old, number] = (new, there)
                number, there = number + 1, there + 1
            number = until + int(count or 1)
            there = int(new_start) + (new_count == "0") + int(new_count or 1)
        return twins


def _same(one: Found, twins: Mapping[tuple[str, int], tuple[str, int]]) -> Found | None:
    there = twins.get((one.path, one.line))
    return None if there is None else Found(*there, one.key, one.alias)


def _without_comments(lines: list[str], ending: str) -> list[str]:
    blocks = [pair for pair, endings in _BLOCK_COMMENTS.items() if ending in endings.split()]
    marks = [mark for mark, endings in _LINE_COMMENTS.items() if ending in endings.split()]
    line_comment = re.compile(rf"(^|\s)({'|'.join(map(re.escape, marks)) or '$.'}).*")
    found, closing = [], ""
    for line in lines:
        text = line
        if closing:
            _, closed, text = text.partition(closing)
            closing = "" if closed else closing
        for begin, end in blocks:
            text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", " ", text)
            before, opened, _ = text.partition(begin)
            if opened:
                text, closing = before, end
        found.append(line_comment.sub("", text))
    return found


def _quoted(line: str) -> list[str]:
    found, at = [], 0
    while at < len(line):
        end = line.find(line[at], at + 1) if line[at] in _QUOTES else -1
        if end > 0:
            found.append(line[at + 1 : end])
            at = end
        at += 1
    return found


def _bare(line: str, ending: str) -> list[str]:
    """Return the whole keys and values of a line of configuration."""
    name = r"[A-Za-z0-9._-]+"
    patterns = {
        "yaml": [rf"^\s*(?:- )?({name}):(?:\s|$)", rf"^\s*(?:- )?(?:{name}:\s+)?({name})\s*$"],
        "toml": [rf"^\s*({name})\s*=", rf"^\[({name})\]"],
        "properties": [rf"^\s*({name})\s*[=:]", rf"^\s*{name}\s*[=:]\s*({name})\s*$"],
        "env": [rf"^({name})=", rf"^{name}=({name})\s*$"],
    }
    found = [re.search(one, line) for one in patterns.get(ending, [])]
    return [one[1] for one in found if one]


def count_by_key(found: set[Found]) -> Counter[str]:
    return Counter(one.key for one in found)
