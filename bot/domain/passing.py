"""What is sure to have passed of the time that the clock tells.

A machine that starts a year ahead looks like one that was off for a year. What cannot be undone, as
to clear away or to give up, goes by the time for which the service was there: twice as fast as that
passes until it has caught up with the clock, so that what it was off for is made up for.
"""

from bot import storage as store
from bot import times

LONG = 86_400 * times.SECOND  # that is worth a word
_SPEED = 2


class Passing:
    """The time that is sure to have come, in a process; the database has it for the next one."""

    def __init__(self, _: object) -> None:
        self._begin_at(times.now())

    def begin(self, tx: store.Transaction) -> int | None:
        """Go on from where the last process was; returns the latest time that it has told."""
        seen = store.clock.seen(tx)
        if seen is not None:
            self._begin_at(seen[1])
        elif (last := store.deliveries.last_received_at_all(tx)) is not None:
            self._begin_at(last)
        return seen[0] if seen is not None else None

    def certain(self) -> int:
        """Return the time that is sure to have come, never later than now."""
        return min(times.now(), self._sure + _SPEED * (times.passed() - self._since))

    def unsure(self) -> int:
        """Return by how much the clock is ahead of that."""
        return times.now() - self.certain()

    def keep(self, tx: store.Transaction) -> int:
        """Keep it, with that of other processes, and return it."""
        now, certain = times.now(), self.certain()
        if (seen := store.clock.seen(tx)) is not None:
            certain = max(certain, min(seen[1], now))
        store.clock.keep(tx, now, certain)
        tx.afterwards(lambda: self._begin_at(certain))
        return certain

    def _begin_at(self, sure: int) -> None:
        self._sure, self._since = sure, times.passed()
