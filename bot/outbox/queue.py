"""A queue of actions, held by one process at a time: leased, gone through in order, given back.

A queue belongs to one credential (a token, or an installation of an App), so leasing it is what
keeps writes one at a time. A process that dies lets its lease run out, and another one goes on.
What is kept here in memory follows what has been committed, never what is only tried.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import actions, parts
from bot.github import Limited, NotListed
from bot.github.client import CALL_SECONDS
from bot.github.limits import MANY_WAITING, Pace, creates_content
from bot.log import logger
from bot.outbox import owner

LEASE = 20 * times.SECOND
# A write begins only while this much of the lease is left: its call ends within it.
_NEEDED = round((CALL_SECONDS + 2) * times.SECOND)
_LONGEST_NAP = 2.0  # seconds that an action waits for its turn within itself


class LeaseLost(Exception):
    """Another process has taken the queue."""


@dataclass(slots=True)
class Held:
    """A queue that this process, the `owner`, holds. Times in microseconds."""

    database: store.Database
    name: str
    owner: str
    leased_until: int
    failures: int  # in a row
    pace: Pace
    not_before: int = 0

    async def begin(self) -> store.ListedAction | None:
        """Mark the next action as running; None if nothing is due or the queue has to wait.

        That is durable before GitHub is called: an action that is found with attempts may have
        been done.
        """
        now = times.now()
        if now < self.not_before:
            return None
        action, waiting = await self.database.write(lambda tx: self._begin(tx, now))
        self.leased_until = now + LEASE
        self.pace.many_waiting = waiting > MANY_WAITING
        return action

    def _begin(self, tx: store.Transaction, now: int) -> tuple[store.ListedAction | None, int]:
        if not store.actions.renew(tx, self.name, self.owner, now + LEASE):
            raise LeaseLost
        action = store.actions.head(tx, self.name, now)
        if action is None:
            return None, 0
        waiting = store.actions.waiting(tx, self.name, now, MANY_WAITING + 1)
        attempts = action.attempts + 1
        store.actions.change(tx, action.id, status="running", attempts=attempts, aside=False)
        return action, waiting

    async def before_write(self, method: str, path: str) -> list[int]:
        """Wait for the turn of a write, and make sure that the queue is still ours.

        Returns how many content-creating calls the present minute and hour have left.
        """
        content = creates_content(method, path)
        wait = self.pace.wait(times.now() / times.SECOND, content=content)
        if wait > _LONGEST_NAP:
            raise Limited("GitHub's limit on content is used up for now", wait)
        if wait > 0:
            await times.sleep(wait)
        now = times.now()
        if self.leased_until - now < _NEEDED:
            until = now + LEASE
            if not await self.database.write(
                lambda tx: store.actions.renew(tx, self.name, self.owner, until)
            ):
                raise LeaseLost
            self.leased_until = until
        self.pace.wrote(times.now() / times.SECOND, content=content)
        return self.pace.left(now / times.SECOND)

    async def give_back(self) -> None:
        """Release the queue, with the pause that it needs and the time of its next action."""
        try:
            await asyncio.shield(self.database.write(self._give_back))
        except store.StorageUnavailable as error:  # the lease runs out by itself
            logger.warning("queue not given back", queue=self.name, reason=str(error))

    def _give_back(self, tx: store.Transaction) -> None:
        if not store.actions.renew(tx, self.name, self.owner, self.leased_until):
            return
        _put_back_running(tx, self.name, times.now())
        due = {"not_before": self.not_before, "due_at": store.actions.earliest(tx, self.name)}
        kept = {"failures": self.failures, "writes": self.pace.writes}
        store.actions.change_queue(tx, self.name, self.owner, **due, **kept)
        store.actions.release(tx, self.name, self.owner)


async def claim(database: store.Database, name: str, new_owner: str) -> Held | None:
    """Lease a queue; None if another process holds it."""
    now = times.now()

    def job(tx: store.Transaction) -> store.Queue | None:
        row = store.actions.claim(tx, name, new_owner, now, now + LEASE)
        if row is not None:
            _put_back_running(tx, name, now)  # left by a process that died
        return row

    row = await database.write(job)
    if row is None:
        return None
    return Held(database, name, new_owner, now + LEASE, row.failures, Pace(row.writes))


def inherit(tx: store.Transaction, api_urls: Iterable[str]) -> None:
    """Free the queues of processes that have died on this machine: it was perhaps our own.

    What they had in hand is tried again when no call of theirs can be under way any more. What
    waited for another list of GITHUB_API_URLS is tried now, if that is what this one has.
    """
    now = times.now()
    for api_url in api_urls:
        store.actions.hasten_kept(tx, str(NotListed(api_url)), now)
    for queue in store.actions.leased_queues(tx, now):
        if queue.owner is not None and owner.is_dead(queue.owner):
            _put_back_running(tx, queue.queue, now + _NEEDED)
            store.actions.release(tx, queue.queue, queue.owner)
            store.actions.wake(tx, queue.queue, now)


def _put_back_running(tx: store.Transaction, name: str, at: int) -> None:
    for action in store.actions.running_in(tx, name):
        put_back(tx, action, at)


# What an attempt may have changed of an action; of one that has parts, also what is left of them.
_KEPT = ("attempts", "last_error", "reason", "remedy")
_KEPT_OF_PARTS = (*_KEPT, "stale", "again", "rewrite", "parts")


def _kept(action: store.Action) -> dict[str, Any]:
    names = _KEPT_OF_PARTS if action.parts is not None else _KEPT
    return {name: getattr(action, name) for name in names}


def put_back(tx: store.Transaction, action: store.Action, at: int, *, aside: bool = False) -> None:
    """Let an action be tried at a time, unless another has come to stand for it meanwhile.

    With `aside` others of its order do not wait for it.
    """
    newer = actions.superseding(tx, action)
    if newer is None:
        waits = {"status": "pending", "next_attempt_at": at, "aside": aside}
        store.actions.change(tx, action.id, **_kept(action), **waits)
        return
    # The newer one is told that something may have been done already, and does all that was asked.
    asked = {**action.request, **newer.request}
    attempts = newer.attempts + max(action.attempts, 1)
    at = max(newer.next_attempt_at or at, at)
    more = {"attempts": attempts, "next_attempt_at": at, "request": asked}
    store.actions.change(tx, newer.id, **more, **parts.merged(action, newer))
    end(tx, action, "done", {"superseded_by": newer.id})


def end(
    tx: store.Transaction, action: store.Action, status: str, result: Mapping[str, Any]
) -> None:
    """Let an action be done, or have failed."""
    over = {"next_attempt_at": None, "finished_at": times.now()}
    store.actions.change(
        tx, action.id, **_kept(action), status=status, result=result or None, **over
    )
