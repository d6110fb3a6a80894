"""The one clock of a test: bot and GitHub tell the time by it, and the test puts it forward."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bot import times


class Clock(times.Clock):
    """Goes on as the machine's does, `ahead` by some seconds; once stopped it waits for these."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._stopped: int | None = None

    def stop(self) -> None:
        """From here on let time pass only by `ahead`."""
        self._stopped = super().now()

    def now(self) -> int:
        base = super().now() if self._stopped is None else self._stopped
        return base + round(self.ahead * 1000) * times.MILLISECOND

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.ahead += seconds
        await asyncio.sleep(0)

    def __call__(self) -> float:
        """Return the time in seconds, as the stand-in GitHub is told it."""
        return self.now() / times.SECOND


@contextmanager
def ticking() -> Iterator[Clock]:
    """Have the service go by a clock of the test's."""
    usual, times.clock = times.clock, Clock()
    try:
        yield times.clock
    finally:
        times.clock = usual
