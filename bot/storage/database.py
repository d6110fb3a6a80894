"""What the rest of the service knows of a database: transactions, and an engine to run them.

Jobs that change the same repository, or the same experiment, run one after the other, whichever
processes they are of, so that they can read and then write: each says what it locks. SQLite has
one writer in any case.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from bot.storage.transaction import NO_PARAMS, Params, Row, Statements, Transaction, Values

__all__ = ["NO_PARAMS", "Params", "Row", "Statements", "Transaction", "Values"]

T = TypeVar("T")

# In which a job is done, or whoever waits for it told that it is not: GitHub gives up after ten.
SECONDS = 8.0
CHECK_SECONDS = 5.0  # the same for whoever asks whether there is a database
ASIDE_SECONDS = 1.0  # the same for what may just as well be left out
COPYING_SECONDS = 86_400.0  # for a read of all that there is
LONG_SECONDS = 600.0  # the same for work for which nobody waits over HTTP
OFFICE = ("office",)  # what jobs lock that touch nothing that deliveries do


def lock_of_experiment(key: str) -> str:
    """Return what those lock who make, change or remove an experiment."""
    return f"experiment:{key}"


def locks_of_repository(host: str, github_id: int | None, full_name: str | None) -> list[str]:
    """Return what those lock who change what is in a repository, as far as they know who it is.

    Whoever knows its id locks its name too, so that they and those who know but the name wait for
    each other.
    """
    by_id = [f"repository:{host}:{github_id}"] if github_id is not None else []
    by_name = [f"repository:{host}:{full_name.lower()}"] if full_name is not None else []
    return by_id + by_name


class Touched(Struct, frozen=True):
    """What a job is going to look at, as far as that is known before it runs."""

    integration_id: str
    integration_seq: int
    guid: str
    host: str
    github_id: int | None = None  # of the repository
    full_name: str | None = None
    kind: str | None = None  # of the item, with its number
    number: int | None = None
    head_ref: str | None = None  # of the pull request, if its head is in the repository itself
    fork: tuple[int | None, str] | None = None  # else the id and name of where its head is
    pushed: tuple[str, tuple[str, ...]] | None = None  # the branch of a push, and its commits' SHAs

    @property
    def locks(self) -> list[str]:
        """What the job locks: the repositories whose contents it may change."""
        locks = locks_of_repository(self.host, self.github_id, self.full_name)
        return locks + locks_of_repository(self.host, *self.fork) if self.fork else locks


class StorageUnavailable(Exception):
    """The database cannot take or give data now.

    Nothing of the job was kept, or nobody knows yet whether it is going to be. The `remedy`, if
    waiting alone does not help, may be told to anybody.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


class TooMuchUnread(StorageUnavailable):
    """Somebody has kept the database from being tidied for too long. Anybody may read why."""


class StorageRefused(Exception):
    """The database cannot be used at all: made by a newer version, or not a database."""


class IncompleteCopy(StorageRefused):
    """There is a part of an installation, of which a copy was not completed."""


class Burden(Struct, frozen=True):
    """What has piled up in a database that others keep from being tidied."""

    log_bytes: int = 0  # of the write-ahead log, where it is ours to look after
    warning: str | None = None  # what to do about it, if it is much


Job = Callable[[Transaction], T]
Note = Callable[[int, int], None]  # how many statements are done, and of how many
Bind = Callable[[str, str], str]  # the id of an integration and what it has sealed, to the new seal


class Database(Protocol):
    """A storage engine. Jobs are plain functions: they use no network and wait for nothing."""

    def existing_version(self) -> int:
        """Return the schema version of the database that is there, and change nothing. Blocking.

        Raises StorageRefused, which says what is there instead, if it is none of this program's,
        or a copy that was not completed, and StorageUnavailable while its server is away.
        """

    def migrate(self, note: Note = ..., bind: Bind = ..., *, incomplete: bool = False) -> None:
        """Bring the schema up to date; raises StorageRefused for a newer one. Blocking.

        Raises StorageUnavailable while the server is away.

        `note` is told how far it is. `bind` binds a seal of a version before to its integration;
        what it raises undoes the whole. A copy that was not completed is refused, unless
        `incomplete` says that it is about to be: then a new database is marked as one, too.
        """

    async def start(self) -> None:
        """Open connections; the schema must be up to date."""

    async def write(
        self,
        job: Job[T],
        *,
        heavy: bool = False,
        touched: Touched | None = None,
        locks: Sequence[str] = OFFICE,
        seconds: float = SECONDS,
    ) -> T:
        """Run `job` in a transaction and return its result once that is committed.

        Jobs that wait together share one commit: one that raises is undone alone and its exception
        raised here. `heavy` says that the job may take longer than a few milliseconds, `touched`
        what it will look at, which is read for the whole batch at once. A job may be run more than
        once before it is committed. Raises StorageUnavailable, after some seconds at the latest:
        a job that has not begun by then, or whose caller has gone, is not run any more. Of one that
        is being committed at that moment nobody knows what becomes of it.

        Jobs that lock different names may be run at the same time, by other processes too: each
        sees what those with a name in common have committed before. What a job locks follows from
        `touched`; else it is `locks`.
        """

    async def read(self, job: Job[T], *, heavy: bool = False) -> T:
        """Run `job` in a read-only transaction. Raises StorageUnavailable.

        `heavy` says that it may read all that there is, however long that takes: without that it
        has SECONDS.
        """

    async def last_id(self, table: str) -> int:
        """Return the last id given out in a table whose ids are never given out twice."""

    async def continue_ids(self, tables: Mapping[str, str], given: Mapping[str, int]) -> None:
        """Let new rows get ids above those that were copied in.

        `tables` names the column of each table's id, `given` the `last_id` of some of them.
        """

    async def check(self) -> None:
        """Return if the database takes a write now and has this program's schema.

        Raises StorageUnavailable.
        """

    def burden(self) -> Burden:
        """Return what has piled up."""

    async def wait_for_commit(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Return True at the next commit of a change, False after `timeout` seconds without."""

    async def close(self) -> None:
        """Finish the jobs in hand and close every connection."""


async def in_time(work: Awaitable[T], seconds: float) -> T:
    """Return what comes of some work; raises StorageUnavailable if that takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise StorageUnavailable(f"the database did not answer in {seconds:g} seconds") from None


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
