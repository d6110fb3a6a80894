"""An event as GitHub has delivered it, decoded once and only as far as somebody reads it."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from gidgethub.sansio import Event
from msgspec import Struct

from bot import jsontext
from bot.github import names, payloads

S = TypeVar("S", bound=Struct)
T = TypeVar("T")
_decoder = cache(msgspec.json.Decoder)


class NoObject(ValueError):
    """A JSON text that is no object, which every payload of GitHub's is."""


class _Page(Struct):
    html_url: str | None = None


class _Pages(Struct):
    """What tells the repository where a payload has none: the address of what it is about."""

    pull_request: _Page | None = None
    issue: _Page | None = None


class DeliveredEvent(Event):
    """gidgethub's event of a payload of which the handlers' part is decoded at once, typed.

    `shape` is what they read. A payload in which something is odd is read piece by piece instead,
    and so is what nobody has foreseen: `data` is the whole payload, decoded when it is asked for.
    `text` is the payload as it can be kept, `about` the repository that it is about, None if it
    names none. Raises InvalidJSON and NoObject.
    """

    def __init__(
        self,
        text: bytes,
        shape: type[payloads.Envelope] = payloads.Event,
        *,
        event: str,
        delivery_id: str,
    ) -> None:
        self.event, self.delivery_id, self.text = event, delivery_id, text
        self._envelope: payloads.Envelope | None = jsontext.decode(text, _decoder(shape))
        if self._envelope is None:
            self.data, self.text = jsontext.parse_delivery(text)
            if not isinstance(self.data, dict):
                raise NoObject
        self.about = self._about()
        self._made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` makes of the payload, which costs time: handlers may be run again."""
        if name not in self._made:
            self._made[name] = make()
        return cast(T, self._made[name])

    def __getattr__(self, name: str) -> Any:
        """Decode `data`, which has not been asked for before."""
        if name != "data":
            raise AttributeError(name)
        self.data, _ = jsontext.parse_delivery(self.text)
        return self.data

    @property
    def action(self) -> str | None:
        """What has happened; None also where that is no text."""
        if self._envelope is not None:
            return self._envelope.action
        action = self.data.get("action")
        return action if isinstance(action, str) else None

    @property
    def installation_id(self) -> int | None:
        """The id of the App's installation through which it came, if it says."""
        if self._envelope is not None:
            installation: Any = self._envelope.installation
            identifier = installation.id if installation is not None else None
        else:
            installation = self.data.get("installation")
            identifier = installation.get("id") if isinstance(installation, dict) else None
        return identifier if type(identifier) is int and 0 < identifier < 2**63 else None

    @property
    def item(self) -> tuple[str, int] | None:
        """The kind and number of the pull request or issue that it tells of, if that is read."""
        for kind in ("pull_request", "issue"):
            number = getattr(getattr(self._envelope, kind, None), "number", None)
            if names.is_number(number):
                return kind, number
        return None

    @property
    def item_time(self) -> str | int | None:
        """When the pull request or issue that it tells of was last changed, as that is written."""
        told: str | int | None = None
        for kind in ("pull_request", "issue"):
            told = told or getattr(getattr(self._envelope, kind, None), "updated_at", None)
        return told

    @property
    def head_ref(self) -> str | None:
        """The head branch of the pull request that it tells of, unless that is a fork's."""
        head = getattr(getattr(self._envelope, "pull_request", None), "head", None)
        if not isinstance(head, payloads.Branch):
            return None
        theirs = head.repo.id if isinstance(head.repo, payloads.Repository) else None
        is_own = theirs is None or self.about is None or theirs == self.about.id
        return head.ref if is_own else None

    @property
    def fork(self) -> tuple[int | None, str] | None:
        """The id and name of the fork that the pull request that it tells of comes from."""
        head = getattr(getattr(self._envelope, "pull_request", None), "head", None)
        if not isinstance(head, payloads.Branch) or self.head_ref is not None:
            return None
        return (
            (head.repo.id, head.repo.full_name)
            if isinstance(head.repo, payloads.Repository)
            else None
        )

    @property
    def pushed(self) -> tuple[str, tuple[str, ...]] | None:
        """The branch that commits were pushed to, and their SHAs, if that is read."""
        push = self._envelope
        if not isinstance(push, payloads.PushEvent):
            return None
        ref = push.ref.removeprefix(payloads.BRANCHES)
        if ref == push.ref or push.deleted:
            return None
        return ref, tuple([commit.id for commit in push.commits or ()])

    def read(self, shape: type[S]) -> S:
        """Return the payload as `shape`, what cannot be read of it left out.

        Raises InvalidPayload if that leaves nothing to take in.
        """
        if type(self._envelope) is shape:
            return self._envelope
        if self._envelope is not None:
            found: S | None = jsontext.decode(self.text, _decoder(shape))
            if found is not None:
                return found
        return payloads.read(self.data, shape)

    def _about(self) -> payloads.Repository | None:
        if self._envelope is not None:
            # A field of each event: some have nothing to take in without it.
            repository: payloads.Repository | None = getattr(self._envelope, "repository", None)
        else:
            repository = payloads.read(self.data, payloads.Event).repository
        if repository is not None:
            return repository
        pages = self.read(_Pages)
        for page in (pages.pull_request, pages.issue):
            place = names.place_in(page.html_url) if page is not None else None
            if place is not None:
                return payloads.Repository(full_name=place[0])
        return None
