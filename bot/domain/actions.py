"""What the bot is to do in GitHub: the kinds of action, how one is enqueued, and tried again.

Actions commit together with what they follow from. What describes a state (the status comment, the
check, the label) are parts of one action for each pull request, which says nothing but which of
them are stale: what to write is computed when it runs, so one that is pending stands for all that
follow until then.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from bot import storage as store
from bot import times
from bot.domain import installations, parts
from bot.domain.parts import PARTS, Part
from bot.github import Hindrance, Refused

GIVEN = Hindrance.ACCESS | Hindrance.PERMISSION  # what an installation, or a credential, is given
_BACKGROUND = ":background"  # what such queues are called beside those of their credential
_GIVE_UP_AFTER = 3 * 86_400 * times.SECOND


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """A kind of action, which is known everywhere once it is made.

    It is declared where it is enqueued, or else beside the code that carries it out (bot/outbox).
    The lower its `priority`, the sooner it has its turn. `prompt`: somebody waits for it, so it
    keeps its place in the order, and is refused where it would have to wait for people. One with
    `has_parts` is carried out part by part. One that `writes` is not tried in an archived
    repository. One in the `background` only reads, in a queue of its own, and leaves half of the
    hour's calls to all others. What `follows_rules` goes by the repository's own file of settings,
    which is read before if it was not yet. One `in_bulk` is written once a batch, as those with
    parts are; what is pending with its `dedup_key` stands for it, and is due as soon as it is.
    """

    name: str
    title: str
    priority: int
    prompt: bool = False
    has_parts: bool = False
    writes: bool = False
    background: bool = False
    follows_rules: bool = False
    in_bulk: bool = False

    def __post_init__(self) -> None:
        if self.name in {**KINDS, **PARTS}:
            raise ValueError(f"two kinds of action are called {self.name}")
        KINDS[self.name] = self


KINDS: dict[str, Kind] = {}


def known_kinds() -> set[str]:
    """Return the names of all kinds, with parts: before, those were kinds of their own."""
    return {*KINDS, *PARTS}


def title_of(name: str) -> str:
    """Return what people call a kind or a part; its name if it is none of this version's."""
    known: Kind | Part | None = KINDS.get(name) or PARTS.get(name)
    return known.title if known is not None else name


def _new_id() -> str:
    """Return an id that nothing has: a UUID of version 7, of which an index grows at its end.

    https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
    """
    at, rest = time.time_ns() // 1_000_000, os.urandom(9).hex()
    return f"{at >> 16:08x}-{at & 0xFFFF:04x}-7{rest[:3]}-8{rest[3:6]}-{rest[6:]}"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An action to be carried out.

    Nothing is added if one of the same `dedup_key` is pending. Actions of one `ordering_key` are
    carried out one after the other; without one it waits for no other. `after` is how long to wait
    before, in microseconds; one that is pending is due by then, unless it has failed. What
    `can_wait` has its turn after others of its kind, until it is wanted by what cannot. Of a kind
    that has parts, those that are `stale` are added to what is pending, and to those that are
    written `again` or for a `rewrite` (see Part for the bits).
    """

    kind: Kind
    request: Mapping[str, Any]
    ordering_key: str | None = None
    dedup_key: str | None = None
    item_id: int | None = None
    number: int | None = None
    idempotency_key: str | None = None
    after: int = 0
    can_wait: bool = False
    stale: int = 0
    again: int = 0
    rewrite: int = 0
    id: str = msgspec.field(default_factory=_new_id)


def refused(refusal: Refused) -> dict[str, Any]:
    """Return what is kept of GitHub's refusal that has ended an action."""
    about = {"field": refusal.field} if refusal.field else {}
    return {"status": refusal.status, **about}


class Place(NamedTuple):
    """Where an integration's actions in a repository wait: their queue, and the installation.

    What is done in the background waits in another queue, so that nothing waits for it.
    """

    queue: str
    installation_id: int | None

    def of(self, kind: Kind | None) -> "Place":
        is_aside = kind is not None and kind.background
        return self._replace(queue=f"{self.queue}{_BACKGROUND}") if is_aside else self


