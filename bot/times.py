"""Times as the service keeps them: whole microseconds since the epoch, UTC."""

import asyncio
import re
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import overload

MILLISECOND = 1_000
SECOND = 1_000_000

_AHEAD = 300 * SECOND  # by which clocks may differ
_STEP = 2_000 * SECOND  # nanoseconds; more than a clock gains or loses between two looks
STANDS = 30 * SECOND  # for which a step has to stand; longer than a lease
# The years that RFC 3339 can write; anything outside is nonsense, not a time.
_EARLIEST = -62_135_596_800 * SECOND
_LATEST = 253_402_300_799 * SECOND


def _passed_ns() -> int:
    """Return what goes on evenly, in nanoseconds; on Linux also while the machine is suspended."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


class Clock:
    """The machine's clock, without its steps. Tests put their own in its place, `times.clock`.

    A clock that is set is followed once that has stood for a while; until then time goes on as it
    passes. So what is due or leased outlasts a clock that is wrong for a moment, and all processes
    have noticed a step before one goes by it.
    """

    def __init__(self) -> None:
        self._offset = self.wall_ns() - self.passed_ns()  # of what is told from what has passed
        self._step: tuple[int, int] | None = None  # another such offset, and since when it stands
        self.went_back = 0  # how often a step back was followed
        self.told_twice = (0, 0)  # from when to when, by the last of them

    # What the machine says, and what goes on evenly from some moment, in nanoseconds.
    wall_ns = staticmethod(time.time_ns)
    passed_ns = staticmethod(_passed_ns)

    def now(self) -> int:
        passed = self.passed_ns()
        offset = self.wall_ns() - passed
        if abs(offset - self._offset) > _STEP:
            offset = self._stepped(offset, passed)
        elif self._step is not None:
            self._step = None
        self._offset = offset
        return (passed + offset) // 1_000_000 * MILLISECOND

    def go_on_from(self, moment: int) -> None:
        """Take it that a moment has been: a clock that is behind it has been set back."""
        if 1_000 * moment > 1_000 * self.now() + _STEP:
            self._offset = 1_000 * moment - self.passed_ns()

    def _stepped(self, offset: int, passed: int) -> int:
        """Return the offset that counts while the machine's is another."""
        step = self._step  # another thread may have followed it meanwhile
        if step is None or abs(offset - step[0]) > _STEP:
            self._step = step = offset, passed
        if passed - step[1] < 1_000 * STANDS:
            return self._offset
        if offset < self._offset:
            self.went_back += 1
            told = passed + offset, passed + self._offset
            self.told_twice = told[0] // 1_000, told[1] // 1_000
        self._step = None
        return offset

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


clock = Clock()


def passed() -> int:
    """Return what goes on evenly whatever the clock says, in microseconds: for what only lasts."""
    return clock.passed_ns() // 1_000


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


def told(value: str | int | None, arrival: int) -> int | None:
    """Return a time that somebody else tells, never ahead of its arrival; None if it is none."""
    try:
        moment = parse(value)
    except ValueError:
        return None
    return None if moment is None else not_ahead(moment, arrival)


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
