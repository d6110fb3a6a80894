"""Draws what happened over time: the timeline of an experiment, and the small line of a list.

Charts are SVG in the page. Their colours are in our stylesheet, so that they follow the theme; what
a library would bring of style and script is taken out again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

import pygal
from markupsafe import Markup
from pygal.style import Style

from bot import times

DAY = 86_400 * times.SECOND
WEEK = 7 * DAY
# A timeline is drawn by the first of these of which it has no more; by the month it shows the last.
_MOST = {"day": 21, "week": 26, "month": 36}
_FEWEST = 7
_LOWEST = 4  # as high as this the scale goes at least
_WIDTH, _HEIGHT = 720, 240
_KINDS = ("opened", "merged")
_UNUSED = ("plot tooltip-overlay", "plot text-overlay", "titles", "background")


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
    opened: int
    merged: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a timeline shows, as a drawing and in words. `unit` is one of _MOST."""

    unit: str
    periods: Sequence[Period]
    marks: Sequence[Mark]
    opened: int
    merged: int
    earlier: tuple[int, int]  # opened and merged before the first period
    svg: Markup


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
            amounts[0][number],
            amounts[1][number],
            tuple(mark for mark in shown if int(mark.place) == number),
        )
        for number in range(count)
    ]
    opened_count, merged_count = (sum(getattr(one, kind) for one in periods) for kind in _KINDS)
    before = [sum(n for place, n in one.items() if place < 0) for one in amounts]
    return Timeline(
        unit,
        periods,
        shown,
        opened_count,
        merged_count,
        (before[0], before[1]),
        _drawn(periods, shown, unit),
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


def _drawn(periods: Sequence[Period], marks: Sequence[Mark], unit: str) -> Markup:
    top = max(_LOWEST, *(max(one.opened, one.merged) for one in periods))
    step = next(step for step in _steps() if step * 5 >= top)
    top = -(-top // step) * step
    every = -(-len(periods) // 9)
    chart = pygal.Histogram(
        width=_WIDTH,
        height=_HEIGHT,
        explicit_size=True,
        show_legend=False,
        no_data_text="",
        range=(0, top),
        xrange=(0, len(periods)),
        y_labels=list(range(0, top + 1, step)),
        x_labels=[number + 0.5 for number in range(0, len(periods), every)],
        x_value_formatter=lambda place: _short(periods[int(place)], unit),
        value_formatter=lambda value: f"{value:g}",
        formatter=lambda value: "",
        show_x_guides=False,
        margin=4,
        margin_top=18,
        spacing=8,
        style=Style(label_font_size=12),
        css=[],
        js=[],
        disable_xml_declaration=True,
        no_prefix=True,
    )
    of = {"day": "on", "week": "in the week of", "month": "in"}[unit]
    for position, kind in enumerate(_KINDS):
        begins = 0.12 + 0.38 * position
        chart.add(
            kind,
            [
                {
                    "value": (getattr(one, kind), number + begins, number + begins + 0.36),
                    "label": f"{getattr(one, kind)} {kind} {of} {one.name}",
                }
                for number, one in enumerate(periods)
                if getattr(one, kind)
            ],
        )
    thin = len(periods) * 0.003
    chart.add(
        "status",
        [{"value": (top, one.place, one.place + thin), "label": one.text} for one in marks],
    )
    chart.add_xml_filter(_plain)
    # What pygal has rendered is escaped, and `_plain` has left nothing in it but shapes and text.
    return Markup(chart.render(is_unicode=True))  # noqa: S704


def _short(period: Period, unit: str) -> str:
    return f"{period.start:%b %y}" if unit == "month" else f"{period.start.day} {period.start:%b}"


def _steps() -> Iterator[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def _plain(root: Element) -> Element:
    """Leave neither style, script nor id in a chart; number its marks, name its bars."""
    root.attrib.update({"class": "timeline", "role": "img", "aria-labelledby": "timeline-summary"})
    for parent in list(root.iter()):
        for name in ("style", "id"):
            parent.attrib.pop(name, None)
        for child in list(parent):
            if child.tag == "desc" and child.get("class") == "label":
                child.tag = "title"
                child.attrib.clear()
            elif child.tag not in ("g", "rect", "path", "text") or child.get("class") in _UNUSED:
                parent.remove(child)
    marks = root.findall(".//g[@class='series serie-2 color-2']//rect")
    for number, rect in enumerate(marks, start=1):
        holder = root.find(".//g[@class='plot overlay']")
        if holder is not None:
            place = {"x": rect.get("x", "0"), "y": "-5", "class": "number"}
            SubElement(holder, "text", place).text = str(number)
    return root
