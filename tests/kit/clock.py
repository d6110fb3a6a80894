"""The one clock of a test: bot and GitHub tell the time by it, and the test puts it forward."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bot import times


class Clock(times.Clock):
    """Goes on as the machine's does, `ahead` by some seconds; once stopped it waits for these.

    By `stepped` seconds the bot's own clock is wrong, which GitHub's is not.
    """

    def __init__(self) -> None:
        self.ahead = self.stepped = 0.0
        self._stopped: tuple[int, int] | None = None
        super().__init__()

    def stop(self) -> None:
        """From here on let time pass only by `ahead`."""
        self._stopped = time.time_ns(), time.monotonic_ns()

    def wall_ns(self) -> int:
        return self._true_ns() + round(self.stepped * 1000) * 1_000_000

    def passed_ns(self) -> int:
        base = time.monotonic_ns() if self._stopped is None else self._stopped[1]
        return base + self._ahead_ns()

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.ahead += seconds
        await asyncio.sleep(0)

    def __call__(self) -> float:
        """Return the time in seconds, as the stand-in GitHub is told it."""
        return self._true_ns() // 1_000_000 / 1_000

    def _true_ns(self) -> int:
        base = time.time_ns() if self._stopped is None else self._stopped[0]
        return base + self._ahead_ns()

    def _ahead_ns(self) -> int:
        return round(self.ahead * 1000) * 1_000_000


@contextmanager
def ticking() -> Iterator[Clock]:
    """Have the service go by a clock of the test's."""
    usual, times.clock = times.clock, Clock()
    try:
        yield times.clock
    finally:
        times.clock = usual
