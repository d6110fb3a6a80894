"""What an action is given to run with, and which function carries out which kind or part.

Each module joins by a decorator.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from bot import extensions
from bot import storage as store
from bot.domain import actions, parts
from bot.domain.after import Waiting
from bot.domain.integrations import Integration
from bot.github import Client, Refused
from bot.github.payloads import Comment, CreatedIssue, User
from bot.outbox.seen import Seen
from bot.services import Services

COMMENT = "/repos/{+repository}/issues/comments/{comment}"
COMMENTS = "/repos/{+repository}/issues/{number}/comments"

P = ParamSpec("P")
T = TypeVar("T")
Written = TypeVar("Written", Comment, CreatedIssue)


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at an action. `run` returns what became of it, or raises CallFailed."""

    services: Services
    integration: Integration
    client: Client
    action: store.ListedAction  # as it was before this attempt
    is_news: bool  # GitHub's API may not know yet what it is about
    pull_request: Seen | None = None
    part: str = ""
    again: bool = False  # what seems to be there already is written all the same
    rewrite: bool = False  # whatever stands there is written, whatever the settings are by now
    shut: Waiting | None = None  # why nobody can comment there, as deliveries told
    # All is done that can be, but for what GitHub may know in a moment: then it is run again.
    doubts: list[Refused] = field(default_factory=list)

    @property
    def item_id(self) -> int:
        """Return the pull request that the action is about; only for a kind that is about one."""
        assert self.action.item_id is not None
        return self.action.item_id

    def for_part(self, name: str) -> "Job":
        """Return what a part of the action is given to run with."""
        bit = parts.bit_of(name)
        again, rewrite = bool(self.action.again & bit), bool(self.action.rewrite & bit)
        return dataclasses.replace(self, part=name, again=again, rewrite=rewrite, doubts=[])

    def see_to_comments(self) -> None:
        """Raise Waiting where nobody can comment now."""
        if self.shut is not None:
            raise self.shut

    @property
    def may_be_done(self) -> bool:
        """Tell whether an earlier attempt may have taken effect without our knowing."""
        return self.action.attempts > 0

    def at(self, **names: object) -> dict[str, str]:
        """Return what fills an address: the action's `repository`, its `number`, and `names`."""
        known = {"repository": self.action.repository, "number": self.action.number, **names}
        return {name: str(value) for name, value in known.items()}

    async def read(
        self, job: Callable[Concatenate[store.Transaction, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        return await self.services.database.read(lambda tx: job(tx, *args, **more))

    async def write(
        self, job: Callable[Concatenate[store.Transaction, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        """Run a job that may change what is in the repository of the action, if it has one."""
        name = self.action.repository
        locks = store.locks_of_repository(self.integration.host, None, name) if name else ()
        return await self.services.database.write(lambda tx: job(tx, *args, **more), locks=locks)

    @property
    def seen(self) -> Seen:
        """Return the pull request as it is now; only for a kind that has parts."""
        assert self.pull_request is not None
        return self.pull_request

    async def note(self, what: store.Shown, **columns: Any) -> None:
        """Keep at once what may be shown from now on, while a change is being made (see Change)."""
        columns[f"{what}_writing"] = self.attempt
        marker = self.seen.post.marker
        await self.write(store.actions.begin_changes, self.item_id, marker, columns)

    @property
    def attempt(self) -> str:
        """Return what names this attempt, and no other."""
        return f"{self.action.id}/{self.action.attempts + 1}"

    async def made_before(
        self, shape: type[Written], url: str, marker: str, **names: object
    ) -> Written | None:
        """Return what an earlier attempt has made: the first in a list with the marker."""
        async for one in self.client.fetch_all(shape, url, self.at(**names)):
            if marker in (one.body or "") and await self.is_own(one.user):
                return one
        return None

    async def comment_before(self, marker: str) -> int | None:
        """Return the comment that an earlier attempt has made, the oldest if there are several."""
        found = await self.made_before(Comment, f"{COMMENTS}?per_page=100", marker)
        return found.id if found else None

    async def is_own(self, user: User | None) -> bool:
        """Tell whether a user of GitHub's is who this integration writes as.

        Where GitHub does not say who that is (a pasted installation token), any bot may be.
        """
        login = await self.services.github.login(self.integration.credentials)
        if user is None:
            return False
        if login is None:
            return user.type == "Bot"
        return (user.login or "").lower() == login.lower()


@dataclass(frozen=True, slots=True)
class Made:
    """A change that GitHub has answered: columns of `posts` from then on, and what has become."""

    columns: Mapping[str, Any]
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a `comment`, `check` or `label` that is about to be made.

    `columns` of `posts` are kept before `make` calls GitHub. Until it has returned nobody knows
    what GitHub shows: a call may have been carried out though its answer was lost.
    """

    what: store.Shown
    columns: Mapping[str, Any]
    make: Callable[[], Awaitable[Made]]


Runner = Callable[[Job], Awaitable[dict[str, Any]]]
# Returns the change that a part needs, or what has become of it if it needs none.
Planner = Callable[[Job], Awaitable[Change | dict[str, Any]]]
_RUNNERS: dict[actions.Kind, Runner] = {}
_PLANNERS: dict[parts.Part, Planner] = {}


class Unbound(Exception):
    """A kind of action, or a part, is declared that nothing carries out, or two functions do."""


def carries_out(kind: actions.Kind) -> Callable[[Runner], Runner]:
    """Let a function carry out the actions of a kind."""

    def register(run: Runner) -> Runner:
        if kind in _RUNNERS:
            raise Unbound(f"two functions carry out {kind.name}")
        _RUNNERS[kind] = run
        return run

    return register


def shows(part: parts.Part) -> Callable[[Planner], Planner]:
    """Let a function plan what brings a part of what a pull request shows up to date."""

    def register(plan: Planner) -> Planner:
        if part in _PLANNERS:
            raise Unbound(f"two functions show {part.name}")
        _PLANNERS[part] = plan
        return plan

    return register


@dataclass(frozen=True, slots=True)
class Registered:
    """What carries out each kind, and plans each part, by name."""

    runners: Mapping[str, Runner]
    planners: Mapping[str, Planner]


def registered() -> Registered:
    """Return what carries out each kind and part; raises Unbound if one has nothing."""
    extensions.modules_of("bot.outbox")
    for kind in actions.KINDS.values():
        if kind not in _RUNNERS and not kind.has_parts:
            raise Unbound(f"nothing carries out {kind.name}: use @carries_out in bot/outbox")
    for part in parts.PARTS.values():
        if part not in _PLANNERS:
            raise Unbound(f"nothing shows {part.name}: use @shows in bot/outbox")
    return Registered(
        {kind.name: run for kind, run in _RUNNERS.items()},
        {part.name: plan for part, plan in _PLANNERS.items()},
    )
