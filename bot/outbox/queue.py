"""A queue of actions, held by one process at a time: leased, gone through in order, given back.

A queue belongs to one credential (a token, or an installation of an App), so leasing it is what
keeps writes one at a time. A process that dies lets its lease run out, and another one goes on.
What is kept here in memory follows what has been committed, never what is only tried.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

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
_BACK_SECONDS = 3.0  # for a queue to be given back: its lease runs out soon
_LONGEST_NAP = 2.0  # seconds that an action waits for its turn within itself


class LeaseLost(Exception):
    """Another process has taken the queue."""


@dataclass(slots=True)
class Held:
    """A queue that this process, the `owner`, holds. Times in microseconds.

    `begun` is the action that is in hand. It was marked as running in the transaction that claimed
    the queue, or kept what became of the one before. That is durable before GitHub is called: an
    action that is found with attempts may have been done. Once there is none the queue is given
    back, which happens in the same transaction.
    """

    database: store.Database
    name: str
    owner: str
    is_wanted: Callable[[], bool]  # whether there is to be another action after this one
    leased_until: int
    failures: int  # in a row
    pace: Pace
    not_before: int = 0
    begun: store.ListedAction | None = None
    is_held: bool = True

    async def settle(
        self, keep: Callable[[store.Transaction], None], failures: int, not_before: int
    ) -> None:
        """Keep what became of the action in hand, and begin the next; raises LeaseLost."""
        until = times.now() + LEASE
        not_before = max(self.not_before, not_before)

        def job(tx: store.Transaction) -> store.BegunAction | None:
            if not store.actions.change_queue(
                tx, self.name, self.owner, leased_until=until, writes=self.pace.writes
            ):
                raise LeaseLost
            keep(tx)
            return self._next(tx, failures, not_before)

        begun = await self.database.write(job, locks=())
        self.failures, self.not_before, self.leased_until = failures, not_before, until
        self.take(begun)

    def take(self, begun: store.BegunAction | None) -> None:
        """Note which action is in hand now that it is committed, as it was before its attempt."""
        self.is_held = begun is not None
        if begun is None:
            self.begun = None
            return
        self.pace.many_waiting = begun.waiting > MANY_WAITING
        self.begun = msgspec.structs.replace(begun, attempts=begun.attempts - 1)

    def _next(
        self, tx: store.Transaction, failures: int, not_before: int, *, is_first: bool = False
    ) -> store.BegunAction | None:
        """Begin the next action that is due, or else give the queue back."""
        now = times.now()
        begun = None
        if now >= not_before and (is_first or self.is_wanted()):
            begun = store.actions.begin(tx, self.name, now, MANY_WAITING + 1)
        if begun is None:
            _release(tx, self.name, self.owner, failures=failures, not_before=not_before)
        return begun

    async def before_write(self, method: str, path: str) -> list[int]:
        """Wait for the turn of a write, and make sure that the queue is still ours.

        A read, which is told of in the background alone, has no turn to wait for.

        Returns how many content-creating calls the present minute and hour have left.
        """
        content, is_read = creates_content(method, path), method == "GET"
        wait = 0.0 if is_read else self.pace.wait(times.now() / times.SECOND, content=content)
        if wait > _LONGEST_NAP:
            raise Limited("GitHub's limit on content is used up for now", wait)
        if wait > 0:
            await times.sleep(wait)
        now = times.now()
        if not _NEEDED <= self.leased_until - now <= LEASE:  # or the clock was set back
            until = now + LEASE
            if not await self.database.write(
                lambda tx: store.actions.renew(tx, self.name, self.owner, until), locks=()
            ):
                raise LeaseLost
            self.leased_until = until
        if not is_read:
            self.pace.wrote(times.now() / times.SECOND, content=content)
        return self.pace.left(now / times.SECOND)

    async def give_back(self) -> None:
        """Release the queue if it is still held, with what was in hand and the pause it needs."""
        if not self.is_held:
            return
        try:
            await asyncio.shield(
                self.database.write(self._give_back, locks=(), seconds=_BACK_SECONDS)
            )
        except store.StorageUnavailable as error:  # the lease runs out by itself
            logger.warning("queue not given back", queue=self.name, reason=str(error))

    def _give_back(self, tx: store.Transaction) -> None:
        if not store.actions.change_queue(tx, self.name, self.owner, writes=self.pace.writes):
            return
        _put_back_running(tx, self.name, times.now())
        kept = {"failures": self.failures, "not_before": self.not_before}
        _release(tx, self.name, self.owner, **kept)


def _release(tx: store.Transaction, name: str, owner: str, **kept: int) -> None:
    """End the lease of a queue, which is looked at again when its next action is due.

    The queue is written to before what is due in it is read: what is enqueued at this moment
    either shows by then, or waits for us and then wakes the queue. What is left of it waits behind
    the queues that are due already.
    """
    due_at = store.actions.earliest(tx, name)
    if due_at is not None:
        due_at = max(due_at, times.now())
    free = {"owner": None, "leased_until": 0}
    store.actions.change_queue(tx, name, owner, **kept, **free, due_at=due_at)


async def claim(
    database: store.Database, name: str, new_owner: str, is_wanted: Callable[[], bool]
) -> Held | None:
    """Lease a queue and begin its first action; None if another process holds it."""
    now = times.now()
    until = now + LEASE

    def job(tx: store.Transaction) -> tuple[Held, store.BegunAction | None] | None:
        row = store.actions.claim(tx, name, new_owner, now, until)
        if row is None:
            return None
        _put_back_running(tx, name, now)  # left by a process that died
        pace = Pace(row.writes)
        held = Held(database, name, new_owner, is_wanted, until, row.failures, pace)
        return held, held._next(tx, row.failures, row.not_before, is_first=True)

    claimed = await database.write(job, locks=())
    if claimed is None:
        return None
    held, begun = claimed
    held.take(begun)
    return held


def clock_set_back(tx: store.Transaction) -> None:
    """See to it that nothing waits for a time of the clock as it was."""
    now = times.now()
    store.clock.told_twice(tx, *times.clock.told_twice)
    store.clock.hasten_all(tx, now, now + LEASE)


def inherit(tx: store.Transaction, api_urls: Iterable[str]) -> None:
    """Free the queues of processes that have died on this machine: it was perhaps our own.

    What they had in hand is tried again when no call of theirs can be under way any more, and what
    only reads at once. What waited for another list of GITHUB_API_URLS is tried now, if that is
    what this one has.
    """
    now = times.now()
    for api_url in api_urls:
        store.actions.hasten_kept(tx, str(NotListed(api_url)), now)
    for queue in store.actions.leased_queues(tx, now):
        if queue.owner is not None and owner.is_dead(queue.owner):
            # What only reads may be begun again though a call of theirs is under way.
            wait = 0 if actions.is_aside(queue.queue) else _NEEDED
            _put_back_running(tx, queue.queue, now + wait)
            store.actions.release(tx, queue.queue, queue.owner)
            store.actions.wake(tx, queue.queue, now)


def _put_back_running(tx: store.Transaction, name: str, at: int) -> None:
    for action in store.actions.running_in(tx, name):
        kind = actions.KINDS.get(action.kind)
        only_reads = kind is not None and kind.background
        put_back(tx, action, min(at, times.now()) if only_reads else at)


# What an attempt may have changed of an action; of one that has parts, also what is left of them.
_KEPT = ("attempts", "last_error", "reason", "remedy", "waits", "by_hand")
_KEPT_OF_PARTS = (*_KEPT, "stale", "again", "rewrite", "parts")


def _kept(action: store.Action) -> dict[str, Any]:
    names = _KEPT_OF_PARTS if action.parts is not None else _KEPT
    return {name: getattr(action, name) for name in names}


def put_back(tx: store.Transaction, action: store.Action, at: int, *, aside: bool = False) -> bool:
    """Let a running action be tried at a time, unless another has come to stand for it meanwhile.

    With `aside` it waits by itself: others of its order do not wait for it, and what has come to
    stand for it has its own turn all the same. False if it is not running any more.
    """
    newer = actions.superseding(tx, action)
    if newer is None:
        waits = {"status": "pending", "next_attempt_at": at, "aside": aside}
        return store.actions.change_running(tx, action.id, {**_kept(action), **waits})
    if not end(tx, action, "done", {"superseded_by": newer.id}):
        return False
    # The newer one is told that something may have been done already, and does all that was asked.
    asked = {**action.request, **newer.request}
    attempts = newer.attempts + max(action.attempts, 1)
    more = {"attempts": attempts, "request": asked, **parts.merged(action, newer)}
    if not aside:
        more["next_attempt_at"] = max(newer.next_attempt_at or at, at)
    store.actions.change(tx, newer.id, **more)
    return True


def end(
    tx: store.Transaction, action: store.Action, status: str, result: Mapping[str, Any]
) -> bool:
    """Let a running action be done, or have failed; False if it is not running any more."""
    over = {"next_attempt_at": None, "finished_at": times.now()}
    ended = {**_kept(action), **over, "status": status, "result": result or None}
    return store.actions.change_running(tx, action.id, ended)
