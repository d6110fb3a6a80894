"""The one list of the events that are heard and of the permissions that the App asks for.

A handler's module declares what it hears with a `Heard` of its own; `Events` is all of them. What
GitHub has to send and to allow follows from it: `app.yml`, the doctor, the first-run page and the
tables of the documentation are made from it or tested against it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.github import payloads

LEVELS = ("read", "write", "admin")  # of permissions, each with what the ones before allow


@dataclass(frozen=True, slots=True)
class Permission:
    """What the App asks for on a repository. `without` says what is so while it is not granted."""

    name: str
    level: str
    without: str
    is_vital: bool = True  # else the rest works, if less well

    def __str__(self) -> str:
        return f"{self.name}: {self.level}"

    def exceeds(self, other: "Permission | None") -> bool:
        """Tell whether it allows more than another of the same name."""
        return other is None or LEVELS.index(self.level) > LEVELS.index(other.level)


METADATA = Permission("metadata", "read", "nobody can use commands, and renames are missed")
CONTENTS = Permission("contents", "read", "commits are not linked, and no code is read")
PULL_REQUESTS = Permission(
    "pull_requests", "write", "pull requests are not linked or get no comment or label"
)
ISSUES = Permission(
    "issues", "write", "issues are not linked, and no tracking or clean-up issue can be made"
)
CHECKS = Permission("checks", "write", "there is no check")
MERGE_QUEUES = Permission(
    "merge_queues",
    "read",
    "the bot hears of a merge queue by its pushes alone; if one is missed, the queue waits "
    "forever for a required check",
    is_vital=False,
)
DEPLOYMENTS = Permission(
    "deployments",
    "read",
    "it cannot be told which merged pull requests are live",
    is_vital=False,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that is heard, with what has to be allowed for it and what it is for.

    Of a `permission` that is None GitHub sends it to whoever it concerns, unasked. `webhook` is
    what GitHub's page of a webhook calls it, None where a webhook for a token need not send it.
    `reads` is what its handlers read of the payload, which the door decodes as that at once.
    """

    name: str
    reason: str
    permission: Permission | None
    webhook: str | None = None
    reads: type[payloads.Envelope] = payloads.Event

    @property
    def is_vital(self) -> bool:
        """Tell whether the rest works less well where it is not heard."""
        return self.permission is None or self.permission.is_vital


# What a fine-grained token needs on a repository, as GitHub's page of it calls it.
FINE_GRAINED = (
    "Metadata, Contents and Deployments, read; Pull requests, Issues and Commit statuses, read and "
    "write; Webhooks, read, to recover deliveries that were missed"
)
# What a classic token needs, as GitHub calls its scopes.
CLASSIC = (
    "repo; to recover missed deliveries read:repo_hook too, which repo includes, and "
    "admin:org_hook for an organization's webhook"
)
_PERMISSIONS = (METADATA, CONTENTS, PULL_REQUESTS, ISSUES, CHECKS, MERGE_QUEUES, DEPLOYMENTS)


class Events:
    """What is heard, by name. Of two declarations of an event the first counts."""

    def __init__(self, heard: Iterable[Heard]) -> None:
        self._heard: dict[str, Heard] = {}
        for one in heard:
            self._heard.setdefault(one.name, one)

    def __iter__(self) -> Iterator[Heard]:
        return iter(self._heard.values())

    def __contains__(self, name: str) -> bool:
        return name in self._heard

    def reads(self, name: str) -> type[payloads.Envelope]:
        """Return what is read of an event, be it heard or not."""
        heard = self._heard.get(name)
        return heard.reads if heard is not None else payloads.Event

    @property
    def asked(self) -> list[str]:
        """Return what an App has to subscribe to."""
        return [one.name for one in self if one.permission is not None]

    @property
    def needed(self) -> list[Heard]:
        """Return what every webhook has to send, be it an App's or a repository's."""
        return [one for one in self if one.webhook is not None]

    @property
    def permissions(self) -> dict[str, Permission]:
        """Return what the App asks for, by name: the most that any event needs."""
        asked = {one.name: one for one in _PERMISSIONS}
        for one in self:
            wanted = one.permission
            if wanted is not None and wanted.exceeds(asked.get(wanted.name)):
                asked[wanted.name] = wanted
        return asked

    def without(self, missing: Iterable[str]) -> str:
        """Return sentences that say what does not work without some permissions."""
        lacking = [self.permissions[name] for name in missing]
        return " ".join(f"Without {one} {one.without}." for one in lacking)
