"""What a look finds, as data, and the phrases that several looks have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from bot import times

Status = Literal["ok", "warning", "problem"]
NO_REASON = "no reason is known"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a subject found. `remedy` says what to do about a warning or a problem."""

    check: str
    status: Status
    message: str
    remedy: str | None = None


def at(moment: int) -> str:
    """Return a time of storage to the second."""
    return times.render(moment // times.SECOND * times.SECOND)


def number(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first of some names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def shown(url: str | None) -> str:
    """Return an address without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url or "")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    more = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}{more}"
