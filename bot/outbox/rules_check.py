"""Reads `.github/experiments.yml` of a pull request that changes it, and keeps what is wrong.

The file is read by its SHA from the base repository, never from a fork. The check says what was
found (bot/domain/verdicts.py). https://docs.github.com/en/rest/git/blobs#get-a-blob
"""

import asyncio
from collections.abc import Iterable

from bot import storage as store
from bot.code import experiments_yml
from bot.code.yaml_nodes import MOST_BYTES, Problem
from bot.domain import rules_reading
from bot.github import Refused
from bot.outbox.diff_files import BLOB, Blob, ListedFile
from bot.outbox.registry import Job
from bot.outbox.rules import decoded

_TOO_LARGE = Problem(1, 1, f"The file is larger than {MOST_BYTES // 1024} KB.")
_UNREACHED = (403, 404, 410, 422, 451)


async def look(job: Job, files: Iterable[ListedFile], head_sha: str) -> None:
    """Keep, for its check, what is wrong with the file as a pull request has it.

    `files` are all that GitHub lists of the pull request at `head_sha`. Nothing is asked where the
    file is not among them. Raises CallFailed.
    """
    changed = next((one for one in files if _is_it(one)), None)
    problems: list[Problem] | None = None
    if changed is not None:
        problems = await _problems(job, changed.sha)

    def keep(tx: store.Transaction) -> None:
        item = store.items.get(tx, job.item_id)
        rules_reading.keep_problems(tx, item, head_sha, problems, job.integration.id)

    was_looked_at = await job.read(lambda tx: store.rules.problems_of(tx, job.item_id) is not None)
    if problems is not None or was_looked_at:
        await job.write(keep)


def _is_it(one: ListedFile) -> bool:
    return one.filename == experiments_yml.PATH and one.status not in ("removed", "unchanged")


async def _problems(job: Job, sha: str | None) -> list[Problem]:
    try:
        blob = await job.client.fetch(Blob, BLOB, job.at(sha=sha))
    except Refused as refusal:
        if refusal.status not in _UNREACHED or job.is_news:
            raise
        return []  # nothing is said of what cannot be read
    if blob.encoding != "base64" or blob.content is None or blob.size > MOST_BYTES:
        return [_TOO_LARGE]
    return await asyncio.to_thread(experiments_yml.problems_of, decoded(blob.content))
