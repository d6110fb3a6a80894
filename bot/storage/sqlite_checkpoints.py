"""Writes SQLite's write-ahead log into the file while further batches are committed.

https://www.sqlite.org/wal.html#checkpointing
"""

import shutil
import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from bot.log import logger
from bot.storage.database import TooMuchUnread

_MB = 1024 * 1024
MUCH = 256 * _MB  # of the log, which is said
MOST = 1024 * _MB  # of the log, beyond which nothing is written: else the disk would be full
ROOM = 512 * _MB  # that stays on the disk, where there is much of the log
KEPT = 64 * _MB  # of the file of the log, when the log is begun anew
PAGES = 4_000  # of four KiB, after which the log is written into the file
_PAGES_OF_CHANGE = 5.0  # of the log for each row that changes, until it is known what it takes


class Checkpoints:
    """The checkpoints of the log that one connection writes.

    SQLite begins the log anew once all of it is in the file and nobody has added to it meanwhile,
    and a commit that did that alone would keep everybody waiting for all of it. So most is written
    by a thread of its own, and a commit writes what has been added by then. The longer the log, the
    less often a page is written that many batches change.

    Beside somebody who reads one moment of the file, of this program or another, the log cannot be
    begun anew, and grows with each commit. We end what we read ourselves; others we can only bound.
    """

    def __init__(self, connection: sqlite3.Connection, log: Path) -> None:
        """`connection` is one that nobody else uses, to the file that has the log `log`."""
        self._connection = connection
        # It is never opened: to close it again would drop the locks that SQLite holds on it.
        self._log = log
        self._long_since: float | None = None  # when there was first found much of it
        self._is_full = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-checkpoint")
        self._beside: Future[int | None] | None = None
        self._changes = 0  # of rows, since the log was begun
        self._changes_beside = 0  # of them, when the thread began
        self._pages = _PAGES_OF_CHANGE

    def committed(self, writer: sqlite3.Connection, changes: int) -> None:
        """Note that rows were changed, on the writer's thread, before anybody else may write."""
        self._changes += max(changes, 1)
        if self._beside is None:
            if self._changes * self._pages >= PAGES:
                self._changes_beside = self._changes
                self._beside = self._thread.submit(_write_log, self._connection)
        elif self._beside.done():
            pages = self._beside.result()
            if pages is not None:
                # There are fewer than it took where another process has just begun the log anew.
                self._pages = max(pages / self._changes_beside, self._pages / 2, 1.0)
            self._beside = None
            _write_log(writer)
            self._changes = 0

    def log_bytes(self) -> int:
        """Return how large the file of the log is."""
        try:
            return self._log.stat().st_size
        except OSError:  # there is none yet
            return 0

    def is_well(self) -> bool:
        """Tell whether the log is as short as ever."""
        return self._long_since is None and self.log_bytes() < MUCH

    def make_room(self, writer: sqlite3.Connection) -> None:
        """Let a batch be written if there is room for it; on the writer's thread, before it begins.

        Raises TooMuchUnread.
        """
        if (size := self.log_bytes()) < MUCH:
            logger.info("the write-ahead log is short again")
            self._long_since, self._is_full = None, False
            return
        if self._long_since is None:
            self._long_since = time.monotonic()
            logger.warning("the write-ahead log is long", bytes=size, reason=self.reason())
        if size < MOST and shutil.disk_usage(self._log.parent).free > ROOM:
            return
        if self._beside is not None:
            wait((self._beside,))
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if self.log_bytes() >= MUCH:
            if not self._is_full:
                self._is_full = True
                logger.error("the write-ahead log is full", bytes=size, reason=self.reason())
            raise TooMuchUnread(self.reason())

    def reason(self) -> str:
        """Return why the log is long."""
        seconds = time.monotonic() - (self._long_since or time.monotonic())
        so_long = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        known = f"{so_long} at least" if seconds >= 1 else "a while"
        return f"somebody has been reading the database file for {known}"

    def close(self) -> None:
        """Wait for what is being written; to the end SQLite writes it itself."""
        self._thread.shutdown()
        self._connection.close()


def _write_log(connection: sqlite3.Connection) -> int | None:
    """Write the log into the file as far as readers let it, and return how many pages it has.

    None if that is not known: another process is writing it, or it cannot be written, as on a full
    disk. What is committed is in the log.
    """
    try:
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:
        logger.warning("not writing the log into the database file", reason=str(error))
        return None
    return int(pages) if pages >= 0 else None
