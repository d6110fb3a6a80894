"""Calls the handlers of a delivery, in a fixed order, inside a transaction."""

from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Any

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot import storage as store
from bot.domain import allowed
from bot.domain.allowed import Scope
from bot.domain.snapshots import Told
from bot.github import names, payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import Events

Handler = Callable[..., Awaitable[None]]


class Delivery(Told, frozen=True):
    """What a handler knows beside the event: through whom and when it came, and the transaction."""

    @classmethod
    def of(
        cls,
        tx: store.Transaction,
        scope: Scope,
        event: DeliveredEvent,
        received_at: int,
        confirmed: Set[tuple[str, int]] = frozenset(),
    ) -> "Delivery":
        """Return what the handlers of `event` are given."""
        installation_id = event.installation_id
        return cls(
            tx,
            scope.where(event.about),
            event.delivery_id,
            received_at,
            installation_id,
            confirmed,
            speaks=True,
            item_time=event.item_time,
        )

    @property
    def transaction(self) -> store.Transaction:
        """What `tx` was called; extensions may say so still."""
        return self.tx

    def admit(self, event: DeliveredEvent) -> None:
        """Look whether the integration may hear of what an event is about.

        Raises NotAllowed, Undecided.
        """
        if event.about is not None:
            old_name = old_name_in(event)
            word = self.word(event.about, is_rename=tells_of_rename(event), old_name=old_name)
            allowed.admit(self.tx, self.scope, event.about, word, self.confirmed)


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


def tells_of_rename(event: DeliveredEvent) -> bool:
    return event.event == "repository" and event.action in ("renamed", "transferred")


def old_name_in(event: DeliveredEvent) -> str | None:
    """Return what a repository was called before the rename or transfer that an event tells of."""
    if not tells_of_rename(event) or event.about is None:
        return None
    changes: Any = event.data.get("changes")
    owner, name = event.about.full_name.split("/")
    try:
        if "repository" in changes:
            return f"{owner}/{changes['repository']['name']['from']}"
        (account,) = changes["owner"]["from"].values()
        return f"{account['login']}/{name}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class Routes(Router):
    """gidgethub's routers joined, which know by name of event the modules of their handlers.

    `details` are the fields of the payload, and the values of each, by which they are chosen.
    """

    def __init__(self, *routers: Router) -> None:
        self.modules: dict[str, set[str]] = {}
        self.details: dict[str, dict[str, set[Any]]] = {}
        super().__init__(*routers)

    def add(self, func: Handler, event_type: str, **data_detail: Any) -> None:
        self.modules.setdefault(event_type, set()).add(func.__module__)
        details = self.details.setdefault(event_type, {})
        for name, value in data_detail.items():
            details.setdefault(name, set()).add(value)
        super().add(func, event_type, **data_detail)


class Dispatcher:
    """Runs what is registered for an event; `events` says which events are heard, and why."""

    def __init__(self, routes: Routes, events: Events) -> None:
        self._routes = routes
        self.events = events
        self._known: dict[tuple[str, str | None], Sequence[Handler]] = {}

    def event(self, text: bytes, name: str, guid: str) -> DeliveredEvent:
        """Return what a JSON text delivers, decoded as the handlers of the event read it.

        Raises InvalidJSON, NoObject.
        """
        return DeliveredEvent(text, self.events.reads(name), event=name, delivery_id=guid)

    def may_handle(self, name: str, action: str | None) -> bool:
        """Tell whether an event has handlers, as far as its name and action tell."""
        details = self._routes.details.get(name)
        if details is None:
            return False
        return bool(details.keys() - {"action"} or self._fetch(name, {"action": action}))

    def handlers(self, event: DeliveredEvent) -> Sequence[Handler]:
        """Return the handlers of an event, ordered by where they are defined.

        An action that is no text counts as missing.
        """
        details = self._routes.details.get(event.event)
        if details is None:
            return ()
        action = event.action
        if details.keys() - {"action"}:
            return self._fetch(event.event, {**event.data, "action": action})
        # Whatever is not registered has the same handlers: only so many are remembered.
        key = (event.event, action if action in details.get("action", ()) else None)
        if key not in self._known:
            self._known[key] = self._fetch(event.event, {"action": key[1]})
        return self._known[key]

    def _fetch(self, name: str, data: dict[str, Any]) -> Sequence[Handler]:
        found = self._routes.fetch(Event(data, event=name, delivery_id=""))
        return sorted(found, key=lambda handler: (handler.__module__, handler.__qualname__))

    def run(self, handlers: Sequence[Handler], event: DeliveredEvent, delivery: Delivery) -> None:
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
