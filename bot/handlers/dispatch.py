"""Calls the handlers of a delivery, in a fixed order, inside a transaction."""

from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot import storage as store
from bot import times
from bot.domain import installations, repositories
from bot.domain.repositories import Scope
from bot.github import names, payloads
from bot.github.events import Events

Handler = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a handler knows beside the event: through whom and when it came, and the transaction.

    `scope` says of which repositories the integration may hear, and `confirmed` which names GitHub
    itself has told. `received_at` stands in for times that a payload lacks, in microseconds.
    """

    tx: store.Transaction
    scope: Scope
    guid: str
    received_at: int
    installation_id: int | None
    confirmed: Set[tuple[str, int]] = frozenset()

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
        return cls(
            tx,
            scope,
            event.delivery_id,
            received_at,
            _installation_of(event.data),
            confirmed,
        )

    @property
    def transaction(self) -> store.Transaction:
        """What `tx` was called; extensions may say so still."""
        return self.tx

    @property
    def integration_id(self) -> str:
        return self.scope.integration_id

    @property
    def host(self) -> str:
        """The web host of the GitHub that it came from."""
        return self.scope.host

    def time(self, value: str | int | None) -> int | None:
        """Return a time of the payload; None if it is none. It is never ahead of its arrival."""
        try:
            moment = times.parse(value)
        except ValueError:
            return None
        return None if moment is None else times.not_ahead(moment, self.received_at)

    def admit(self, event: Event) -> None:
        """Look whether the integration may hear of what an event is about.

        Raises NotAllowed, Unconfirmed.
        """
        about = subject_of(event.data)
        if about is not None and self.scope.entries is not None:
            repositories.admit(
                self.tx,
                self.scope,
                about.full_name,
                about.id,
                old_name=old_name_in(event),
                confirmed=self.confirmed,
            )

    def repository(
        self,
        repository: payloads.Repository,
        *,
        is_rename: bool = False,
        old_name: str | None = None,
    ) -> int:
        """Return our id of the repository that a payload is about.

        Raises NotAllowed, Unconfirmed.
        """
        repository_id = repositories.resolve(
            self.tx,
            self.scope,
            repository.full_name,
            repository.id,
            self.time(repository.updated_at),
            repository.default_branch,
            repositories.visibility_of(repository.private, repository.visibility),
            is_rename=is_rename,
            old_name=old_name,
            confirmed=self.confirmed,
        )
        if self.installation_id is not None:
            installations.observe_repository(
                self.tx, self.integration_id, repository_id, self.installation_id
            )
        return repository_id

    def address(self, told: str | None, repository: payloads.Repository, page: str) -> str | None:
        """Return the address that a payload tells of a page of its repository.

        Behind an allow-list it leads nowhere else.
        """
        if not told or self.scope.entries is None:
            return told
        if names.is_address_in(told, repository.full_name):
            return told
        return f"https://{self.host}/{repository.full_name}/{page}"

    def other_repository(self, repository: payloads.Repository) -> int | None:
        """Return our id of a repository that a payload names beside; None if it is not to be told.

        Nothing that is known of it changes.
        """
        return repositories.other(
            self.tx,
            self.scope,
            repository.full_name,
            repository.id,
            self.time(repository.updated_at),
            repository.default_branch,
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
