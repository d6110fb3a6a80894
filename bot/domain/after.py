"""Decides, without touching storage, what follows an attempt at an action.

What people have to mend is told of and fails, or waits by itself; what GitHub does not know yet is
asked for again within a minute; trouble is tried again with growing pauses, for three days.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot import storage as store
from bot import times
from bot.github import CallFailed, Limited, NotListed, Refused, Shut

OUTAGE = 3  # failures in a row
_FIRST_WAIT, _LONGEST_WAIT = 5 * times.SECOND, 3600 * times.SECOND
_FIRST_PAUSE, _LONGEST_PAUSE = 2 * times.SECOND, 300 * times.SECOND  # of a queue
_PARKED = 600 * times.SECOND  # between looks at what waits for people
_BARE_LIMIT = 60.0  # seconds, where GitHub does not say how long a limit lasts
_LONGEST_LIMIT = 3600 * times.SECOND
# By which GitHub's API is behind its deliveries, at most, and how soon it is asked again.
_LAG = 60 * times.SECOND
_FIRST_LOOK, _LONGEST_LOOK = 2 * times.SECOND, 30 * times.SECOND


def jittered(wait: int) -> int:
    """Return a wait spread at random, so that what failed together is not tried together."""
    return round(wait * random.uniform(0.8, 1.2))  # noqa: S311 - no secret


class Waiting(CallFailed):
    """Nothing was called: people have to do something first, which may take them days."""


class Unknown(Waiting):
    """Nothing was called: only another version of the bot knows what to do."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What counts when an attempt has come to its end. Times in microseconds.

    `told_at` is when a delivery last named what it is about, None if none has. `failures` are those
    of its queue in a row, before this one. `prompt`: see Kind.
    """

    number: int  # from 1
    now: int
    told_at: int | None
    give_up_at: int
    failures: int
    prompt: bool = False

    @property
    def look_again_at(self) -> int | None:
        return look_again(self.told_at, self.now)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an action, and of its queue.

    A pending one is tried again `at` a time; with `aside` others of its order do not wait for it.
    Unless it `counts`, nothing took effect and the attempt is none. What `is_told` is shown with
    the integration. It `went_well` if all is done but what GitHub may know in a moment. The queue
    has had so many `failures` in a row, and rests until `not_before`.
    """

    status: Literal["done", "pending", "failed"]
    failures: int
    failure: CallFailed | None = None
    is_given_up: bool = False
    at: int = 0
    aside: bool = False
    counts: bool = True
    is_told: bool = False
    went_well: bool = False
    not_before: int = 0

    @property
    def error(self) -> str | None:
        """Why it is not done, with what to do about it, in words for people."""
        return None if self.failure is None else self._since(str(self.failure))

    @property
    def reason(self) -> str | None:
        return None if self.failure is None else self._since(self.failure.reason)

    @property
    def remedy(self) -> str | None:
        return None if self.failure is None else self.failure.remedy or None

    @property
    def refusal(self) -> Refused | None:
        """GitHub's refusal, if it is that which has ended the action."""
        is_final = self.status == "failed" and not self.is_given_up
        return self.failure if is_final and isinstance(self.failure, Refused) else None

    @property
    def waits(self) -> int:
        """What people have to end before it can be done: bits of Hindrance.

        Nothing, where whoever asked for it was told that they asked for the wrong thing: they may
        ask again, and it would be done twice.
        """
        failure = self.failure
        if failure is None or (isinstance(failure, Refused) and failure.field):
            return 0
        return int(failure.hindrance)

    @property
    def refused_with(self) -> int | None:
        """GitHub's status, if it is its refusal that has ended the action."""
        return self.refusal.status if self.refusal is not None else None

    def _since(self, text: str) -> str:
        return f"failed for three days: {text}" if self.is_given_up else text


