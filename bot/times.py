"""Times as the service keeps them: whole microseconds since the epoch, UTC."""

import asyncio
import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import overload

MILLISECOND = 1_000
SECOND = 1_000_000

_AHEAD = 300 * SECOND  # by which clocks may differ
# The years that RFC 3339 can write; anything outside is nonsense, not a time.
_EARLIEST = -62_135_596_800 * SECOND
_LATEST = 253_402_300_799 * SECOND


class Clock:
    """The machine's clock. Tests put one of their own in its place, `times.clock`."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000 * MILLISECOND

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


clock = Clock()


def now() -> int:
    """Return the current time in microseconds, cut to the millisecond that the API shows."""
    return clock.now()


async def sleep(seconds: float) -> None:
    """Wait for a time that is told by the same clock as `now`."""
    await clock.sleep(seconds)


def parse(value: str | int | None) -> int | None:
    """Return GitHub's time (RFC 3339 text, or seconds since the epoch) in microseconds.

    GitHub writes most times as text, but `push` and `installation` hold some as numbers.
    A text without an offset is read as UTC. Raises ValueError for anything else.
    """
    if value is None:
        return None
    moment = value * SECOND if isinstance(value, int) else _parsed(value)
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("time out of range")
    return moment


_ASKED_FOR = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?")


def asked_for(text: str) -> int:
    """Return a time that somebody asks for: RFC 3339, or a day, which is its beginning in UTC.

    Raises ValueError for anything else.
    """
    if not (text.isascii() and _ASKED_FOR.fullmatch(text.upper())):
        raise ValueError("not a time")
    return _parsed(text.upper())


@lru_cache(4096)  # a payload says one time several times, and many payloads the same
def _parsed(text: str) -> int:
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return round(parsed.timestamp() * 1_000) * MILLISECOND


def not_ahead(moment: int, arrival: int) -> int:
    """Return a time that somebody else tells, or that of its arrival if it lies minutes ahead.

    The newest time wins, so one from the far future would win for ever.
    """
    return arrival if moment > arrival + _AHEAD else moment


@overload
def render(moment: int) -> str: ...


@overload
def render(moment: int | None) -> str | None: ...


def render(moment: int | None) -> str | None:
    """Return `moment` as RFC 3339 text in UTC with `Z`, milliseconds only where there are any."""
    if moment is None:
        return None
    seconds, rest = divmod(moment, SECOND)
    clock = time.gmtime(seconds)
    text = f"{clock.tm_year:04}" + time.strftime("-%m-%dT%H:%M:%S", clock)  # %Y pads no year
    milliseconds = rest // MILLISECOND
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"
