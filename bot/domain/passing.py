"""What is sure to have passed of the time that the clock tells.

A machine that starts a year ahead looks like one that was off for a year. What cannot be undone, as
to clear away or to give up, goes by the time for which the service was there: twice as fast as that
passes until it has caught up with the clock, so that what it was off for is made up for.
"""

from dataclasses import dataclass

from bot import storage as store
from bot import times

LONG = 86_400 * times.SECOND  # that is worth a word
_SPEED = 2
_NOTED = 300 * times.SECOND  # how exactly it is kept: a commit wakes who waits for news


@dataclass(frozen=True, slots=True)
class Old:
    """What is old by the time that is sure to have come.

    Of what bears a time that the clock has told twice nobody knows when it was: the first time, or
    when the clock had been set back.
    """

    certain: int
    twice_from: int
    twice_to: int

    def before(self, days: int) -> int:
        """Return the time before which everything is so many days old."""
        at = self.certain - days * LONG
        return self.twice_from if self.twice_from < at <= self.twice_to else at


class Passing:
    """The time that is sure to have come, in a process; the database has it for the next one."""

    def __init__(self, _: object) -> None:
        self._begin_at(times.now())

    def begin(self, tx: store.Transaction) -> int | None:
        """Go on from where the last process was; returns the latest time that it has told."""
        seen = store.clock.seen(tx)
        if seen is not None and seen.cleared_to:
            self._begin_at(seen.cleared_to)
        elif signs := [at for at in _signs_of_life(tx) if at is not None]:
            self._begin_at(max(signs))
        return seen.seen_at if seen is not None else None

    def certain(self) -> int:
        """Return the time that is sure to have come, never later than now."""
        return min(times.now(), self._sure + _SPEED * (times.passed() - self._since))

    def unsure(self) -> int:
        """Return by how much the clock is ahead of that."""
        return times.now() - self.certain()

    def keep(self, tx: store.Transaction) -> Old:
        """Keep it, with that of other processes, and return what is old by it."""
        now, certain = times.now(), self.certain()
        seen = store.clock.seen(tx)
        sure = certain if seen is None else max(certain, seen.cleared_to)
        if seen is None or abs(now - seen.seen_at) >= _NOTED:
            store.clock.keep(tx, now, sure)
            tx.afterwards(lambda: self._begin_at(sure))
        twice = (seen.twice_from, seen.twice_to) if seen is not None else (0, 0)
        return Old(min(sure, now), *twice)

    def _begin_at(self, sure: int) -> None:
        self._sure, self._since = sure, times.passed()


def _signs_of_life(tx: store.Transaction) -> list[int | None]:
    """Return when a program was there that did not keep the time, as far as rows tell.

    GitHub may have been silent while people were not.
    """
    return [store.deliveries.last_received_at_all(tx), store.audit.last_at(tx)]
