"""Reads `.github/experiments.yml` of a pull request that changes it, and keeps what is wrong.

The file is read by its SHA from the base repository, never from a fork. The check says what was
found (bot/domain/verdicts.py). https://docs.github.com/en/rest/git/blobs#get-a-blob
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import msgspec

from bot import storage as store
from bot.code import experiments_yml
from bot.code.yaml_nodes import MOST_BYTES, Problem
from bot.domain import rules_reading
from bot.github import Refused
from bot.outbox.registry import Job
from bot.outbox.rules import decoded

_BLOB = "/repos/{+repository}/git/blobs/{sha}"
_TOO_LARGE = Problem(1, 1, f"The file is larger than {MOST_BYTES // 1024} KB.")
_UNREACHED = (403, 404, 410, 422, 451)


class File(Protocol):
    """A file of a pull request, as GitHub lists it."""

    @property
    def filename(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def sha(self) -> str | None: ...


class Blob(msgspec.Struct):
    content: str
    encoding: str
    size: int = 0


async def look(job: Job, files: Iterable[File], head_sha: str | None = None) -> list[Problem]:
    """Return what is wrong with the file as a pull request has it, and keep that for its check.

    `files` are all that GitHub lists of the pull request at `head_sha`, or at the head that it has
    now. Nothing is asked where the file is not among them. Raises CallFailed.
    """
    item = await job.read(store.items.get, job.item_id)
    head_sha = head_sha or item.head_sha
    changed = next((one for one in files if _is_it(one)), None)
    problems: list[Problem] | None = None
    if changed is not None:
        problems = await _problems(job, changed.sha)

    def keep(tx: store.Transaction) -> None:
        now = store.items.get(tx, job.item_id)
        if head_sha is not None:
            rules_reading.keep_problems(tx, now, head_sha, problems, job.integration.id)

    was_looked_at = await job.read(lambda tx: store.rules.problems_of(tx, job.item_id) is not None)
    if problems is not None or was_looked_at:
        await job.write(keep)
    return problems or []


def _is_it(one: File) -> bool:
    return one.filename == experiments_yml.PATH and one.status not in ("removed", "unchanged")


async def _problems(job: Job, sha: str | None) -> list[Problem]:
    try:
        blob = await job.client.fetch(Blob, _BLOB, job.at(sha=sha))
    except Refused as refusal:
        if refusal.status not in _UNREACHED or job.is_news:
            raise
        return []  # nothing is said of what cannot be read
    if blob.encoding != "base64" or blob.size > MOST_BYTES:
        return [_TOO_LARGE]
    return await asyncio.to_thread(experiments_yml.problems_of, decoded(blob.content))
