"""Group commit: write jobs that wait together share one transaction and one commit."""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.storage import loading
from bot.storage.database import SECONDS, CommitSignal, Job, StorageUnavailable, T, Touched
from bot.storage.transaction import Interrupted, Transaction

MAX_BATCH = 64  # jobs in one commit
_TURNS = 8  # of the event loop, at most, before a batch begins
_SIBLINGS = 4  # jobs of a batch, from which on the next may wait for as many
_RECENT = 0.01  # seconds after it in which that is so
_PAUSE = 0.001  # seconds in which one of them at least has to come
_LOOKS = 8  # at most
_CLOSE_SECONDS = 0.5  # for jobs in hand, when there are to be no more: requests had their time
_LATE = "the database did not take it in time"


@dataclass(slots=True)
class Task:
    """A job that waits for its commit, and what became of it."""

    job: Job[Any]
    future: asyncio.Future[Any]
    context: contextvars.Context
    heavy: bool
    touched: Touched | None
    locks: Sequence[str]
    seconds: float  # in which it is done, or its caller told that it is not
    until: float  # that is, of the loop's time
    result: Any = None
    error: Exception | None = None
    afterwards: Sequence[Callable[[], None]] = ()
    is_aside: bool = False  # it is somebody else's by now
    is_over: bool = False  # nobody waits for it any more: if it has not begun, it is left out


