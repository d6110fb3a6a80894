"""What can become of a call to GitHub that did not succeed, and which of it a wait can mend.

A failure is data: why it is so and, where people can mend it, how. Its text is put together here;
nobody has to take it apart.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gidgethub

from bot import characters
from bot.emails import without_emails
from bot.github import limits

# What GitHub says of what it does not know (yet), and of what people have shut.
_NO_COMMIT = re.compile("no commit found", re.I)
_SHAS = ("sha", "head_sha")


class Hindrance(enum.IntFlag):
    """What people have to end before something can be done. Its bits stand in databases."""

    NONE = 0
    LOCKED = 1
    ARCHIVED = 2
    ACCESS = 4
    PERMISSION = 8


LOCKED = "the conversation is locked: the action waits until it is unlocked"
ARCHIVED = "the repository is archived: the action waits until it is unarchived"
_SHUT = {
    re.compile(r"\b(?:issue|pull request|conversation)\b.*\blocked\b", re.I): (
        LOCKED,
        Hindrance.LOCKED,
    ),
    re.compile(r"\barchived\b", re.I): (ARCHIVED, Hindrance.ARCHIVED),
}
_HINDRANCES = {403: Hindrance.PERMISSION, 404: Hindrance.ACCESS}
_REMEDIES = {
    401: "the credential is not valid (any more): store a new one in the integration",
    403: "the credential may not do this: give it the permission",
    404: "it does not exist, or the credential does not reach it",
    410: "it is gone, or switched off in the repository's settings",
}


class CallFailed(Exception):
    """A call to GitHub did not succeed. What it says is for people and holds no secret."""

    _TEXT: ClassVar[str] = "{reason} ({remedy})"

    def __init__(
        self, reason: str, remedy: str = "", hindrance: Hindrance = Hindrance.NONE
    ) -> None:
        super().__init__(reason, remedy)
        self.reason, self.remedy, self.hindrance = reason, remedy, hindrance

    def __str__(self) -> str:
        if not self.remedy:
            return self.reason
        return self._TEXT.format(reason=self.reason, remedy=self.remedy)


class Temporary(CallFailed):
    """No answer, or one that says that GitHub is not well: try again later.

    The call may have taken effect all the same.
    """


class Limited(CallFailed):
    """GitHub asks for a pause, or we make one of our own accord; nothing took effect.

    `seconds` is how long, None if nobody says.
    """

    def __init__(self, reason: str, seconds: float | None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(CallFailed):
    """GitHub says no, and would say so again: somebody has to do something first.

    `lags`: it does not know what was asked for, which it may yet, if a delivery has just named it.
    `errors` is what it says of fields. `field` is what is wrong of what somebody has asked us for.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        remedy: str = "",
        *,
        lags: bool = False,
        hindrance: Hindrance = Hindrance.NONE,
        errors: Sequence[Mapping[str, Any]] = (),
        field: str = "",
    ) -> None:
        super().__init__(reason, remedy, hindrance)
        self.status = status
        self.lags = lags
        self.errors = errors
        self.field = field


class Shut(Refused):
    """A conversation is locked, or a repository archived: it may be opened again."""


class NoToken(Refused):
    """GitHub gives an App no token: what is to be mended is the App or its installation."""

    _TEXT = "{reason}; {remedy}"


class NoQueries(Refused):
    """This GitHub, or what stands for it, has no GraphQL API."""

    def __init__(self) -> None:
        super().__init__(404, "this GitHub has no GraphQL API")


class NotListed(Refused):
    """The address is not in GITHUB_API_URLS (any more): nothing was called."""

    _TEXT = "{reason}; {remedy}"

    def __init__(self, api_url: str) -> None:
        super().__init__(
            403,
            f"nothing is called at {api_url}: GITHUB_API_URLS does not list it",
            "add it there and restart, or give the integration another api_url",
        )


def of(error: gidgethub.HTTPException, now: float) -> CallFailed:
    """Return what an answer of GitHub's that is not a success amounts to; `now` in seconds."""
    status = int(error.status_code)
    message = without_emails(characters.begin(str(error), 300))  # GitHub repeats what it was given
    if limits.is_limit(status, error.headers, message):
        return Limited(f"GitHub's rate limit: {message}", limits.pause_of(error.headers, now))
    if status >= 500 or status in (408, 425) or 300 <= status < 400:
        return Temporary(f"GitHub answered {status}: {message}")
    if status == 403:
        for pattern, (what, hindrance) in _SHUT.items():
            if pattern.search(message):
                return Shut(status, f"{what} ({status} {message})", hindrance=hindrance)
    remedy = _REMEDIES.get(status, "")
    needs = error.headers.get("X-Accepted-GitHub-Permissions")
    if status == 403 and needs:
        remedy = f"{remedy} {needs[:100]}"
    told = getattr(error, "errors", None)
    errors = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    lags = status == 404 or (status == 422 and _names_no_commit(errors, message))
    hindrance = _HINDRANCES.get(status, Hindrance.NONE)
    return Refused(
        status, f"{status} {message}", remedy, lags=lags, hindrance=hindrance, errors=errors
    )


# The types of GraphQL's errors that no wait mends, as what REST would have answered.
_QUERY_STATUSES = {"NOT_FOUND": 404, "FORBIDDEN": 403, "INSUFFICIENT_SCOPES": 403}


def of_query(errors: Any, headers: Mapping[str, str], now: float) -> CallFailed:
    """Return what the errors of a GraphQL answer amount to, which is a 200; `now` in seconds.

    https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-common-tasks
    """
    first = errors[0] if isinstance(errors, list) and errors else errors
    told = first if isinstance(first, dict) else {}
    message = without_emails(characters.begin(str(told.get("message") or "unknown error"), 300))
    kind = str(told.get("type") or "")
    if kind.startswith("RATE_LIMIT"):
        return Limited(f"GitHub's rate limit: {message}", limits.pause_of(headers, now))
    if kind in _QUERY_STATUSES:
        status = _QUERY_STATUSES[kind]
        return Refused(
            status,
            f"GraphQL: {message}",
            _REMEDIES[status],
            lags=status == 404,
            hindrance=_HINDRANCES[status],
        )
    if told.get("extensions"):  # it finds fault with the query itself
        return Refused(400, f"GraphQL: {message}")
    return Temporary(f"GraphQL: {message}")


def _names_no_commit(errors: Sequence[Mapping[str, Any]], message: str) -> bool:
    """Tell whether a 422 is about a commit that GitHub does not know."""
    named = any(one.get("field") in _SHAS for one in errors)
    return named or _NO_COMMIT.search(message) is not None
