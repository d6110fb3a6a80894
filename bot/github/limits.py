"""GitHub's rate limits, decided without I/O: what an answer asks for, and what our writes may do.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

CONTENT_PER_MINUTE = 80
CONTENT_PER_HOUR = 500
SPACING = 1.0  # seconds between writes when there are many
_BUDGETS = ((CONTENT_PER_MINUTE, 60.0), (CONTENT_PER_HOUR, 3600.0))  # in seconds
# For how many seconds a write counts: only content counts for longer than a minute.
_LASTS = {True: 3600.0, False: 60.0}
MANY_WAITING = 5  # actions of one credential
MANY_WRITTEN = 10  # writes in the last minute
_CONTENT = re.compile(
    r"POST /repos/[^/]+/[^/]+/(?:issues|issues/[0-9]+/comments|labels)"
    r"|PATCH /repos/[^/]+/[^/]+/issues/(?:[0-9]+|comments/[0-9]+)"
)


def creates_content(method: str, path: str) -> bool:
    """Tell whether a call counts as content-creating: what people see and may be notified of."""
    return _CONTENT.fullmatch(f"{method} {path}") is not None


def date_of(headers: Mapping[str, str]) -> float | None:
    """Return the time of an answer by GitHub's own clock, in seconds since the epoch."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None


def is_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Tell whether a refusal is about a rate limit, primary or secondary."""
    if status not in (403, 429):
        return False
    says_so = "rate limit" in message.lower() or "abuse" in message.lower()
    spent = headers.get("X-RateLimit-Remaining") == "0"
    return status == 429 or "Retry-After" in headers or spent or says_so


def pause_of(headers: Mapping[str, str], now: float) -> float | None:
    """Return for how many seconds an answer asks us to wait; None if it does not say.

    Times are compared with GitHub's own clock, where the answer tells it.
    """
    github_now = date_of(headers) or now
    after = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", after):
        return max(1.0, float(after))
    if after:
        try:
            return max(1.0, parsedate_to_datetime(after).timestamp() - github_now)
        except ValueError:
            pass
    reset = headers.get("X-RateLimit-Reset", "")
    if headers.get("X-RateLimit-Remaining") == "0" and re.fullmatch(r"[0-9]{1,12}", reset):
        return max(1.0, float(reset) - github_now + 1.0)
    return None


def rest_of(headers: Mapping[str, str], now: float, left: float) -> float:
    """Return for how many seconds to make no call, so that a part of the hour's calls is `left`."""
    told = [headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining", "Reset")]
    if not all(re.fullmatch(r"[0-9]{1,12}", one) for one in told):
        return 0.0
    limit, remaining, reset = map(int, told)
    if remaining > limit * left:
        return 0.0
    return max(0.0, reset - (date_of(headers) or now) + 1.0)


class Pace:
    """How fast one credential writes. Times in seconds; `content` those of content-creating calls.

    Writes go one after the other. When there are many they are a second apart, and
    content-creating calls stay within GitHub's number per minute and hour.
    """

    def __init__(self, writes: Sequence[tuple[float, bool]] = ()) -> None:
        self.writes = list(writes)
        self.many_waiting = False

    def wait(self, now: float, *, content: bool) -> float:
        """Return for how many seconds the next write has to wait."""
        self.writes = [write for write in self.writes if now - _LASTS[write[1]] < write[0] <= now]
        waits = [0.0]
        recent = [at for at, _ in self.writes if at > now - 60]
        if recent and (self.many_waiting or len(recent) > MANY_WRITTEN):
            waits.append(recent[-1] + SPACING - now)
        if content:
            for limit, span in _BUDGETS:
                counted = self._content(now - span)
                if len(counted) >= limit:
                    waits.append(counted[-limit] + span - now)
        return max(waits)

    def wrote(self, now: float, *, content: bool) -> None:
        self.writes.append((now, content))

    def left(self, now: float) -> list[int]:
        """Return how many content-creating calls the present minute and hour have left."""
        return [limit - len(self._content(now - span)) for limit, span in _BUDGETS]

    def _content(self, since: float) -> list[float]:
        return [at for at, is_content in self.writes if is_content and at > since]
