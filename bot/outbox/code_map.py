"""`code_map`: reads where experiments stand in a default branch, whole or what pushes changed.

Pushes that go on from where the map is tell their files themselves. After others GitHub is asked
which commit the branch has, and that is compared with ours. What has many files is read whole.
https://docs.github.com/en/rest/commits/commits#get-a-commit
https://docs.github.com/en/rest/commits/commits#compare-two-commits
"""

import asyncio
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import Struct

from bot import storage as store
from bot.code.files import passed_over
from bot.code.vocabulary import Vocabulary
from bot.domain import code_maps, code_readings, code_sweeps, snapshots
from bot.domain.allowed import NotAllowed
from bot.domain.code_readings import Found, Task
from bot.domain.integrations import scope_of
from bot.github import NotListed, NoToken, Refused, Temporary, payloads
from bot.github.comparisons import COMPARE, MOST_COMPARED, Comparison
from bot.outbox import code_files, identity
from bot.outbox.code_archive import read_all
from bot.outbox.code_files import Looked, Vocabularies
from bot.outbox.registry import Job, carries_out

_COMMIT = "/repos/{+repository}/commits/{ref}?per_page=1"
_AT_ONCE = 50  # repositories that are taken in at once
MOST_FILES = 100  # that are read one by one
_EMPTY = 409
_TOLD_AFTER = 3  # attempts, after which it is said why a branch is not read yet


class Head(Struct):
    sha: str


@dataclass(frozen=True, slots=True)
class _Changes:
    """Files that may be others by now, each with git's name of it where that is told.

    Unless the commit `is_known`, GitHub's API may not know it yet.
    """

    sha: str
    changed: Mapping[str, str | None]
    removed: Set[str]
    is_known: bool = True


@carries_out(code_maps.SWEEP)
async def sweep(job: Job) -> dict[str, Any]:
    """Have repositories read that are to be, some in each step."""

    def step(tx: store.Transaction) -> int:
        integration = store.integrations.find(tx, job.integration.id)
        if integration is None or integration.config.code != "on":
            return 0
        begun = code_sweeps.sweep(tx, integration)
        heard, last = _hear_of(tx, integration, job.action.request.get("heard_to", 0))
        if begun or last is not None:
            code_maps.enqueue_sweep(tx, integration, heard_to=last or 0)
        return begun + heard

    return {"repositories": await job.services.database.write(step, heavy=True)}


def _hear_of(
    tx: store.Transaction, integration: store.Integration, after: int
) -> tuple[int, int | None]:
    """Take in some repositories that installations may see, to be read, from behind an id on.

    Returns how many, and the last one looked at, None if it was the last of all.
    """
    if store.vocabulary.is_empty(tx):
        return 0, None
    scope, heard = scope_of(integration), 0
    found = store.code_maps.unheard(tx, integration.id, scope.host, after, _AT_ONCE)
    names = [store.locks_of_repository(scope.host, one.github_id, one.full_name) for one in found]
    tx.stored.lock(sorted({name for each in names for name in each}))
    for one in found:
        told = snapshots.by_answer(tx, scope)
        told = msgspec.structs.replace(told, speaks=True, installation_id=one.installation_id)
        about = payloads.Repository(full_name=one.full_name, id=one.github_id)
        with suppress(NotAllowed):
            heard += store.code_maps.find(tx, told.repository(about)) is not None
    return heard, found[-1].github_id if len(found) == _AT_ONCE else None


@carries_out(code_maps.MAP)
async def run(job: Job) -> dict[str, Any]:
    where = job.integration.id, job.action.repository_id
    task = await job.read(code_readings.task, *where)
    if task is None:
        return {"read": False}
    try:
        found = await _read(job, task)
    except (NoToken, NotListed):
        raise
    except Refused as refusal:
        if refusal.status == 401 or (refusal.lags and job.is_news):
            raise
        found = _unreadable(refusal)
    except Temporary as error:
        if job.action.attempts >= _TOLD_AFTER:
            why = store.Unread(error.reason[:300])
            await job.write(lambda tx: code_readings.say_why(tx, task.row.repository_id, why))
        raise
    repository = task.repository
    locks = store.locks_of_repository(repository.host, repository.github_id, repository.full_name)
    kept = await job.services.database.write(
        lambda tx: code_readings.keep(tx, task, found), heavy=True, locks=locks
    )
    files = found.files if found.paths is None else len(found.paths)
    return {"read": kept, "sha": found.sha, "files": files, "references": len(found.references)}


def _unreadable(refusal: Refused) -> Found:
    """Return what is kept where the credential may not read, or there is nothing yet."""
    why = "the repository is empty" if refusal.status == _EMPTY else refusal.reason[:300]
    return Found(None, None, None, (), (), (store.Unread(why),), is_broken=True)


