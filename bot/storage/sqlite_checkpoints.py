"""Writes SQLite's write-ahead log into the file while further batches are committed.

https://www.sqlite.org/wal.html#checkpointing
"""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor

from bot.log import logger

PAGES = 4_000  # of four KiB, after which the log is written into the file
_PAGES_OF_CHANGE = 5.0  # of the log for each row that changes, until it is known what it takes


class Checkpoints:
    """The checkpoints of the log that one connection writes.

    SQLite begins the log anew once all of it is in the file and nobody has added to it meanwhile,
    and a commit that did that alone would keep everybody waiting for all of it. So most is written
    by a thread of its own, and a commit writes what has been added by then. The longer the log, the
    less often a page is written that many batches change.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """`connection` is one that nobody else uses."""
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-checkpoint")
        self._beside: Future[int | None] | None = None
        self._changes = 0  # of rows, since the log was begun
        self._changes_beside = 0  # of them, when the thread began
        self._pages = _PAGES_OF_CHANGE

    def committed(self, writer: sqlite3.Connection, changes: int) -> None:
        """Note that rows were changed, on the writer's thread, before anybody else may write."""
        self._changes += changes
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
