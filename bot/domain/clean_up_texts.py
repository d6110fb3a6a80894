"""What a clean-up issue says: what the experiment was, what is left of it, and how it goes on.

Paths and names are other people's words: they stand in code spans (texts.py), and no line begins
with one, so that none is read as a key line.
"""

import hashlib
from collections.abc import Callable, Sequence
from itertools import groupby

import msgspec
from msgspec import Struct

from bot import storage as store
from bot.domain import sizes, texts
from bot.github.names import permalink

MOST = 400  # permalinks; the rest is counted
_ROOM = sizes.BODY - 8_000  # for them: what stands around them has less than the rest
_HEAD = "| Experiment | Key | Status | Owner |\n| --- | --- | --- | --- |"
_HOW = (
    "This issue is edited as references go, and closed when the last has gone from the default "
    "branch. If they come back, it is opened again. Once somebody else has closed it, it stays "
    "closed and is not edited. Notes are safe in comments: this text is written anew."
)


class Content(Struct, frozen=True):
    """What an issue is about. `is_told`: its readers may be told of experiments.

    `left` are the first of `count` references, in what is the default branch at `sha`.
    """

    experiment: store.Experiment
    repository: store.Repository
    goal: store.Goal
    left: Sequence[store.CodeReference]
    count: int
    files: int
    sha: str
    branch: str | None
    is_whole: bool
    is_told: bool
    owner_of: Callable[[str], str | None]


def title_of(key: str) -> str:
    """Return the title; it is none that links an issue by itself (keys.key_in_title)."""
    return f"Clean up experiment: {key}"


def body_of(content: Content, public_url: str, marker: str) -> str:
    """Return the body, of sizes.BODY characters at most, which ends with the marker."""
    return f"{_text(content, public_url)}\n\n{marker}"


def digest_of(content: Content, public_url: str) -> str:
    """Return what tells a text from others. That it is of another commit makes it no other one."""
    text = _text(msgspec.structs.replace(content, sha=""), public_url)
    return hashlib.sha256(f"{content.goal}\n{text}".encode()).hexdigest()


def listed(
    repository: store.Repository,
    sha: str,
    left: Sequence[store.CodeReference],
    owner_of: Callable[[str], str | None] = lambda _: None,
) -> list[str]:
    """Return a Markdown list of references, those of a file below its name."""
    lines = []
    for path, found in groupby(left, key=lambda one: one.path):
        owner = owner_of(path)
        whose = f", of {texts.code(owner)}" if owner else ""
        lines.append(f"- In {texts.code(path)}{whose}:")
        for one in found:
            address = permalink(repository.host, repository.full_name, sha, path, one.line)
            named = f", as {texts.code(one.alias)}" if one.alias else ""
            lines.append(f"  - [line {one.line}]({address}){named}")
    return lines


def shortened(lines: Sequence[str], count: int, room: int) -> list[str]:
    """Return what fits of the lines of a list of `count` references, and how many are left out."""
    kept, _ = sizes.fit(lines, room)
    while kept and not kept[-1].startswith(" "):  # a file of which nothing fits
        kept.pop()
    left = count - sum(line.startswith(" ") for line in kept)
    return [*kept, *([f"- … and {left:,} more."] if left else [])]


def counted(count: int, files: int) -> str:
    """Return how many references there are, in how many files."""
    references = f"{count:,} {'reference' if count == 1 else 'references'}"
    return f"{references} in {files:,} {'file' if files == 1 else 'files'}"


def _text(content: Content, public_url: str) -> str:
    experiment = content.experiment
    parts = [_state(content)]
    if content.is_told:
        address = texts.link(experiment.name, f"{public_url}/experiments/{experiment.key}")
        owner = texts.code(experiment.owner) if experiment.owner else ""
        status = f"{texts.SIGNS[experiment.status]} {experiment.status}"
        parts.append(f"{_HEAD}\n| {address} | {texts.code(experiment.key)} | {status} | {owner} |")
        if experiment.hypothesis:
            parts.append(f"Hypothesis: {texts.code(experiment.hypothesis)}")
    if content.goal == "open":
        lines = listed(content.repository, content.sha, content.left, content.owner_of)
        parts.append("### What is left")
        parts.append("\n".join(shortened(lines, content.count, _ROOM)))
        if not content.is_whole:
            parts.append("Not every file of the default branch could be read: there may be more.")
    parts += ["### How it goes on", _HOW]
    return "\n\n".join(parts)


def _state(content: Content) -> str:
    key = texts.code(content.experiment.key)
    where = "the default branch"
    where += f", {texts.code(content.branch)}" if content.branch else ""
    if content.goal == "completed":
        return f"Nothing is left of the experiment {key}: the last reference has gone from {where}."
    if content.goal == "not_planned":
        return f"The experiment {key} is not over any more, so there is nothing to clean up."
    left = f"{counted(content.count, content.files)} of {where}"
    return f"The experiment {key} is over, and its code is still here: {left}."
