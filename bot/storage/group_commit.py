"""Group commit: write jobs that wait together share one transaction and one commit."""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from bot.storage.database import CommitSignal, Job, StorageUnavailable, T

MAX_BATCH = 64  # jobs in one commit
_TURNS = 8  # of the event loop, at most, before a batch begins


@dataclass(slots=True)
class Task:
    """A job that waits for its commit, and what became of it."""

    job: Job[Any]
    future: asyncio.Future[Any]
    context: contextvars.Context
    heavy: bool
    result: Any = None
    error: Exception | None = None


class GroupCommit(ABC):
    """Gathers write jobs into batches, one batch at a time; the engine commits a batch."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Task] = []
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False
        self.signal = CommitSignal()

    @abstractmethod
    async def commit(self, batch: list[Task]) -> bool:
        """Run the jobs in order, each behind a savepoint, and commit them.

        Returns whether a row was changed: who waits for commits is not woken for nothing.

        Sets each task's `result`, or `error` for a job that raised and was undone alone. Raises
        StorageUnavailable if nothing was kept, or if it cannot be known what was.
        """

    async def write(self, job: Job[T], *, heavy: bool) -> T:
        """Run `job` in the next batch; see Database.write."""
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(Task(job, future, contextvars.copy_context(), heavy))
        if self._flushing is None:
            self._flushing = self._loop.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Take no more jobs, and return when those in hand are committed."""
        self._closed = True
        if self._flushing is not None:
            await self._flushing
        self.signal.announce()

    async def _flush(self) -> None:
        """Commit what waits, batch by batch: while one is synced to disk the next gathers."""
        try:
            while self._waiting:
                await self._gather()
                batch = self._waiting[:MAX_BATCH]
                del self._waiting[:MAX_BATCH]
                changed = True
                try:
                    changed = await self.commit(batch)
                except StorageUnavailable as error:
                    for task in batch:
                        task.error = task.error or error
                except Exception as error:  # a fault of the engine's own must not strand a request
                    for task in batch:
                        task.error = task.error or StorageUnavailable(f"{type(error).__name__}")
                        task.error.__cause__ = task.error.__cause__ or error
                self._hand_back(batch)
                if changed:
                    self.signal.announce()
        finally:
            self._flushing = None

    async def _gather(self) -> None:
        """Let the requests that have already arrived add their jobs: a larger batch costs less."""
        for _ in range(_TURNS):
            before = len(self._waiting)
            await asyncio.sleep(0)
            if len(self._waiting) == before or before >= MAX_BATCH:
                return

    def _hand_back(self, batch: list[Task]) -> None:
        for task in batch:
            if task.future.done():  # its request was cancelled; the work stands all the same
                continue
            if task.error is not None:
                task.future.set_exception(task.error)
            else:
                task.future.set_result(task.result)
