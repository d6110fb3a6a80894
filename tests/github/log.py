"""A look at the requests that came."""

import math

from tests.github.model import Request
from tests.github.state import State
from tests.github.values import MINT


class Log(State):
    """What was asked for, and how much of it at once."""

    def calls(self, template: str | None = None, path: str | None = None) -> list[Request]:
        return [
            one
            for one in self.requests
            if template in (None, one.template) and path in (None, one.path)
        ]

    def writes(self, template: str | None = None) -> list[Request]:
        return [one for one in self.calls(template) if one.is_write]

    @property
    def mints(self) -> list[Request]:
        return self.calls(MINT)

    @property
    def concurrent_writes(self) -> int:
        """The largest number of writes of one credential that were under way at once."""
        changes = []
        for one in self.writes():
            changes += [(one.wall, 1, one.credential)]
            changes += [(math.inf if one.ended is None else one.ended, -1, one.credential)]
        most, under_way = 0, dict.fromkeys((one.credential for one in self.writes()), 0)
        for _, change, credential in sorted(changes):
            under_way[credential] += change
            most = max(most, under_way[credential])
        return most

    def most_writes_within(
        self, seconds: float, content_only: bool = False, by: str = "wall"
    ) -> int:
        """Return the largest number of writes of one credential within so many seconds."""
        most = 0
        for credential in {one.credential for one in self.writes()}:
            times = sorted(
                one.wall if by == "wall" else one.at
                for one in self.writes()
                if one.credential == credential and (one.is_content or not content_only)
            )
            first = 0
            for last, at in enumerate(times):
                while times[first] <= at - seconds:
                    first += 1
                most = max(most, last - first + 1)
        return most
