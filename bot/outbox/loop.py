"""The outbox's loop: looks which queues are due, and works each off until nothing in it is."""

import asyncio

import structlog

from bot import storage as store
from bot import times
from bot.log import logger
from bot.outbox import owner, queue
from bot.outbox.attempt import carry_out
from bot.outbox.registry import registered
from bot.services import Services

_AT_ONCE = 16  # queues that one process works off side by side
_LONGEST_SLEEP = 5.0  # seconds between looks, for what another process may have left
_SHORTEST_SLEEP = 0.02
_PAUSE = 2 * times.SECOND  # for which a queue rests after a fault of our own


class Outbox:
    """Runs actions until told to stop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known = registered()
        self._owner = owner.name()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._is_new = True

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            sleep = _LONGEST_SLEEP
            # From before the look, so that no commit goes unnoticed between look and wait.
            commit = asyncio.create_task(self._services.database.wait_for_commit(sleep))
            await asyncio.sleep(0)
            try:
                sleep = await self._look()
            except store.StorageUnavailable as error:
                logger.warning("storage unavailable", reason=str(error))
            except Exception:  # a fault in one round must not end all later ones
                logger.exception("the outbox failed")
            await asyncio.wait({commit}, timeout=sleep)
            commit.cancel()
            await asyncio.sleep(_SHORTEST_SLEEP)

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

    async def _look(self) -> float:
        """Take on the queues that are due; return after how many seconds to look again."""
        if self._is_new:
            api_urls = self._services.settings.github_api_urls
            await self._services.database.write(lambda tx: queue.inherit(tx, api_urls))
            self._is_new = False
        now = times.now()

        def due(tx: store.Transaction) -> tuple[list[str], int | None]:
            return store.actions.due_queues(tx, now, _AT_ONCE), store.actions.next_due(tx)

        queues, next_due = await self._services.database.read(due)
        for name in queues:
            if name not in self._tasks and len(self._tasks) < _AT_ONCE and not self._stopping:
                task = self._tasks[name] = asyncio.create_task(self._serve(name), name=name)
                task.add_done_callback(lambda ended: self._tasks.pop(ended.get_name(), None))
        if next_due is None:
            return _LONGEST_SLEEP
        seconds = (next_due - times.now()) / times.SECOND
        return min(max(seconds, 0.05), _LONGEST_SLEEP)

    async def _serve(self, name: str) -> None:
        """Work off one queue as long as something in it is due."""
        held = None
        try:
            database = self._services.database
            held = await queue.claim(database, name, self._owner, lambda: not self._stopping)
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
