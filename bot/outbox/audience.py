"""Who is told of experiments: where everybody can read along, only those who may write there.

Anybody can open a pull request in a public repository, name whatever key comes to mind, and read
what the bot answers. So the answer goes by who asks. Who cannot be asked about is a stranger.
https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
"""

from cachetools import TTLCache

from bot import storage as store
from bot import times
from bot.commands.registry import LEVELS
from bot.domain import repositories
from bot.github import Refused
from bot.github.payloads import MayDo
from bot.outbox.registry import Job
from bot.outbox.seen import Seen
from bot.services import Services

WRITE = LEVELS.index("write")
REMEMBERED = 900 * times.SECOND
_Writers = TTLCache[tuple[str, int, int, str], bool]


def _writers(_: Services) -> _Writers:
    """Who may write where."""
    return TTLCache(maxsize=4096, ttl=REMEMBERED, timer=times.passed)


async def is_told(job: Job, item_id: int) -> bool:
    """Tell whether a pull request may be told of experiments; asks GitHub if that decides.

    Raises CallFailed if GitHub does not answer.
    """

    def known(tx: store.Transaction) -> tuple[bool | None, store.Item]:
        item = store.items.get(tx, item_id)
        if not store.links.of_target(tx, "pull_request", item_id):
            return False, item  # there is nothing to tell, unless a link comes this very moment
        return is_told_by_what_is_known(store.repositories.get(tx, item.repository_id), item), item

    return await _is_told(job, *await job.read(known))


async def is_told_on(job: Job, seen: Seen) -> bool:
    """Do as `is_told` does, for the pull request that an action is about."""
    return await _is_told(job, known_on(seen), seen.item)


def known_on(seen: Seen) -> bool | None:
    """Tell whether a pull request that was looked at is told; None if GitHub has to be asked."""
    return bool(seen.linked) and is_told_by_what_is_known(seen.repository, seen.item)


async def _is_told(job: Job, told: bool | None, item: store.Item) -> bool:
    if told is not None or item.author is None:
        return bool(told)
    key = (job.integration.id, job.integration.updated_at, job.action.repository_id, item.author)
    writers = job.services.shared(_writers)
    remembered = writers.get(key)
    if remembered is not None:
        return remembered
    try:
        level = await permission_of(job, item.author)
    except Refused as error:
        if error.status == 401:
            raise
        if error.lags and job.is_news:
            job.doubts.append(error)  # GitHub may not know yet whom it is asked about
            return False
        level = "none"
    may_write = writers[key] = LEVELS.index(level) >= WRITE
    return may_write


def is_told_by_what_is_known(repository: store.Repository, item: store.Item) -> bool | None:
    """Tell whether a pull request may be told of experiments; None if GitHub has to be asked."""
    if not repositories.is_public(repository) or item.author_writes:
        return True
    is_own = item.head_repository_id == item.repository_id
    return True if item.author_writes is None and is_own else None


async def permission_of(job: Job, login: str) -> str:
    """Ask GitHub what somebody may do in the repository: one of LEVELS; raises CallFailed.

    Who is not known there may do nothing, but for the minute in which GitHub may not know yet.
    """
    path = "/repos/{+repository}/collaborators/{login}/permission"
    try:
        found = await job.client.fetch(MayDo, path, job.at(login=login))
    except Refused as error:
        if error.status == 404 and not job.is_news:
            return "none"
        raise
    known = (level for level in (found.role_name, found.permission) if level in LEVELS)
    return next(known, None) or "none"
