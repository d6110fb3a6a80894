"""What the rest of the service knows of a database: transactions, and an engine to run them.

Every engine lets one write transaction run at a time, whichever process it is of. Jobs can
therefore read and then write without locks of their own, and the order of ids is that of commits.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Mapping[str, Any]
Params = Mapping[str, Any]
NO_PARAMS: Params = {}


class StorageUnavailable(Exception):
    """The database cannot take or give data now; nothing of the job was kept."""


class StorageRefused(Exception):
    """The database cannot be used at all: made by a newer version, or not a database."""


class Transaction(Protocol):
    """An open transaction. Parameters are named (`:name`); flags are 0 and 1, times BIGINT µs."""

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Run a query and return its rows."""

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Run a query and return its first row, None if there is none."""

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return how many rows it changed."""

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each of `rows`."""

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table of this name."""


Job = Callable[[Transaction], T]


class Database(Protocol):
    """A storage engine. Jobs are plain functions: they use no network and wait for nothing."""

    def existing_version(self) -> int:
        """Return the schema version of the database that is there, and change nothing. Blocking.

        Raises StorageRefused, which says what is there instead, if it is none of this program's.
        """

    def migrate(self) -> None:
        """Bring the schema up to date; raises StorageRefused for a newer one. Blocking."""

    async def start(self) -> None:
        """Open connections; the schema must be up to date."""

    async def write(self, job: Job[T], *, heavy: bool = False) -> T:
        """Run `job` in a transaction and return its result once that is committed.

        Jobs that wait together share one commit, each behind a savepoint of its own: one that
        raises is undone alone and its exception raised here. `heavy` says that the job may take
        longer than a few milliseconds. Raises StorageUnavailable.
        """

    async def read(self, job: Job[T], *, heavy: bool = False) -> T:
        """Run `job` in a read-only transaction. Raises StorageUnavailable.

        `heavy` says that it may take longer than anybody who asks over HTTP would wait.
        """

    async def last_id(self, table: str) -> int:
        """Return the last id given out in a table whose ids are never given out twice."""

    async def continue_ids(self, tables: Mapping[str, str], given: Mapping[str, int]) -> None:
        """Let new rows get ids above those that were copied in.

        `tables` names the column of each table's id, `given` the `last_id` of some of them.
        """

    async def check(self) -> None:
        """Return if the database answers, takes writes and has this program's schema.

        Raises StorageUnavailable.
        """

    async def wait_for_commit(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Return True at the next commit of a change, False after `timeout` seconds without."""

    async def close(self) -> None:
        """Finish the jobs in hand and close every connection."""


class CommitSignal:
    """Wakes everyone who waits for the next commit. Lives on the event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def announce(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109
        event = self._event
        try:
            async with asyncio.timeout(timeout):
                return await event.wait()
        except TimeoutError:
            return False