class GroupCommit(ABC):
    """Gathers write jobs into batches, one batch at a time; the engine commits a batch."""

    waits_for_siblings = True  # what a batch costs by itself is worth it

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Task] = []
        self._in_hand: list[Task] = []
        self._timer: asyncio.TimerHandle | None = None  # for the first of them whose time is over
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False
        self._answered, self._answered_at = 0, 0.0  # jobs of the last batch, and when
        self.obstacle: str | None = None  # what the batch in hand waits for
        self.signal = CommitSignal()

    async def prepare(self) -> None:  # noqa: B027 - not every engine has to wait
        """Wait until a batch can begin, or nobody waits for it. Jobs go on gathering.

        Raises StorageUnavailable.
        """

    @abstractmethod
    async def commit(self, batch: list[Task]) -> bool:
        """Run the jobs in order (see `run_all`), and commit them; there may be none by now.

        Returns whether a row was changed: who waits for commits is not woken for nothing.

        Sets each task's `result`, or `error` for a job that raised and was undone alone. Raises
        StorageUnavailable if nothing was kept, or if it cannot be known what was.
        """

    async def write(
        self,
        job: Job[T],
        *,
        heavy: bool,
        touched: Touched | None,
        locks: Sequence[str],
        seconds: float = SECONDS,
    ) -> T:
        """Run `job` in the next batch; see Database.write."""
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        future: asyncio.Future[T] = self._loop.create_future()
        locks = touched.locks if touched is not None else locks
        context, until = contextvars.copy_context(), self._loop.time() + seconds
        task = Task(job, future, context, heavy, touched, locks, seconds, until)
        self.take(task)
        try:
            return await future
        except asyncio.CancelledError:
            task.is_over = True
            raise

    def take(self, task: Task) -> None:
        """Run a task in the next batch."""
        self._waiting.append(task)
        if self._timer is None or self._timer.when() > task.until:
            self._look_again_at(task.until)
        if self._flushing is None:
            self._flushing = self._loop.create_task(self._flush())

    @property
    def is_idle(self) -> bool:
        """Whether no job is in hand or waits."""
        return self._flushing is None

    async def close(self) -> None:
        """Take no more jobs, and return when those in hand are committed, or cannot be."""
        self._closed = True
        if self._flushing is not None:
            await asyncio.wait((self._flushing,), timeout=_CLOSE_SECONDS)
            self._give_up(self._in_hand + self._waiting)
        if self._flushing is not None:
            await self._flushing
        if self._timer is not None:
            self._timer.cancel()
        self.signal.announce()

    def is_awaited(self, tasks: Sequence[Task]) -> bool:
        """Tell whether anybody still waits for one of some tasks."""
        return any(not task.is_over for task in tasks)

    def require_worth(self, batch: Sequence[Task]) -> None:
        """Raise StorageUnavailable if what has been done for some tasks is not to be committed.

        What took long is there when it is sent again, even if nobody waits for it any more.
        """
        if all(task.is_over and not task.heavy for task in batch):
            raise StorageUnavailable(_LATE)

    def _look_again_at(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._look_at_time)

    def _look_at_time(self) -> None:
        """Give up the tasks whose time is over. One timer serves all: most never need it."""
        self._timer, now = None, self._loop.time()
        held = [task for task in (*self._in_hand, *self._waiting) if not task.future.done()]
        self._give_up([task for task in held if task.until <= now])
        if rest := [task.until for task in held if task.until > now]:
            self._look_again_at(min(rest))

    def _give_up(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            task.is_over = True
            if not task.future.done():
                task.future.set_exception(StorageUnavailable(self.obstacle or _LATE))

    async def _flush(self) -> None:
        """Commit what waits, batch by batch: while one is synced to disk the next gathers."""
        try:
            while self._waiting:
                await self._gather()
                batch: list[Task] = []
                changed = True
                try:
                    try:
                        await self.prepare()
                    finally:
                        batch = self._in_hand = self._take_batch()
                    for task in batch:
                        task.is_aside = False
                    changed = await self.commit(batch)
                except StorageUnavailable as error:
                    for task in batch:
                        task.error = task.error or error
                except Exception as error:  # a fault of the engine's own must not strand a request
                    for task in batch:
                        task.error = task.error or StorageUnavailable(f"{type(error).__name__}")
                        task.error.__cause__ = task.error.__cause__ or error
                self._hand_back(batch)
                self._in_hand, self.obstacle = [], None
                if changed:
                    self.signal.announce()
        finally:
            self._flushing = None

    def _take_batch(self) -> list[Task]:
        """Return the first of those that somebody waits for; nobody else is kept."""
        waiting = [task for task in self._waiting if not task.is_over]
        batch, self._waiting[:] = waiting[:MAX_BATCH], waiting[MAX_BATCH:]
        return batch

    async def _gather(self) -> None:
        """Let the requests that have already arrived add their jobs: a larger batch costs less.

        Where many come at once, as many as were just answered are about to: an engine may wait for
        them as long as some arrive.
        """
        for _ in range(_TURNS):
            before = len(self._waiting)
            await asyncio.sleep(0)
            if len(self._waiting) == before or before >= MAX_BATCH:
                break
        if not self.waits_for_siblings or self._answered < _SIBLINGS:
            return
        if self._loop.time() > self._answered_at + _RECENT:
            return
        wanted = min(len(self._waiting) + self._answered, MAX_BATCH)
        for _ in range(_LOOKS):
            before = len(self._waiting)
            if before >= wanted:
                return
            await asyncio.sleep(_PAUSE)
            if len(self._waiting) == before:
                return

    def _hand_back(self, batch: list[Task]) -> None:
        self._answered, self._answered_at = len(batch), self._loop.time()
        for task in batch:
            if task.is_aside:
                continue
            if task.error is None:
                for call in task.afterwards:
                    task.context.run(call)
            # Its request may be cancelled, or its time over; the work stands all the same.
            if task.future.done():
                continue
            if task.error is not None:
                task.future.set_exception(task.error)
            else:
                task.future.set_result(task.result)


# --- Running a batch: the same for every engine


Told = Callable[[Exception], Exception]


class FlushRefused(Exception):
    """The database has refused what a batch is to read or write: perhaps for one job's sake."""


def run_all(
    tx: Transaction,
    batch: Sequence[Task],
    told: Told,
    database_error: type[Exception],
    *,
    singly: bool = False,
) -> None:
    """Run the jobs of a batch in order, and write what they have changed, all at once.

    `told` turns an error into what the job's caller is told; it raises what ends the whole
    transaction. `database_error` are those of the engine's own. With `singly` each job is written
    by itself, so that one whose changes are refused fails alone. What is over is left out. Raises
    FlushRefused.
    """
    for task in batch:
        task.result = task.error = None
        task.afterwards = ()
    batch = [task for task in batch if not task.is_over]
    touched = [task.touched for task in batch if task.touched is not None]
    if touched and not singly:
        try:
            loading.load(tx, touched)
        except Exception as error:
            raise FlushRefused from told(error)
    for task in batch:
        is_done = False
        if task.touched is not None and not singly:
            is_done = _run_in_memory(tx, task, told, database_error)
        if not is_done:
            _run_directly(tx, task, told)
    _flush(tx, told)
    tx.forget()


def _run_in_memory(
    tx: Transaction, task: Task, told: Told, database_error: type[Exception]
) -> bool:
    """Run a job; False if it cannot be run without statements of its own."""
    tx.begin_in_memory()
    try:
        task.result = task.context.run(task.job, tx)
        task.afterwards = tx.take_afterwards()
    except Interrupted:
        tx.undo()
        return False
    except database_error as error:
        raise FlushRefused from told(error)  # no savepoint was before it
    except Exception as error:
        task.error = told(error)
        tx.undo()
    return True


def _run_directly(tx: Transaction, task: Task, told: Told) -> None:
    _flush(tx, told)
    tx.begin_directly()
    try:
        task.result = task.context.run(task.job, tx)
        tx.end_directly()
        task.afterwards = tx.take_afterwards()
    except Exception as error:
        task.error = told(error)
        tx.undo()


def _flush(tx: Transaction, told: Told) -> None:
    try:
        tx.flush()
    except Exception as error:
        raise FlushRefused from told(error)
