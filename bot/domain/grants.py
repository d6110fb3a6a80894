"""What an account lets the App do and hear of, beside what is needed by an integration's settings.

Until its owner accepts what the App asks for, GitHub does not send the events that hang on it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from bot import storage as store
from bot import times
from bot.github import payloads
from bot.github.events import LEVELS, Events, Permission
from bot.github.names import is_page_of

_LEVELS = ("none", *LEVELS)
_MOST, _LONGEST = 200, 100  # permissions or events, and characters of a name


class Rules(Protocol):
    """The settings of an integration that something is needed for, or not."""

    @property
    def comments(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def check(self) -> str: ...


def lacking(
    events: Events,
    rules: Rules,
    given: Mapping[str, str],
    asked: Mapping[str, str] | None = None,
) -> list[Permission]:
    """Return what is needed and not given.

    With `asked`, what the App asks for, nothing else can be lacking.
    """
    needed = events.permissions
    if rules.comments == "off" and rules.label is None:
        needed["pull_requests"] = replace(needed["pull_requests"], level="read")
    if rules.check == "off":
        del needed["checks"], needed["merge_queues"]
    return [
        one
        for one in needed.values()
        if not _gives(given, one) and (asked is None or _gives(asked, one))
    ]


def _gives(given: Mapping[str, str], needed: Permission) -> bool:
    got = given.get(needed.name, "none")
    return got in _LEVELS and _LEVELS.index(got) >= _LEVELS.index(needed.level)


def unheard(events: Events, heard: Collection[str]) -> list[str]:
    """Return the events that nothing can do without and that are not among those that are sent."""
    return [one.name for one in events.needed if one.is_vital and one.name not in heard]


def told(host: str, installation: payloads.Installation) -> dict[str, Any]:
    """Return what is kept of what GitHub says of the grants; None where it says nothing.

    A page that is not on the `host` is none of GitHub's.
    """
    page = installation.html_url
    return {
        "permissions": _levels(installation.permissions),
        "events": _names(installation.events),
        "html_url": page if page and is_page_of(page, host) else None,
    }


def _levels(permissions: Any) -> dict[str, str] | None:
    if not isinstance(permissions, dict):
        return None
    known = [(name, level) for name, level in permissions.items() if level in _LEVELS]
    return {name: level for name, level in known[:_MOST] if len(name) <= _LONGEST}


def _names(events: Any) -> Sequence[str] | None:
    if not isinstance(events, list):
        return None
    names = [one for one in events if isinstance(one, str) and len(one) <= _LONGEST]
    return tuple(names[:_MOST])


def keep_answer(
    tx: store.Transaction, integration_id: str, host: str, answer: payloads.Installation
) -> None:
    """Keep what GitHub has just answered of an installation, be it one not heard of yet.

    Of that it is as old as GitHub says: an event that tells of its end may say no later time.
    """
    if store.installations.find(tx, integration_id, answer.id) is not None:
        grants = told(host, answer)
        store.installations.set_grants(tx, integration_id, answer.id, grants)
    else:
        now = times.now()
        at = times.told(answer.updated_at, now) or 0
        suspended_at = times.told(answer.suspended_at, now)
        store.installations.put(tx, row_of(integration_id, host, answer, at, suspended_at))


def row_of(
    integration_id: str,
    host: str,
    installation: payloads.Installation,
    at: int,
    suspended_at: int | None = None,
    deleted_at: int | None = None,
) -> dict[str, Any]:
    """Return the columns of an installation of which something was told for a time."""
    return {
        "host": host,
        "installation_id": installation.id,
        "integration_id": integration_id,
        "account": installation.account.login if installation.account else None,
        "repository_selection": installation.repository_selection,
        "updated_at": at,
        "suspended_at": suspended_at,
        "deleted_at": deleted_at,
        **told(host, installation),
    }
