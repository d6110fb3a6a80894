"""Turns of the processes that write to one SQLite file: each waits, asleep, until it is woken.

SQLite itself only tells that another writes, and leaves it to everyone to ask again and again. Who
waits for a turn gathers jobs meanwhile, so that its batch is the larger. What SQLite locks still
counts: other programs know nothing of turns.
"""

import asyncio
import contextlib
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class Turns:
    """The turns at a file, beside which another is locked. Lives on the event loop."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where no file can be made or locked."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path.with_name(f"{path.name}-turn"), flags, 0o600)
        if os.fstat(self._file).st_size == 0:
            os.write(self._file, f"Who writes to {path.name} locks this file.\n".encode())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-turn")
        self._waiting: asyncio.Future[None] | None = None
        self._is_wanted = False

    async def take(self, patience: float) -> bool:
        """Wait for the turn; False if it has not come within some seconds."""
        if self._waiting is None:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            loop = asyncio.get_running_loop()
            self._waiting = loop.run_in_executor(
                self._thread, fcntl.flock, self._file, fcntl.LOCK_EX
            )
            self._waiting.add_done_callback(self._came)
        self._is_wanted = True
        try:
            await asyncio.wait_for(asyncio.shield(self._waiting), patience)
        except TimeoutError:
            return False
        finally:
            self._is_wanted = False
        return True

    def _came(self, _: "asyncio.Future[None]") -> None:
        """Give a turn back that nobody waits for any more."""
        self._waiting = None
        if not self._is_wanted:
            self.end()

    def end(self) -> None:
        """Let the next one have its turn."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """End it, and whatever still waits for a turn."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        os.close(self._file)