def after(
    failure: CallFailed | None,
    attempt: Attempt,
    doubts: Sequence[Refused] = (),
    *,
    jitter: Callable[[int], int] = jittered,
) -> Decision:
    """Decide what follows an attempt that ended in a failure, or went well but for `doubts`."""
    if failure is None:
        return _went_well(attempt, doubts)
    if isinstance(failure, Waiting | NotListed):
        return _parked(failure, attempt)
    if isinstance(failure, Refused):
        return _refused(failure, attempt, jitter)
    if isinstance(failure, Limited):
        return _limited(failure, attempt)
    return _in_trouble(failure, attempt, jitter)


def _went_well(attempt: Attempt, doubts: Sequence[Refused]) -> Decision:
    """All is done, or all but what GitHub may yet know; nothing has to wait for that."""
    again = attempt.look_again_at if doubts else None
    if again is None:
        return Decision("done", 0, went_well=True)
    return Decision("pending", 0, doubts[0], at=again, aside=True, went_well=True)


def _parked(failure: CallFailed, attempt: Attempt) -> Decision:
    """It waits for something that people do, without an attempt."""
    if attempt.now >= attempt.give_up_at:
        return _given_up(failure, attempt, counts=False)
    at = attempt.now + _PARKED
    # An integration waits alone: another may act in the same repository.
    aside = isinstance(failure, Waiting)
    return Decision("pending", attempt.failures, failure, at=at, aside=aside, counts=False)


def _refused(failure: Refused, attempt: Attempt, jitter: Callable[[int], int]) -> Decision:
    """GitHub says no: that stands, unless it does not know yet, or people may think again.

    What is tried again waits by itself: GitHub is well, so nothing else has to wait. But what
    somebody waits for keeps its place in the order.
    """
    failures, again = attempt.failures, attempt.look_again_at if failure.lags else None
    if again is not None:
        return Decision("pending", failures, failure, at=again, aside=not attempt.prompt)
    if not isinstance(failure, Shut):
        # What was asked for was wrong: whoever asked is told, the integration is well.
        return Decision("failed", failures, failure, is_told=not failure.field)
    if attempt.now >= attempt.give_up_at:
        return _given_up(failure, attempt)
    at = attempt.now + max(jitter(_backoff(attempt.number)), _PARKED)
    return Decision("pending", failures, failure, at=at, aside=True)


def _limited(failure: Limited, attempt: Attempt) -> Decision:
    seconds = failure.seconds
    if seconds is None:
        seconds = _BARE_LIMIT * 2 ** min(attempt.failures, 6)
    until = attempt.now + min(round(seconds * times.SECOND), _LONGEST_LIMIT)
    return Decision(
        "pending", attempt.failures + 1, failure, at=until, counts=False, not_before=until
    )


def _in_trouble(failure: CallFailed, attempt: Attempt, jitter: Callable[[int], int]) -> Decision:
    """It may have taken effect or not, and the next call will probably not fare better."""
    if attempt.now >= attempt.give_up_at:
        return _given_up(failure, attempt)
    pause = min(_FIRST_PAUSE * 2 ** min(attempt.failures, 20), _LONGEST_PAUSE)
    return Decision(
        "pending",
        attempt.failures + 1,
        failure,
        at=attempt.now + jitter(_backoff(attempt.number)),
        not_before=attempt.now + jitter(pause),
    )


def _given_up(failure: CallFailed, attempt: Attempt, *, counts: bool = True) -> Decision:
    return Decision(
        "failed", attempt.failures, failure, is_given_up=True, is_told=True, counts=counts
    )


def told_at(action: store.Action) -> int | None:
    """Return when a delivery last named what an action is about.

    None for what was asked for by the API, which no delivery has named.
    """
    if action.request.get("made_by") == "api":
        return None
    return action.news_at or action.created_at


def look_again(told: int | None, now: int) -> int | None:
    """Return when to ask for what GitHub does not know yet; None if it has had the time."""
    if told is None or now - told >= _LAG:
        return None
    return min(now + min(max(now - told, _FIRST_LOOK), _LONGEST_LOOK), told + _LAG)


def _backoff(attempts: int) -> int:
    return int(min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT))
