"""Calls the handlers of a delivery, in a fixed order, inside a transaction."""

from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot import storage as store
from bot.domain import repositories
from bot.domain.repositories import Scope
from bot.domain.snapshots import Told
from bot.github import names, payloads
from bot.github.events import Events

Handler = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery(Told):
    """What a handler knows beside the event: through whom and when it came, and the transaction."""

    @classmethod
    def of(
        cls,
        tx: store.Transaction,
        scope: Scope,
        event: Event,
        received_at: int,
        confirmed: Set[tuple[str, int]] = frozenset(),
    ) -> "Delivery":
        """Return what the handlers of `event` are given."""
        installation_id = _installation_of(event.data)
        return cls(tx, scope, event.delivery_id, received_at, installation_id, confirmed)

    @property
    def transaction(self) -> store.Transaction:
        """What `tx` was called; extensions may say so still."""
        return self.tx

    def admit(self, event: Event) -> None:
        """Look whether the integration may hear of what an event is about.

        Raises NotAllowed, Unconfirmed.
        """
        about = subject_of(event.data)
        if about is not None and self.scope.entries is not None:
            repositories.admit(
                self.tx, self.scope, about, old_name=old_name_in(event), confirmed=self.confirmed
            )


def _installation_of(data: dict[str, Any]) -> int | None:
    """Return the id of the App's installation through which a payload came, if it says."""
    installation = data.get("installation")
    identifier = installation.get("id") if isinstance(installation, dict) else None
    return identifier if type(identifier) is int and 0 < identifier < 2**63 else None


def repository_told(
    repository: payloads.Repository | None, html_url: str | None
) -> payloads.Repository:
    """Return the repository that a payload is about, taken from an address where none is given."""
    if repository is not None:
        return repository
    place = names.place_in(html_url)
    if place is None:
        raise payloads.InvalidPayload("`repository` is missing or cannot be read")
    return payloads.Repository(full_name=place[0])


def subject_of(data: dict[str, Any]) -> payloads.Repository | None:
    """Return the repository that a payload is about; None if it names none.

    Where `repository` is missing, the address of the pull request or issue tells.
    """
    try:
        return payloads.read(data.get("repository"), payloads.Repository)
    except payloads.InvalidPayload:
        pass
    for name in ("pull_request", "issue"):
        thing = data.get(name)
        address = thing.get("html_url") if isinstance(thing, dict) else None
        place = names.place_in(address) if isinstance(address, str) else None
        if place is not None:
            return payloads.Repository(full_name=place[0])
    return None


def old_name_in(event: Event) -> str | None:
    """Return what a repository was called before the rename or transfer that an event tells of."""
    if event.event != "repository" or event.data.get("action") not in ("renamed", "transferred"):
        return None
    about, changes = subject_of(event.data), event.data.get("changes")
    if about is None:
        return None
    owner, name = about.full_name.split("/")
    try:
        if "repository" in changes:
            return f"{owner}/{changes['repository']['name']['from']}"
        (account,) = changes["owner"]["from"].values()
        return f"{account['login']}/{name}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class Routes(Router):
    """gidgethub's routers joined, which know by name of event the modules of their handlers."""

    def __init__(self, *routers: Router) -> None:
        self.modules: dict[str, set[str]] = {}
        super().__init__(*routers)

    def add(self, func: Handler, event_type: str, **data_detail: Any) -> None:
        self.modules.setdefault(event_type, set()).add(func.__module__)
        super().add(func, event_type, **data_detail)


class Dispatcher:
    """Runs what is registered for an event; `events` says which events are heard, and why."""

    def __init__(self, routes: Router, events: Events) -> None:
        self._router = routes
        self.events = events

    def handlers(self, event: Event) -> list[Handler]:
        """Return the handlers of an event, ordered by where they are defined."""
        if not isinstance(event.data.get("action"), str | None):  # it counts as missing
            data = {**event.data, "action": None}
            event = Event(data, event=event.event, delivery_id=event.delivery_id)
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
