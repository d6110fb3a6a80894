"""The outbox's loop: looks which queues are due, and works each off until nothing in it is.

It looks when something has been committed, by whichever process, and when the next action is due.
While nothing is, it asks nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot import storage as store
from bot import times
from bot.log import logger
from bot.outbox import owner, queue
from bot.outbox.attempt import carry_out
from bot.outbox.registry import registered
from bot.services import Services

# Queues that one process works off side by side. Each makes one call at a time, so those whose
# calls hang, for twelve seconds at most, do not use up the places of the others. To wait costs
# forty KB of memory and a socket, and nothing else that there is little of.
AT_ONCE = 2_000
_CROWDED_SLEEP = 0.25  # seconds between looks while there is no place
_RETRY_SLEEP = 5.0  # the same while the database cannot be read
_LONGEST_SLEEP = 60.0  # the same while something is due later, since clocks are put forward
_SHORTEST_SLEEP = 0.05
_PAUSE = 2 * times.SECOND  # for which a queue rests after a fault of our own
_DAY = 86_400.0

Look = Callable[[], Awaitable[float | None]]


async def look_on_commits(services: Services, look: Look, rest: float) -> None:
    """Look again whenever something was committed, and when `look` says so, until cancelled.

    It returns after how many seconds that is, None if only a commit can bring work. Between two
    looks there is a `rest`.
    """
    while True:
        # From before the look, so that no commit goes unnoticed between look and wait.
        commit = asyncio.create_task(services.database.wait_for_commit(_DAY))
        await asyncio.sleep(0)
        try:
            await asyncio.wait({commit}, timeout=await _looked(look))
        finally:
            commit.cancel()
        await asyncio.sleep(rest)


async def _looked(look: Look) -> float | None:
    """Look once; return after how many seconds to look again."""
    try:
        return await look()
    except store.StorageUnavailable as error:
        logger.warning("storage unavailable", reason=str(error))
    except Exception:  # a fault in one round must not end all later ones
        logger.exception("the worker failed")
    return _RETRY_SLEEP


class Outbox:
    """Runs actions until told to stop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known = registered()
        self._owner = owner.name()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_crowded = False  # queues wait for a place
        self._stopping = False
        self._is_new = True
        self._went_back = times.clock.went_back
        self._hasten_at: int | None = None  # once more: others noticed later than we did

    async def run(self) -> None:
        """Work until cancelled."""
        await look_on_commits(self._services, self._look, _SHORTEST_SLEEP)

    async def work_off(self) -> None:
        """Carry out everything that is due now, and return."""
        while True:
            await self._look()
            if not self._tasks:
                return
            await asyncio.gather(*self._tasks.values())

    async def stop(self, seconds: float) -> None:
        """Let actions in hand come to their end for some seconds, then give their queues back."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self) -> float | None:
        """Take on the queues that are due; return after how many seconds to look again."""
        if self._is_new:
            api_urls = self._services.settings.github_api_urls
            await self._services.database.write(lambda tx: queue.inherit(tx, api_urls))
            self._is_new = False
        await self.hasten()
        now = times.now()

        def due(tx: store.Transaction) -> tuple[list[str], int | None]:
            # One more than there are places tells that there are more.
            return store.actions.due_queues(tx, now, AT_ONCE + 1), store.actions.next_due(tx)

        queues, next_due = await self._services.database.read(due)
        waiting = [name for name in queues if name not in self._tasks]
        free = 0 if self._stopping else AT_ONCE - len(self._tasks)
        for name in waiting[:free]:
            task = self._tasks[name] = asyncio.create_task(self._serve(name), name=name)
            task.add_done_callback(lambda ended: self._tasks.pop(ended.get_name(), None))
        self._is_crowded = len(waiting) > free
        if self._is_crowded:
            return _CROWDED_SLEEP
        if next_due is None:
            return None
        seconds = (next_due - times.now()) / times.SECOND
        return min(max(seconds, _SHORTEST_SLEEP), _LONGEST_SLEEP)

    async def hasten(self) -> None:
        """Let all that waits be due once the clock was set back: it would wait that much longer."""
        passed, went_back = times.passed(), times.clock.went_back
        is_late = self._hasten_at is not None and passed >= self._hasten_at
        is_new = went_back != self._went_back
        if not is_new and not is_late:
            return
        logger.warning("the clock was set back", now=times.render(times.now()))
        await self._services.database.write(queue.clock_set_back)
        self._hasten_at = passed + times.STANDS if is_new else None
        self._went_back = went_back

    def _wants_more(self) -> bool:
        """Tell whether a queue is to go on: while others wait, each has one action a turn."""
        return not self._stopping and not self._is_crowded

    async def _serve(self, name: str) -> None:
        """Work off one queue as long as something in it is due."""
        held = None
        try:
            database = self._services.database
            held = await queue.claim(database, name, self._owner, self._wants_more)
            while held is not None and held.begun is not None and not self._stopping:
                with structlog.contextvars.bound_contextvars(action=held.begun.id):
                    await carry_out(self._services, self._known, held, held.begun)
        except queue.LeaseLost:
            logger.warning("lease lost", queue=name)
        except Exception as error:
            if isinstance(error, store.StorageUnavailable):
                logger.warning("storage unavailable", reason=str(error))
            else:
                logger.exception("the outbox failed", queue=name)
            if held is not None:  # not at once again
                held.not_before = times.now() + _PAUSE
        finally:
            if held is not None:
                await held.give_back()
