"""Calls the handlers of a delivery, in a fixed order, inside a transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot import times
from bot.domain import installations, repositories
from bot.handlers import payloads
from bot.storage.database import Transaction

Handler = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a handler knows beside the event: through whom and when it came, and the transaction.

    `host` is the web host of the GitHub it came from, `received_at` stands in for times that a
    payload lacks, in microseconds.
    """

    transaction: Transaction
    integration_id: str
    host: str
    guid: str
    received_at: int
    installation_id: int | None

    @classmethod
    def of(
        cls,
        transaction: Transaction,
        integration_id: str,
        host: str,
        event: Event,
        received_at: int,
    ) -> "Delivery":
        """Return what the handlers of `event` are given."""
        installation = event.data.get("installation")
        identifier = installation.get("id") if isinstance(installation, dict) else None
        is_id = type(identifier) is int and 0 < identifier < 2**63
        return cls(
            transaction,
            integration_id,
            host,
            event.delivery_id,
            received_at,
            identifier if is_id else None,
        )

    def time(self, value: str | int | None) -> int | None:
        """Return a time of the payload; raises InvalidPayload if it is none."""
        try:
            return times.parse(value)
        except ValueError:
            raise payloads.InvalidPayload("Expected a time in RFC 3339") from None

    def repository(self, repository: payloads.Repository, *, is_rename: bool = False) -> int:
        """Return our id of a payload's repository."""
        repository_id = repositories.resolve(
            self.transaction,
            self.host,
            repository.full_name,
            repository.id,
            self.time(repository.updated_at),
            repository.default_branch,
            repositories.visibility_of(repository.private, repository.visibility),
            is_rename=is_rename,
        )
        if self.installation_id is not None:
            installations.observe_repository(
                self.transaction, self.integration_id, repository_id, self.installation_id
            )
        return repository_id

    def repository_of(self, repository: payloads.Repository | None, html_url: str | None) -> int:
        """Return our id of the repository, taken from a page's address where none is given."""
        if repository is None:
            name = repository_name({"issue": {"html_url": html_url}})
            if name is None:
                raise payloads.InvalidPayload("Object missing required field `repository`")
            repository = payloads.Repository(full_name=name)
        return self.repository(repository)


def repository_name(data: dict[str, Any]) -> str | None:
    """Return the full name of the repository a payload is about; None if it names none.

    Where `repository` is missing, the address of the pull request or issue tells.
    """
    repository = data.get("repository")
    if isinstance(repository, dict):
        name = repository.get("full_name")
        return name if isinstance(name, str) else None
    for name in ("pull_request", "issue"):
        thing = data.get(name)
        address = thing.get("html_url") if isinstance(thing, dict) else None
        if isinstance(address, str):
            parts = _path(address).split("/")
            if len(parts) == 5 and parts[3] in ("pull", "issues") and parts[4].isdecimal():
                return f"{parts[1]}/{parts[2]}"
    return None


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""


class Dispatcher:
    """gidgethub's routers joined; runs what is registered for an event."""

    def __init__(self, routers: Sequence[Router]) -> None:
        self._router = Router(*routers)

    def handlers(self, event: Event) -> list[Handler]:
        """Return the handlers of an event, ordered by where they are defined."""
        if not isinstance(event.data.get("action"), str | None):
            raise payloads.InvalidPayload("Expected `str` - at `action`")
        found = self._router.fetch(event)
        return sorted(found, key=lambda handler: (handler.__module__, handler.__qualname__))

    def run(self, handlers: Sequence[Handler], event: Event, delivery: Delivery) -> None:
        """Run `handlers` to their end, one after the other, on the calling thread."""
        for handler in handlers:
            coroutine: Any = handler(event, delivery)
            try:
                coroutine.send(None)
            except StopIteration:
                continue
            coroutine.close()
            raise RuntimeError(
                f"{handler.__module__}.{handler.__qualname__} waits for something; "
                "handlers run inside a transaction and must not"
            )