def is_aside(queue: str) -> bool:
    """Tell whether a queue is one of what is done in the background."""
    return queue.endswith(_BACKGROUND)


def enqueue(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    *wanted: Wanted,
    place: Place | None = None,
) -> None:
    """Enqueue actions in a repository, to be carried out once this transaction has committed.

    Their `place` need not be looked up where it is known. `repository_id` is NOWHERE for what
    concerns the integration as a whole.
    """
    now = times.now()
    if place is None:
        place = place_of(tx, integration, repository_id)
    due: dict[str, int] = {}
    for one in wanted:
        own = place.of(one.kind)
        columns = _columns(one, integration, repository_id, own, now)
        queue, at = own.queue, now + one.after
        if one.kind.has_parts or one.kind.in_bulk:
            store.owed.owe(tx, columns)
            continue
        if not store.actions.add(tx, columns):
            if one.dedup_key is not None:
                store.actions.note_news(tx, one.dedup_key, now, at, columns["priority"])
            continue
        due[queue] = min(at, due.get(queue, at))
    for queue, at in due.items():
        store.actions.wake(tx, queue, at)


def _columns(
    one: Wanted, integration: store.Integration, repository_id: int, place: Place, now: int
) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind.name,
        "queue": place.queue,
        "lane": one.ordering_key or one.id,
        "collapse": one.dedup_key,
        "priority": one.kind.priority + one.can_wait,
        "integration_id": integration.id,
        "installation_id": place.installation_id,
        "repository_id": repository_id,
        "item_id": one.item_id,
        "number": one.number,
        "request": one.request,
        "idempotency_key": one.idempotency_key,
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": now + one.after,
        "give_up_at": now + one.after + _GIVE_UP_AFTER,
        "created_at": now,
        "stale": one.stale,
        "again": one.again,
        "rewrite": one.rewrite,
    }


def place_of(tx: store.Transaction, integration: store.Integration, repository_id: int) -> Place:
    """Return where an integration's actions in a repository wait."""
    config = integration.config
    if config.auth == "token":
        return Place(integration.credential, None)
    if repository_id == store.actions.NOWHERE:
        return Place(f"{integration.credential}:app", None)
    repository = store.repositories.get(tx, repository_id)
    installation_id = installations.serving(tx, integration.id, repository)
    if installation_id is None:
        installation_id = config.installation_id
    return Place(f"{integration.credential}:{installation_id or '?'}", installation_id)


def _place_of(tx: store.Transaction, integration: store.Integration, action: store.Action) -> Place:
    return place_of(tx, integration, action.repository_id).of(KINDS.get(action.kind))


def order_of(repository_id: int, number: int) -> str:
    """Return the ordering key of what concerns one pull request or issue."""
    return f"{repository_id}#{number}"


def about(action: store.Action, name: str) -> str:
    """Return what an error of an integration is about: an action, or a part of it, by its name.

    It is done if it is for the same pull request, or in the same order of its own.
    """
    is_alone = action.lane.startswith(f"{action.kind}:")
    return f"{name} {action.item_id or (action.lane if is_alone else action.id)}"


def acting(
    tx: store.Transaction, item: store.Item, sees_now: str | None
) -> store.Integration | None:
    """Return the integration that posted on a pull request, saw it first, or sees it now."""
    post = store.actions.post(tx, item.id)
    posted = post.integration_id if post else None
    for candidate in dict.fromkeys((posted, item.integration_id, sees_now)):
        found = store.integrations.find(tx, candidate) if candidate else None
        if found is not None and found.is_active:
            return found
    return None


def superseding(tx: store.Transaction, action: store.Action) -> store.Action | None:
    """Return the pending action that has come to stand for `action` while that was running."""
    return store.actions.pending_like(tx, action.collapse) if action.collapse else None