async def _read(job: Job, task: Task) -> Found:
    row, repository = task.row, task.repository
    await identity.confirm(job.services, job.client, repository, job.action.created_at)
    branch = repository.default_branch
    if branch is None:
        branch = (await identity.ask(job.services, job.client, repository)).default_branch or "main"
    vocabulary = await job.services.shared(Vocabularies).get(task.names, task.rules)
    is_same = row.branch == branch and row.digest == vocabulary.digest
    if row.sha is None or row.anew or not is_same:
        return await read_all(job, task, vocabulary, branch, await _told_head(job, row, branch))
    changes = await _changes(job, row, branch)
    sha = changes if isinstance(changes, str) else changes.sha
    paths = [] if isinstance(changes, str) else await asyncio.to_thread(_readable, task, changes)
    if isinstance(changes, str) or len(paths) > MOST_FILES:
        found = await read_all(job, task, vocabulary, branch, sha)
    else:
        found = await _read_files(job, task, vocabulary, branch, changes, paths)
    last = next((one for one in row.pushes if one.after == sha), None)
    return replace(found, push=last or max(row.pushes, key=lambda one: one.at, default=None))


async def _head(job: Job, branch: str) -> str:
    """Return the commit that a branch has; raises CallFailed."""
    try:
        return (await job.client.fetch(Head, _COMMIT, job.at(ref=f"heads/{branch}"))).sha
    except (NoToken, NotListed):
        raise
    except Refused as refusal:
        if not refusal.lags:
            raise
    # What stands for a GitHub may know it by its name alone, which a tag may have as well.
    return (await job.client.fetch(Head, _COMMIT, job.at(ref=branch))).sha


async def _told_head(job: Job, row: store.CodeMap, branch: str) -> str:
    """Return the commit that a branch has; raises CallFailed.

    What was just pushed GitHub's API may not know yet: another head than the last push has led to
    is believed only if it stands for about a minute.
    """
    head, latest = await _head(job, branch), max((one.at for one in row.pushes), default=0)
    is_told = head in {one.after for one in row.pushes if one.at == latest}
    if row.pushes and job.is_news and not is_told:
        raise Refused(409, "GitHub's API does not know the last push yet", lags=True)
    return head


async def _changes(job: Job, row: store.CodeMap, branch: str) -> _Changes | str:
    """Return what has changed since the map was read; a commit, if all of that is to be read."""
    assert row.sha is not None
    way = code_readings.followed(row)
    told = _Changes(way.sha, dict.fromkeys(way.changed), way.removed, is_known=False)
    if row.pushes and way.is_whole:
        return told
    head = await _told_head(job, row, branch)
    if head == way.sha:
        return replace(told, is_known=True)
    return await _compared(job, row.sha, head) or head


async def _compared(job: Job, base: str, head: str) -> _Changes | None:
    """Return what a commit has changed since another; None if GitHub does not tell all of it.

    Where they have gone different ways it is what either has changed since they parted.
    """
    forth = await _compare(job, base, head)
    if forth is None:
        return None
    files = forth.files or ()
    changed = {one.filename: one.sha for one in files if one.status != "removed"}
    removed = {one.filename for one in files if one.status == "removed"}
    removed |= {one.previous_filename for one in files if one.previous_filename}
    if forth.status not in ("ahead", "identical"):
        back = await _compare(job, head, base)
        if back is None:
            return None
        for one in back.files or ():
            for name in (one.filename, one.previous_filename):
                if name is not None and name not in removed:
                    changed.setdefault(name, None)
    return _Changes(head, changed, removed - changed.keys())


async def _compare(job: Job, base: str, head: str) -> Comparison | None:
    try:
        at = job.at(base=base, head=head, size=1, page=1)
        found = await job.client.fetch(Comparison, COMPARE, at, is_kept=False)
    except NoToken:
        raise
    except Refused as refusal:
        if refusal.status != 404:
            raise
        return None  # one of them is gone, or they have nothing in common
    return found if len(found.files or ()) < MOST_COMPARED else None


def _readable(task: Task, changes: _Changes) -> list[str]:
    return sorted(one for one in changes.changed if passed_over(one, task.rules) is None)


async def _read_by_name(
    job: Job, task: Task, vocabulary: Vocabulary, looked: Looked, path: str, sha: str | None
) -> bool:
    """Look at a file by git's name of its content, if that is told; False if there is no such.

    Of a submodule GitHub tells the commit instead. Raises CallFailed.
    """
    if sha is None:
        return False
    try:
        await code_files.read_blob(job, task, vocabulary, looked, path, sha, 0)
    except NoToken:
        raise
    except Refused as refusal:
        if refusal.status != 404:
            raise
        return False
    return True


async def _read_files(
    job: Job,
    task: Task,
    vocabulary: Vocabulary,
    branch: str,
    changes: _Changes,
    paths: Sequence[str],
) -> Found:
    """Look at the files that have changed, those of some paths; raises CallFailed."""
    looked, is_known = Looked(), changes.is_known
    for path in paths:
        if await _read_by_name(job, task, vocabulary, looked, path, changes.changed[path]):
            continue
        if not await code_files.read_path(job, task, vocabulary, looked, path, changes.sha):
            if not is_known:  # the file may be there, and the commit not yet
                await job.client.fetch(Head, _COMMIT, job.at(ref=changes.sha), is_kept=False)
            is_known = True
    gone = [one for one in changes.removed if passed_over(one, task.rules) is None]
    found = sorted({*paths, *gone})
    where = branch, changes.sha, vocabulary.digest, found
    return Found(*where, looked.references, looked.unread)
