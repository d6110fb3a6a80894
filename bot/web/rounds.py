"""Rounds of open streams: what is new is read once for all of them, and they tell it by turns.

A thousand streams that each asked the database after each commit, and all wrote at once, would
leave no time for the deliveries that they tell of.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from bot import storage as store
from bot.log import logger
from bot.web import streams

T = TypeVar("T")
_AT_ONCE = 16  # streams that tell something in one turn of the loop, before others have theirs
_SHARE = 4  # one part in so many of the time may go into telling, while there is much to tell
_LONG = 86_400.0
_UNSETTLED = 0.25  # seconds between looks while others may still come before what is there


class Rounds(ABC, Generic[T]):
    """One round after each commit, as long as there are followers. Lives on the event loop."""

    def __init__(self, database: store.Database) -> None:
        self.number = 0  # of the last round
        self._database = database
        self._followers = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._going: asyncio.Task[None] | None = None
        self._told_at = 0.0

    @abstractmethod
    def job(self) -> Callable[[store.Transaction], T]:
        """Return what looks for news, for those who follow at this moment."""

    @abstractmethod
    def take(self, found: T, *, after_commit: bool) -> bool:
        """Keep what was found, in the round `number`; tell whether it is to be told now."""

    def is_unsettled(self, found: T) -> bool:
        """Tell whether there is more than what was found."""
        return False

    def forget(self) -> None:
        """Nobody follows any more."""

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Go round meanwhile."""
        self._followers += 1
        if self._going is None:
            self._going = asyncio.get_running_loop().create_task(self._go())
        try:
            yield
        finally:
            self._followers -= 1
            if self._followers == 0:
                self._stop()

    async def after(self, number: int) -> None:
        """Wait for news, or a heartbeat, of a round after one; raises StorageUnavailable."""
        if self._going is None:
            raise store.StorageUnavailable("it could not be asked for what is new")
        if self.number == number:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _stop(self) -> None:
        if self._going is not None:
            self._going.cancel()
            self._going = None
        self.forget()

    async def _go(self) -> None:
        try:
            await self._go_round()
        except store.StorageUnavailable:
            pass
        except Exception:  # a fault of our own must not leave those waiting who follow
            logger.exception("no news for streams")
        # Those who wait come back, by themselves or with the next to follow.
        self._stop()
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_exception(store.StorageUnavailable("there is no news"))

    async def _go_round(self) -> None:
        # Waited for from before each look on, without a pause: no commit is missed.
        committed = await self._next_commit()
        try:
            while True:
                if after_commit := committed.done():
                    committed = await self._next_commit()
                found = await self._database.read(self.job())
                self.number += 1
                await self._tell(is_news=self.take(found, after_commit=after_commit))
                # What holds the rest back may end without a commit that is heard of.
                pause = _UNSETTLED if self.is_unsettled(found) else streams.HEARTBEAT
                await asyncio.wait({committed}, timeout=pause)
        finally:
            committed.cancel()

    async def _next_commit(self) -> "asyncio.Task[bool]":
        """Return what is done at the next commit from now on."""
        waiting = asyncio.create_task(self._database.wait_for_commit(_LONG))
        await asyncio.sleep(0)  # it waits from when it has begun
        return waiting

    async def _tell(self, *, is_news: bool) -> None:
        """Give those who wait their turns; without news only if they were quiet for long."""
        if not is_news and not streams.is_quiet(self._told_at):
            return
        loop = asyncio.get_running_loop()
        started = self._told_at = loop.time()
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), _AT_ONCE):
            for turn in waiting[first : first + _AT_ONCE]:
                if not turn.done():
                    turn.set_result(None)
            await asyncio.sleep(0)
        if len(waiting) > _AT_ONCE:
            await asyncio.sleep((loop.time() - started) * (_SHARE - 1))
