"""Copies an SQLite database that is in use into a file, and proves that the copy is whole.

SQLite's online backup begins anew whenever another process commits between two of its steps,
unless the connection that it reads by is inside a transaction. So all is read in one snapshot: the
pages, and how many rows there are. Meanwhile the log cannot be begun anew: so the time is limited.
"""

import fcntl
import os
import shutil
import signal
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bot.storage.sqlite import SqliteDatabase

_PAGES = 1_000  # of a step, after which it is seen whether to go on
_OPCODES = 100_000  # of a check, likewise
_SPARE = 16 * 1024 * 1024  # bytes that stay free on the disk
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NONE = "there is no copy"
_LOGS = ("-wal", "-shm", "-journal")  # that SQLite looks for beside a file
_BESIDE = ("", *_LOGS, "-turn")  # what it and the service keep


class BackupFailed(Exception):
    """There is no copy, and nothing is left of it."""


class Copied(NamedTuple):
    """What is in a copy: bytes, rows of all tables, and the version of its schema."""

    size: int
    rows: int
    version: int


class _Contents(NamedTuple):
    """The version of a schema, and the number of rows of each table."""

    version: int
    rows: dict[str, int]


class _Limit:
    """Ends the work in time, or when the process is told to stop."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end = seconds, time.monotonic() + seconds
        self._told: signal.Signals | None = None

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._note) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: object) -> None:
        self._told = signal.Signals(number)

    def is_over(self) -> bool:
        return self._told is not None or time.monotonic() > self._end

    def check(self) -> None:
        if self._told is not None:
            raise BackupFailed(f"stopped by {self._told.name}; {_NONE}")
        if self.is_over():
            raise BackupFailed(
                f"it took longer than {self._seconds:g} seconds; {_NONE}. Allow more with "
                "--timeout, or write to a faster disk"
            )


def make(
    path: Path, target: Path, *, replace: bool, seconds: float, spare: Path | None = None
) -> Copied:
    """Copy the database at `path` to `target`, which appears once it is whole.

    `replace` says that a file that is there already may be replaced, but for `spare`. Blocking; in
    the main thread. Raises BackupFailed, or StorageRefused where there is no database of this
    program.
    """
    SqliteDatabase(path).existing_version()
    limit = _Limit(seconds)
    try:
        _refuse_unfit(path, target, replace, spare)
        with limit.heeding_signals(), _draft(target) as draft:
            read = _copy(path, draft, limit)
            if _check(draft, limit) != read:
                raise BackupFailed(f"the copy is not the same as the database; {_NONE}")
            _refuse_unfit(path, target, replace, spare)
            size = draft.stat().st_size
            for log in _logs_of(target):  # of the one before: SQLite would take it for the copy's
                log.unlink(missing_ok=True)
            draft.rename(target)
            _sync(target.parent)
    except OSError as error:
        raise BackupFailed(f"{error.filename or target}: {error.strerror}; {_NONE}") from None
    return Copied(size, sum(read.rows.values()), read.version)


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _logs_of(target: Path) -> list[Path]:
    return [target.with_name(target.name + one) for one in _LOGS]


def _refuse_unfit(path: Path, target: Path, replace: bool, spare: Path | None) -> None:
    if target.is_dir():
        raise BackupFailed(f"{target} is a folder; name the file that is to be made in it")
    if not target.parent.is_dir():
        raise BackupFailed(f"there is no folder {target.parent}")
    database = path.resolve()
    parts = {database.with_name(database.name + one) for one in _BESIDE}
    folder = target.parent.resolve()
    names = (target, _draft_of(target), *_logs_of(target))
    if {folder / one.name for one in names} & parts:
        raise BackupFailed(f"{target} is the database itself, or a part of it")
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        left = next((one for one in _logs_of(target) if one.exists()), None)
        if left is not None and not replace:
            raise BackupFailed(
                f"{left} is of another database; remove it, or let it be removed (--force)"
            ) from None
        return
    if not stat.S_ISREG(mode):
        raise BackupFailed(f"{target} is a link or device; name a file")
    if target.samefile(path):
        raise BackupFailed(f"{target} is the database itself")
    if spare is not None and spare.exists() and target.samefile(spare):
        raise BackupFailed(f"{target} is the key that opens the secrets in the database")
    if not replace:
        raise BackupFailed(f"{target} is there already; name another file, or replace it (--force)")


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Make an empty file beside `target` for nobody else to read, which does not outlive a failure.

    Who makes it holds a lock on it, so one that a process has left that was killed is known.
    """
    draft = _draft_of(target)
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_mine = draft.exists() and os.path.samestat(draft.stat(), os.fstat(file))
        except BlockingIOError:
            is_mine = False
        if not is_mine:
            raise BackupFailed(f"another backup to {target} is under way")
        try:
            os.fchmod(file, 0o600)
            os.ftruncate(file, 0)
            yield draft
        except BaseException:
            for one in _BESIDE:
                draft.with_name(draft.name + one).unlink(missing_ok=True)
            raise
    finally:
        os.close(file)


def _copy(path: Path, draft: Path, limit: _Limit) -> _Contents:
    """Copy one snapshot, and return what was in it."""
    try:
        with closing(_open(path, "mode=rw")) as source, closing(_open(draft, "mode=rw")) as copy:
            source.execute("BEGIN")
            source.set_progress_handler(limit.is_over, _OPCODES)
            read = _contents(source)
            _refuse_full(source, draft)
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")  # _sync does it once for all of it
            source.backup(copy, pages=_PAGES, progress=lambda *_: limit.check())
            source.execute("ROLLBACK")
            copy.execute("PRAGMA locking_mode = EXCLUSIVE")  # or it would need more files
            copy.execute("PRAGMA journal_mode = DELETE")  # a copy is one file, without a log
    except sqlite3.Error as error:
        limit.check()
        raise BackupFailed(f"{draft} cannot be written: {error}; {_NONE}") from None
    _sync(draft)
    return read


def _check(draft: Path, limit: _Limit) -> _Contents:
    """Return what is in a copy; raises BackupFailed if it is damaged."""
    contents = None
    try:
        with closing(_open(draft, "mode=ro&immutable=1")) as copy:
            copy.set_progress_handler(limit.is_over, _OPCODES)
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            contents = _contents(copy)
    except sqlite3.Error as error:
        found = str(error)
    limit.check()
    if contents is None or found != "ok":
        raise BackupFailed(
            f"the copy is damaged ({' '.join(found.split())}), and so may the database be: look at "
            f"it with `PRAGMA integrity_check`; {_NONE}"
        )
    return contents


def _contents(connection: sqlite3.Connection) -> _Contents:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return _Contents(
        version,
        {
            name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
            for (name,) in names
        },
    )


def _refuse_full(source: sqlite3.Connection, draft: Path) -> None:
    pages, size = (source.execute(f"PRAGMA page_{one}").fetchone()[0] for one in ("count", "size"))
    free = shutil.disk_usage(draft.parent).free
    if free < pages * size + _SPARE:
        raise BackupFailed(
            f"{draft.parent} has {megabytes(free)} left, and the copy takes "
            f"{megabytes(pages * size)}"
        )


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file that is there."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=5
    )


def _sync(path: Path) -> None:
    """Bring a file or folder to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
