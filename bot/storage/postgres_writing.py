"""A connection of PostgreSQL that writes: what becomes of a batch while servers come and go."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg import errors

from bot.storage.database import StorageUnavailable, Transaction
from bot.storage.group_commit import FlushRefused, GroupCommit, Task, run_all
from bot.storage.postgres_address import (
    COMMIT_SECONDS,
    CONFLICT,
    LOST,
    READ_ONLY,
    Address,
    Connection,
    Watchdog,
    commit,
    limit_of,
    one_line,
)
from bot.storage.postgres_listening import Commits
from bot.storage.postgres_opening import Held, OpeningToWrite, roll_back
from bot.storage.postgres_statements import PostgresStatements


class Writer(GroupCommit):
    """A connection of this process that writes; opened when needed, again when lost.

    `renew_readers` is called when the server turns out to take no writes any more: what is read
    there is getting old. Jobs whose locks others hold are set aside, if there is somebody to take
    them over; or else waited for.
    """

    def __init__(
        self,
        address: Address,
        watchdog: Watchdog,
        commits: Commits,
        renew_readers: Callable[[], None],
        set_aside: Callable[[Task], None] | None = None,
    ) -> None:
        super().__init__()
        self.signal = commits
        self._address, self._watchdog, self._renew_readers = address, watchdog, renew_readers
        self._set_aside = set_aside
        self._connection: Connection | None = None
        self._ids: dict[str, list[int]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="postgres-writer")

    async def commit(self, batch: list[Task]) -> bool:
        try:
            return await self._loop.run_in_executor(self._thread, self._commit, batch)
        finally:  # what becomes of the rest is not theirs
            for task in batch:
                if task.is_aside and not task.is_over and self._set_aside is not None:
                    self._set_aside(task)

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()

    def _commit(self, batch: list[Task]) -> bool:
        """Run `batch`, again from its beginning while the server is away or takes sides.

        It is given up when nobody waits for it any more.

        Jobs only ever change the database, so one that was rolled back can be run again. One
        whose outcome nobody can know is not acknowledged: see `commit`.
        """
        if not batch:
            return False
        longest = max(task.seconds for task in batch)
        seconds = limit_of(longest, heavy=any(task.heavy for task in batch))
        while True:
            try:
                connection = self._open()
                with self._watchdog.limit(connection, seconds):
                    changed = self._run(connection, batch, seconds)
            except (*LOST, *READ_ONLY, *CONFLICT, errors.UniqueViolation) as error:
                if self._set_aside is not None and isinstance(error, errors.LockNotAvailable):
                    roll_back(connection)
                    for task in batch:
                        task.is_aside = True
                    return False
                self._drop()
                if isinstance(error, READ_ONLY):
                    self._renew_readers()
                self.obstacle = one_line(error)
                # A full disk is for people to empty, who are told at once.
                if isinstance(error, errors.DiskFull) or not self.is_awaited(batch):
                    raise StorageUnavailable(self.obstacle) from error
                for task in batch:
                    task.result = task.error = None
                    task.is_aside = False
                time.sleep(0.1)
                continue
            except Exception:  # a fault of our own: begin anew next time
                self._drop()
                raise
            try:
                self.require_worth(batch)
                with self._watchdog.limit(connection, COMMIT_SECONDS):
                    commit(connection)
            except StorageUnavailable:
                self._drop()
                raise
            return changed

    def _run(self, connection: Connection, batch: list[Task], seconds: float) -> bool:
        """Run the jobs of `batch`, but for those that are set aside; tell if a row was changed."""
        for singly in (False, True):
            batch = [task for task in batch if not task.is_aside]
            names = {lock for task in batch for lock in task.locks}
            hasty = self._set_aside is not None
            opening = OpeningToWrite(names, self._ids, len(batch), seconds, hasty=hasty)
            statements = PostgresStatements(connection, self._ids, opening)
            try:
                self._run_once(statements, batch, singly=singly)
            except FlushRefused:
                if singly:
                    raise
                roll_back(connection)
                continue
            if not statements.changed and not all(task.is_aside for task in batch):
                # What is answered follows from what others have committed: whether that is safe
                # on a replica is told with a commit that has something to say.
                statements.run("SELECT pg_logical_emit_message(TRUE, 'experiment-bot', '')")
            return statements.changed
        raise AssertionError("unreachable")

    def _run_once(self, statements: PostgresStatements, batch: list[Task], *, singly: bool) -> None:
        """Run jobs; those that wait for locks of others are set aside, and what was read, too."""
        try:
            run_all(Transaction(statements), batch, _told, psycopg.Error, singly=singly)
        except Held as held:
            for task in batch:
                task.is_aside = not held.names.isdisjoint(task.locks)
            mine = [task for task in batch if not task.is_aside]
            run_all(Transaction(statements), mine, _told, psycopg.Error, singly=singly)

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._address.connect(self._watchdog)
        return self._connection

    def _drop(self) -> None:
        self._ids.clear()  # another server may give them to others
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _told(error: Exception) -> Exception:
    """Return what the caller of a job is told of an error; raises what ends the transaction.

    A row that was not there a moment ago has been added by another: tried again, the job sees it.
    """
    if isinstance(error, (*LOST, *READ_ONLY, *CONFLICT, errors.UniqueViolation, Held)):
        raise error
    return error
