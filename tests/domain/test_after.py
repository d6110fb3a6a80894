"""What follows an attempt at an action, case by case, without a database."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.after import Attempt, Decision, Waiting, after, look_again
from bot.github import CallFailed, Limited, NotListed, Refused, Shut, Temporary

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
NOW = 1_000 * HOUR
OLD = NOW - HOUR  # longer ago than GitHub's API is ever behind its deliveries
FIRST = Attempt(number=1, now=NOW, told_at=NOW, give_up_at=NOW + 72 * HOUR, failures=0)
LATER = replace(FIRST, told_at=OLD)
LAST = replace(LATER, give_up_at=NOW)
BY_API = replace(FIRST, told_at=None)
PROMPT = replace(FIRST, prompt=True)

UNKNOWN = Refused(404, "404 Not Found", "it does not exist", lags=True)
FORBIDDEN = Refused(403, "403 No", "give it the permission")
LOCKED = Shut(403, "the conversation is locked")
ELSEWHERE = NotListed("https://ghe.example")
PAUSED = Waiting("the integration is not active")
DOWN = Temporary("GitHub answered 502")


def failing(attempt: Attempt, times: int) -> Attempt:
    return replace(attempt, failures=times)


@pytest.mark.parametrize(
    ("failure", "attempt", "expected"),
    [
        # All went well: the queue's failures in a row are over.
        (None, FIRST, {"status": "done", "failures": 0, "went_well": True}),
        (None, failing(LAST, 7), {"status": "done", "failures": 0, "went_well": True}),
        # GitHub does not know yet what a delivery has just named: asked again, nothing else waits.
        (UNKNOWN, FIRST, {"at": NOW + 2 * SECOND, "aside": True}),
        (UNKNOWN, PROMPT, {"at": NOW + 2 * SECOND, "aside": False}),
        (UNKNOWN, failing(FIRST, 2), {"at": NOW + 2 * SECOND, "aside": True, "failures": 2}),
        # It has had the time, or no delivery has named it: that is a refusal.
        (UNKNOWN, LATER, {"status": "failed", "is_told": True}),
        (UNKNOWN, BY_API, {"status": "failed", "is_told": True}),
        # A refusal stands at once, however fresh it is.
        (FORBIDDEN, FIRST, {"status": "failed", "is_told": True}),
        (FORBIDDEN, failing(FIRST, 2), {"status": "failed", "is_told": True, "failures": 2}),
        # People may open what they have shut: in ten minutes, later in an hour, for three days.
        (LOCKED, FIRST, {"at": NOW + 10 * MINUTE, "aside": True}),
        (LOCKED, replace(FIRST, number=9), {"at": NOW + 5 * 256 * SECOND, "aside": True}),
        (LOCKED, replace(FIRST, number=99), {"at": NOW + HOUR, "aside": True}),
        (LOCKED, LAST, {"status": "failed", "is_told": True, "is_given_up": True}),
        # Nothing was called: no attempt, and the queue goes on with what can be done.
        (PAUSED, FIRST, {"at": NOW + 10 * MINUTE, "counts": False, "aside": True}),
        (ELSEWHERE, failing(FIRST, 2), {"at": NOW + 10 * MINUTE, "counts": False, "failures": 2}),
        (
            PAUSED,
            LAST,
            {"status": "failed", "is_told": True, "is_given_up": True, "counts": False},
        ),
        (
            ELSEWHERE,
            LAST,
            {"status": "failed", "is_told": True, "is_given_up": True, "counts": False},
        ),
        # A limit: nothing took effect, and the whole queue rests. It is never given up for that.
        *(
            (
                Limited("slow down", asked),
                failing(LAST, before),
                {
                    "at": NOW + pause,
                    "not_before": NOW + pause,
                    "counts": False,
                    "failures": before + 1,
                },
            )
            for asked, before, pause in (
                (30.0, 0, 30 * SECOND),
                (9_999.0, 0, HOUR),
                (None, 0, MINUTE),
                (None, 2, 4 * MINUTE),
                (None, 50, HOUR),
            )
        ),
        # Trouble: the action waits longer each time, and so does its queue.
        *(
            (
                DOWN,
                failing(replace(LATER, number=number), before),
                {"at": NOW + wait, "not_before": NOW + pause, "failures": before + 1},
            )
            for number, before, wait, pause in (
                (1, 0, 5 * SECOND, 2 * SECOND),
                (2, 1, 10 * SECOND, 4 * SECOND),
                (3, 9, 20 * SECOND, 5 * MINUTE),
                (40, 40, HOUR, 5 * MINUTE),
            )
        ),
        (
            DOWN,
            failing(LAST, 3),
            {"status": "failed", "is_told": True, "is_given_up": True, "failures": 3},
        ),
    ],
)
def test_what_follows(
    failure: CallFailed | None, attempt: Attempt, expected: dict[str, Any]
) -> None:
    expected = {"status": "pending", "failures": 0, "failure": failure, **expected}
    assert after(failure, attempt, jitter=lambda wait: wait) == Decision(**expected)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (FIRST, {"status": "pending", "at": NOW + 2 * SECOND, "aside": True, "failure": UNKNOWN}),
        (LATER, {"status": "done"}),
        (BY_API, {"status": "done"}),
    ],
)
def test_what_was_left_out_because_github_did_not_know_yet(
    attempt: Attempt, expected: dict[str, Any]
) -> None:
    decision = after(None, failing(attempt, 5), [UNKNOWN, FORBIDDEN])
    assert decision == Decision(**{"failures": 0, "went_well": True, **expected})


def test_a_decision_says_apart_why_and_what_to_do() -> None:
    refused = after(FORBIDDEN, FIRST)
    assert refused.error == "403 No (give it the permission)"
    assert (refused.reason, refused.remedy) == ("403 No", "give it the permission")
    assert refused.refused_with == 403
    given_up = after(LOCKED, LAST)
    assert given_up.error == "failed for three days: the conversation is locked"
    assert (given_up.reason, given_up.remedy) == (given_up.error, None)
    assert given_up.refused_with is None
    done = after(None, FIRST)
    assert (done.error, done.reason, done.remedy, done.refused_with) == (None,) * 4


def test_waits_are_spread() -> None:
    found = {after(DOWN, FIRST).at - NOW for _ in range(100)}
    assert len(found) > 1 and all(4 * SECOND <= wait <= 6 * SECOND for wait in found)


def test_github_is_asked_less_and_less_often_for_a_minute() -> None:
    asked: list[int] = []
    at: int | None = NOW
    while at is not None:
        asked.append((at - NOW) // SECOND)
        at = look_again(NOW, at)
    assert asked == [0, 2, 4, 8, 16, 32, 60]