def wake_order(tx: store.Transaction, ordering_key: str, now: int) -> None:
    """What waited in other queues for an action of an ordering key may have its turn now."""
    for queue in store.actions.queues_of_lane(tx, ordering_key):
        store.actions.wake(tx, queue, now)


def retry(tx: store.Transaction, action: store.Action, *, by_hand: bool = False) -> bool:
    """Try a failed action again now, or a pending one sooner.

    False if another that is pending does the same. One that does less takes over what has failed.
    With `by_hand` it is tried even if a conversation is known to be locked, and the like.
    """
    now = times.now()
    newer = superseding(tx, action) if action.status == "failed" else None
    if newer is not None:
        if not action.stale & ~newer.stale:
            return False
        failed = msgspec.structs.replace(action, **parts.anew(action))
        more = parts.merged(failed, newer)
        more |= {"next_attempt_at": now, "aside": False, "by_hand": by_hand}
        store.actions.change(tx, newer.id, **more)
        store.actions.change(tx, action.id, status="done", result={"superseded_by": newer.id})
        store.actions.wake(tx, newer.queue, now)
        return True
    store.actions.change(
        tx,
        action.id,
        **parts.anew(action),
        status="pending",
        next_attempt_at=now,
        give_up_at=now + _GIVE_UP_AFTER,
        finished_at=None,
        aside=False,
        by_hand=by_hand,
    )
    store.actions.wake(tx, action.queue, now)
    return True


def integration_changed(tx: store.Transaction, integration: store.Integration) -> None:
    """A credential or a setting was changed: what waits for it is tried with the new one.

    That goes for actions that GitHub refused in the last three days because of the old
    credential as well, or of what it might not do.
    """
    now = times.now()
    store.integrations.clear_asking(tx, integration.id)
    for action in store.actions.failed_of(tx, integration.id, now - _GIVE_UP_AFTER):
        is_kept = 401 in parts.refused_with(action) or action.waits & GIVEN
        if is_kept and integration.is_active:
            retry(tx, action)
    for action in store.actions.open_of_integration(tx, integration.id):
        place = _place_of(tx, integration, action)
        if action.status == "pending":
            moved = {**parts.anew(action), **place._asdict()}
            store.actions.change(tx, action.id, **moved, next_attempt_at=now)
        store.actions.wake(tx, place.queue, now)


def integration_deleted(tx: store.Transaction, integration_id: str) -> None:
    """What a deleted integration still owed will not be done."""
    now = times.now()
    for action in store.actions.open_of_integration(tx, integration_id):
        store.actions.set_error(tx, action.id, "the integration was deleted")
        store.actions.change(tx, action.id, status="failed", next_attempt_at=None, finished_at=now)
        wake_order(tx, action.lane, now)


def resume(tx: store.Transaction, integration_id: str, installation_id: int) -> None:
    """An installation may be called again, or may do more: what waited for that is tried now."""
    integration = store.integrations.find(tx, integration_id)
    if integration is None:
        return
    for action in store.actions.waiting(tx, GIVEN, integration_id=integration_id):
        place = _place_of(tx, integration, action)
        if place.installation_id == installation_id:
            store.actions.change(tx, action.id, **place._asdict())
            retry(tx, msgspec.structs.replace(action, **place._asdict()))
    for action in store.actions.pending_elsewhere(tx, integration_id, installation_id):
        place = _place_of(tx, integration, action)
        if place.installation_id == installation_id:  # it serves what another one did
            store.actions.change(tx, action.id, **place._asdict())
            store.actions.wake(tx, place.queue, times.now())
    store.integrations.clear_asking(tx, integration_id)


def go_on(tx: store.Transaction, hindrance: Hindrance, **place: int) -> None:
    """What kept actions in some place from being done is over: they are tried now."""
    for action in store.actions.waiting(tx, hindrance, **place):
        retry(tx, action)
