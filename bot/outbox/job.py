"""What an action is given to run with."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot import storage as store
from bot.domain.integrations import Integration
from bot.github import Client, Refused
from bot.github.payloads import User
from bot.services import Services

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at an action. `run` returns what became of it, or raises CallFailed."""

    services: Services
    integration: Integration
    client: Client
    id: str
    repository: str
    repository_id: int
    item_id: int | None
    number: int | None
    request: dict[str, Any]
    attempt: int  # from 1
    is_news: bool  # GitHub's API may not know yet what it is about
    # All is done that can be, but for what GitHub may know in a moment: then it is run again.
    doubts: list[Refused] = field(default_factory=list)

    @property
    def may_be_done(self) -> bool:
        """Tell whether an earlier attempt may have taken effect without our knowing."""
        return self.attempt > 1

    async def read(self, job: store.Job[T]) -> T:
        return await self.services.database.read(job)

    async def write(self, job: store.Job[T]) -> T:
        return await self.services.database.write(job)

    async def begin(self, what: str, **values: Any) -> None:
        """Keep, before a call that changes `comment`, `check` or `label`, that it may be made.

        Until `done` nobody knows what GitHub shows: the call may have been carried out though
        its answer was lost. `values` are columns of `posts`.
        """
        assert self.item_id is not None
        item_id, attempt = self.item_id, f"{self.id}/{self.attempt}"
        await self.write(lambda tx: store.actions.begin_change(tx, item_id, what, attempt, values))

    async def done(self, what: str, **values: Any) -> None:
        """Keep what GitHub shows now that the call has been answered."""
        assert self.item_id is not None
        item_id, attempt = self.item_id, f"{self.id}/{self.attempt}"
        await self.write(lambda tx: store.actions.end_change(tx, item_id, what, attempt, values))

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
