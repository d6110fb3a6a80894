"""Reads `.github/experiments.yml` of a pull request that changes it, and keeps what is wrong.

The file is read by its SHA from the base repository, never from a fork. The check says what was
found (bot/domain/verdicts.py).
"""

import asyncio
from collections.abc import Iterable

from bot import storage as store
from bot.code import experiments_yml
from bot.code.yaml_nodes import MOST_BYTES, TOO_LARGE, UNREADABLE, Problem
from bot.domain import rules_reading
from bot.github import Refused, files
from bot.github.client import TooLarge
from bot.github.comparisons import ListedFile
from bot.outbox.registry import Job

_UNREACHED = (403, 404, 410, 422, 451)


async def look(job: Job, listed: Iterable[ListedFile], head_sha: str) -> None:
    """Keep, for its check, what is wrong with the file as a pull request has it.

    `listed` are all that GitHub lists of the pull request at `head_sha`. Nothing is asked where the
    file is not among them. Raises CallFailed.
    """
    changed = next((one for one in listed if _is_it(one)), None)
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
        content = await files.blob(job.client, job.at(sha=sha), MOST_BYTES)
    except TooLarge:
        return [TOO_LARGE]
    except files.Unreadable:
        return [UNREADABLE]
    except Refused as refusal:
        if refusal.status not in _UNREACHED or job.is_news:
            raise
        return []  # nothing is said of what cannot be read
    return await asyncio.to_thread(experiments_yml.problems_of, content)
