"""Counts what happened over time: for the timeline of an experiment, and the small line of a list.

The drawings are SVG in templates; their colours are in the stylesheet, so that they follow the
theme.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot import times

DAY = 86_400 * times.SECOND
WEEK = 7 * DAY
# A timeline is drawn by the first of these of which it has no more; by the month it shows the last.
_MOST = {"day": 21, "week": 26, "month": 36}
_FEWEST = 7
_LOWEST = 4  # as high as this the scale goes at least


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of status; `place` is where among the periods, from 0 on."""

    at: int  # microseconds
    text: str
    place: float


@dataclass(frozen=True, slots=True)
class Period:
    """A part of the time, and how many pull requests were opened and merged in it."""

    start: datetime
    name: str  # with the year
    short: str
    opened: int
    merged: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a timeline shows. `unit` is one of _MOST; the scale goes up to `top` by `step`."""

    unit: str
    periods: Sequence[Period]
    marks: Sequence[Mark]
    opened: int
    merged: int
    earlier: tuple[int, int]  # opened and merged before the first period
    top: int
    step: int


def timeline(
    opened: Mapping[int, int],
    merged: Mapping[int, int],
    statuses: Sequence[tuple[int, str]],
    now: int,
) -> Timeline | None:
    """Return the timeline of some events, by their times; None if nothing happened.

    `opened` and `merged` say how many pull requests were at a time, the beginning of a day or
    any within it.
    """
    first = min([*opened, *merged, *(at for at, _ in statuses)], default=None)
    if first is None:
        return None
    for unit, most in _MOST.items():
        last = int(_place(now, unit))
        count = last - int(_place(min(first, now), unit)) + 1
        if count <= most:
            break
    count = min(max(count, _FEWEST), most)
    start = last - count + 1
    marks = [Mark(at, text, _place(at, unit) - start) for at, text in sorted(statuses)]
    shown = [mark for mark in marks if 0 <= mark.place < count]
    amounts = [_by_place(counts, unit, start) for counts in (opened, merged)]
    periods = [
        Period(
            begins := _begin(start + number, unit),
            f"{begins:%B %Y}" if unit == "month" else f"{begins.day} {begins:%b %Y}",
            f"{begins:%b %y}" if unit == "month" else f"{begins.day} {begins:%b}",
            amounts[0][number],
            amounts[1][number],
            tuple(mark for mark in shown if int(mark.place) == number),
        )
        for number in range(count)
    ]
    before = [sum(n for place, n in one.items() if place < 0) for one in amounts]
    return Timeline(
        unit,
        periods,
        shown,
        sum(one.opened for one in periods),
        sum(one.merged for one in periods),
        (before[0], before[1]),
        *_scale(max(_LOWEST, *(max(one.opened, one.merged) for one in periods))),
    )


def _by_place(counts: Mapping[int, int], unit: str, start: int) -> Counter[int]:
    """Return how many events there are in each period; those before `start` are below 0."""
    found: Counter[int] = Counter()
    for at, count in counts.items():
        found[int(_place(at, unit)) - start] += count
    return found


def _place(at: int, unit: str) -> float:
    """Return how many days, weeks (from Monday) or months had passed, from some beginning."""
    if unit == "month":
        moment = datetime.fromtimestamp(at / times.SECOND, UTC)
        return moment.year * 12 + moment.month - 1 + (moment.day - 1) / 31
    return at / DAY if unit == "day" else (at / DAY + 3) / 7


def _begin(place: int, unit: str) -> datetime:
    if unit == "month":
        return datetime(place // 12, place % 12 + 1, 1, tzinfo=UTC)
    days = place if unit == "day" else place * 7 - 3
    return datetime.fromtimestamp(days * 86_400, UTC)


def line(values: Sequence[int], width: int = 120, height: int = 28) -> str:
    """Return the path of a small line: one point for each value, from left to right."""
    top, step = max([*values, 1]), width / max(1, len(values) - 1)
    points = (
        f"{number * step:.4g} {height - 2 - (height - 4) * value / top:.4g}"
        for number, value in enumerate(values)
    )
    return "M" + "L".join(points)


def _scale(most: int) -> tuple[int, int]:
    """Return how high a scale goes to show `most`, and its step: five steps or fewer."""
    steps = (number * 10**size for size in itertools.count() for number in (1, 2, 5))
    step = next(one for one in steps if one * 5 >= most)
    return -(-most // step) * step, step
