"""Which lines two versions of a file share, in a time that hardly grows faster than they do.

Lines that each version has once are paired, as far as they are in the same order; what is alike
around them belongs to them; and so on in what is between (as `git diff --patience`).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

_DEEPEST = 12

# From and to in the old version, from and to in the new one.
_Span = tuple[int, int, int, int]


def alike(old: Sequence[bytes], new: Sequence[bytes]) -> dict[int, int]:
    """Return for lines of the old version, counted from 0, the same ones of the new version."""
    twins: dict[int, int] = {}
    spans: list[_Span] = [(0, len(old), 0, len(new))]
    for _ in range(_DEEPEST):
        spans = [rest for span in spans for rest in _between(old, new, span, twins)]
    return twins


def _between(
    old: Sequence[bytes], new: Sequence[bytes], span: _Span, twins: dict[int, int]
) -> Iterator[_Span]:
    """Pair what can be paired within a span; yield the spans between that are left."""
    a, a_end, b, b_end = _trimmed(old, new, span, twins)
    if a == a_end or b == b_end:
        return
    for here, there in _once(old, new, (a, a_end, b, b_end)):
        if here >= a and there >= b:
            yield a, here, b, there
            a, b = here, there
            while a < a_end and b < b_end and old[a] == new[b]:
                twins[a] = b
                a, b = a + 1, b + 1
    if a > span[0] or b > span[2]:
        yield a, a_end, b, b_end


def _trimmed(
    old: Sequence[bytes], new: Sequence[bytes], span: _Span, twins: dict[int, int]
) -> _Span:
    """Pair what is alike at both ends."""
    a, a_end, b, b_end = span
    while a < a_end and b < b_end and old[a] == new[b]:
        twins[a] = b
        a, b = a + 1, b + 1
    while a < a_end and b < b_end and old[a_end - 1] == new[b_end - 1]:
        a_end, b_end = a_end - 1, b_end - 1
        twins[a_end] = b_end
    return a, a_end, b, b_end


def _once(old: Sequence[bytes], new: Sequence[bytes], span: _Span) -> list[tuple[int, int]]:
    """Return the longest list of lines that both have once, in the same order."""
    a, a_end, b, b_end = span
    often_old, often_new = Counter(old[a:a_end]), Counter(new[b:b_end])
    there = {new[place]: place for place in range(b, b_end) if often_new[new[place]] == 1}
    pairs = [
        (place, there[old[place]])
        for place in range(a, a_end)
        if often_old[old[place]] == 1 and old[place] in there
    ]
    return _longest_increasing(pairs)


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ends: list[int] = []  # the lowest end of a list of each length
    at: list[int] = []  # which pair that is
    before: list[int | None] = []
    for number, (_, there) in enumerate(pairs):
        length = bisect_left(ends, there)
        before.append(at[length - 1] if length else None)
        ends[length : length + 1] = [there]
        at[length : length + 1] = [number]
    found = []
    last = at[-1] if at else None
    while last is not None:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]
