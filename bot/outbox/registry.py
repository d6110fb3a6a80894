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
from bot.domain.integrations import Integration
from bot.github import Client, Refused
from bot.github.payloads import Comment, CreatedIssue, User
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
    again: bool = False  # what seems to be there already is written all the same
    rewrite: bool = False  # whatever stands there is written, whatever the settings are by now
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
        return dataclasses.replace(self, again=again, rewrite=rewrite, doubts=[])

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
        return await self.services.database.write(lambda tx: job(tx, *args, **more))

    async def begin(self, what: store.Shown, **values: Any) -> None:
        """Keep, before a call that changes `comment`, `check` or `label`, that it may be made.

        Until `done` nobody knows what GitHub shows: the call may have been carried out though
        its answer was lost. `values` are columns of `posts`.
        """
        await self.write(store.actions.begin_change, self.item_id, what, self._attempt, values)

    async def done(self, what: store.Shown, **values: Any) -> None:
        """Keep what GitHub shows now that the call has been answered."""
        await self.write(store.actions.end_change, self.item_id, what, self._attempt, values)

    @property
    def _attempt(self) -> str:
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


Runner = Callable[[Job], Awaitable[dict[str, Any]]]
Carried = actions.Kind | parts.Part
_RUNNERS: dict[Carried, Runner] = {}


class Unbound(Exception):
    """A kind of action, or a part, is declared that nothing carries out, or two functions do."""


def carries_out(what: Carried) -> Callable[[Runner], Runner]:
    """Let a function carry out the actions of a kind, or a part of those that have parts."""

    def register(run: Runner) -> Runner:
        if what in _RUNNERS:
            raise Unbound(f"two functions carry out {what.name}")
        _RUNNERS[what] = run
        return run

    return register


def runners() -> Mapping[str, Runner]:
    """Return what carries out each kind and part, by name; raises Unbound if one has nothing."""
    extensions.modules_of("bot.outbox")
    kinds = [kind for kind in actions.KINDS.values() if not kind.has_parts]
    declared: list[Carried] = [*kinds, *parts.PARTS.values()]
    for what in declared:
        if what not in _RUNNERS:
            raise Unbound(f"nothing carries out {what.name}: use @carries_out in bot/outbox")
    return {what.name: run for what, run in _RUNNERS.items()}
