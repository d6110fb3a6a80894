"""`code`: reads the diff of a pull request, for the references to experiments that it changes.

https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files. Each file in it names the
head that the answer is of: one for another head than the pull request has is asked for again, since
GitHub's API lags behind its webhooks. A file without a patch is read whole, from the base
repository alone: GitHub has the objects of forks there as well. Nothing of what was read is kept
but paths and lines.
"""

import asyncio
import re
from typing import Any

from bot import storage as store
from bot import times
from bot.code.vocabulary import Rules, Vocabulary
from bot.domain import diffs, readings, rules
from bot.domain.code_readings import Names
from bot.domain.diffs import CODE, Target
from bot.domain.readings import Reading
from bot.github import NotListed, Refused, Temporary
from bot.github.client import TooLarge
from bot.github.failures import NoToken
from bot.outbox import rules_check
from bot.outbox.code_files import Vocabularies
from bot.outbox.diff_files import Budget, Files
from bot.outbox.diff_reading import Gathered, OtherHead, gather
from bot.outbox.registry import Job, carries_out

# So long after an answer for another head it is asked for anew; then that is said.
_WAITS = tuple(seconds * times.SECOND for seconds in (3, 7, 15, 35, 120, 600, 3600))
_TOO_LARGE = re.compile(r"\bdiff\b.*(?:too large|too long|not available|unavailable)", re.I)
_LAGS = store.Unread("GitHub's API still answers for another commit")


@carries_out(CODE)
async def run(job: Job) -> dict[str, Any]:
    def question(
        tx: store.Transaction,
    ) -> tuple[store.Item, store.Diff | None, int, Names, Rules, bool]:
        item = store.items.get(tx, job.item_id)
        row = store.integrations.find(tx, job.integration.id)
        is_on = row is not None and rules.code_is_on(tx, row, item.repository_id)
        version, names = store.vocabulary.version(tx), store.vocabulary.names(tx)
        said = rules.rules_of(tx, item.repository_id)
        return item, store.diffs.find(tx, item.id), version, names, said, is_on

    item, known, version, names, said, is_on = await job.read(question)
    target = diffs.target_of(item)
    if target is None or not is_on:
        return {"changed": False}
    vocabulary = await job.services.shared(Vocabularies).get(names, said)
    if _is_read(known, target, version, vocabulary):
        return {"changed": False}
    if not vocabulary:  # it has nothing to read for, but perhaps something to forget
        nothing = Reading(target, version, vocabulary.digest)
        return {"changed": False} if known is None else await _keep(job, item, nothing, 0)
    gathered, reason = await _gathered(job, vocabulary, target)
    if isinstance(gathered, OtherHead):
        return await _wait(job, item, gathered, version, vocabulary)
    unread = [*gathered.unread, *([store.Unread(reason)] if reason else [])]
    reading = Reading(
        of=target,
        vocabulary=version,
        rules=vocabulary.digest,
        found=await asyncio.to_thread(gathered.settled),
        unread=unread,
        words=gathered.words.packed() if not reason else None,
        files=gathered.count,
        base_sha=gathered.base_sha,
    )
    return await _keep(job, item, reading, gathered.calls)


def _is_read(
    known: store.Diff | None, target: Target, version: int, vocabulary: Vocabulary
) -> bool:
    """Tell whether that was read in full, for what is looked for now."""
    if known is None or known.status == "partial":
        return False
    is_same = Target(known.head_sha, known.base_ref) == target
    return is_same and (known.vocabulary, known.rules) == (version, vocabulary.digest)


async def _keep(job: Job, item: store.Item, reading: Reading, calls: int) -> dict[str, Any]:
    def keep(tx: store.Transaction) -> bool:
        if readings.keep(tx, item.id, reading, job.integration.id):
            return True
        # It has moved on: what has told so may have found this reading pending.
        diffs.ask_where_unread(tx, store.items.get(tx, item.id), job.integration.id)
        return False

    return _kept(reading, calls, is_kept=await job.write(keep))


def _kept(reading: Reading, calls: int, *, is_kept: bool) -> dict[str, Any]:
    return {
        "calls": calls,
        "files": reading.files,
        "references": len(reading.found),
        "unread": len(reading.unread),
        "changed": is_kept,
    }


async def _gathered(
    job: Job, vocabulary: Vocabulary, target: Target
) -> tuple[Gathered | OtherHead, str | None]:
    """Return what there is in a diff, and why it could not be read further, if so."""
    budget = Budget()
    gathered = Gathered(vocabulary, budget)
    try:
        files = Files(job, budget)
        await gather(files, gathered, target)
        await rules_check.look(job, gathered.listed, target.head_sha)
    except OtherHead as other:
        return other, None
    except Refused as error:
        if error.status == 401 or isinstance(error, NotListed | NoToken):
            raise
        if error.lags and job.is_news:
            raise
        return gathered, str(error)
    except TooLarge as error:
        return gathered, error.reason
    except Temporary as error:
        if not _TOO_LARGE.search(error.reason):
            raise
        return gathered, error.reason
    return gathered, None


async def _wait(
    job: Job, item: store.Item, other: OtherHead, version: int, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Ask again later, unless the pull request has moved on meanwhile, or has done so for long."""
    request = job.action.request
    look = request.get("look", 1) if request.get("head_sha") == item.head_sha else 1

    def again(tx: store.Transaction) -> bool:
        now = store.items.get(tx, item.id)
        target = diffs.target_of(now)
        row = store.integrations.find(tx, job.integration.id)
        if target is None or row is None:
            return True
        if target.head_sha != item.head_sha:
            diffs.ask(tx, row, now)
        elif look <= len(_WAITS):
            diffs.ask(tx, row, now, look=look + 1, after=_WAITS[look - 1])
        else:
            reading = Reading(target, version, vocabulary.digest, unread=[_LAGS])
            readings.keep(tx, item.id, reading, job.integration.id)
            return False
        return True

    return {"calls": other.calls, "asked_again": await job.write(again)}
