"""Sessions of the dashboard: how long they last, and whose they are."""

from bot import times

IDLE_SECONDS = 8 * 3600
ABSOLUTE_SECONDS = 7 * 86_400


def oldest(now: int) -> tuple[int, int]:
    """Return since when a session must have been used, and since when it may have begun."""
    return now - IDLE_SECONDS * times.SECOND, now - ABSOLUTE_SECONDS * times.SECOND


def has_ended(now: int, used_at: int, begun_at: int) -> bool:
    """Tell whether a session has run out, by its age or by a clock that was far ahead."""
    used_since, begun_since = oldest(now)
    return not used_since <= used_at <= now + IDLE_SECONDS * times.SECOND or begun_at < begun_since


def subject_of_token(token_id: str) -> str:
    """Return whose the sessions are that a token began."""
    return f"token:{token_id}"


def subject_on_github(host: str, person: str) -> str:
    """Return whose the sessions are that somebody on a GitHub began."""
    return f"github:{host}:{person}"


def host_of(subject: str) -> str | None:
    """Return on which GitHub somebody is; None for a token."""
    kind, _, rest = subject.partition(":")
    return rest.rpartition(":")[0] if kind == "github" else None
