"""The audit: who changed what, recorded in the transaction that changes it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bot import characters, times
from bot import storage as store
from bot.domain.actors import Actor
from bot.emails import name_without_email, without_emails
from bot.log import logger

MASK = "********"
KEPT_DAYS = 365
_LONGEST_TEXT, _LONGEST_NAME, _LONGEST_LIST = 1_000, 200, 100


class Type(NamedTuple):
    """What can be recorded: its name, and the words for it in the log and on the page."""

    name: str
    words: str


TYPES: dict[str, Type] = {}


def _declared(name: str, words: str) -> Type:
    return TYPES.setdefault(name, Type(name, words))


INTEGRATION_CREATED = _declared("integration.created", "integration created")
INTEGRATION_CHANGED = _declared("integration.changed", "integration changed")
INTEGRATION_ACTIVATED = _declared("integration.activated", "integration activated")
INTEGRATION_DEACTIVATED = _declared("integration.deactivated", "integration deactivated")
INTEGRATION_DELETED = _declared("integration.deleted", "integration deleted")
EXPERIMENT_CREATED = _declared("experiment.created", "experiment created")
EXPERIMENT_CHANGED = _declared("experiment.changed", "experiment changed")
EXPERIMENT_STATUS = _declared("experiment.status_changed", "experiment's status changed")
EXPERIMENT_DELETED = _declared("experiment.deleted", "experiment deleted")
LINK_CREATED = _declared("link.created", "linked")
LINK_DELETED = _declared("link.deleted", "unlinked")
ISSUE_ORDERED = _declared("issue.ordered", "issue ordered")
CLEAN_UP_ORDERED = _declared("clean_up.ordered", "clean-up ordered")
REPOSITORY_CHANGED = _declared("repository.changed", "repository changed")
REPOSITORY_FORGOTTEN = _declared("repository.forgotten", "repository forgotten")
DELIVERY_REPLAYED = _declared("delivery.replayed", "delivery replayed")
RECOVERY_ORDERED = _declared("recovery.ordered", "recovery ordered")
ACTION_RETRIED = _declared("action.retried", "action to be retried")
BACKFILL_STARTED = _declared("backfill.started", "backfill started")
BACKFILL_STOPPED = _declared("backfill.stopped", "backfill stopped")
CODE_ORDERED = _declared("code.ordered", "code to be read again")
TOKEN_CREATED = _declared("token.created", "token created")
TOKEN_REVOKED = _declared("token.revoked", "token revoked")
SIGN_IN = _declared("sign_in", "signed in")
SIGN_IN_REFUSED = _declared("sign_in.refused", "sign-in refused")
SIGN_OUT = _declared("sign_out", "signed out")
SESSION_ENDED = _declared("session.ended", "session ended")
SETTINGS_CHANGED = _declared("settings.changed", "settings changed")


class Target(NamedTuple):
    """What was changed."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, of which only is told that it is another one."""

    value: str = field(repr=False)


Fields = Mapping[str, Any]
_NO_TYPES: Mapping[str, Type] = {}


def record(
    tx: store.Transaction,
    actor: Actor,
    type_: Type,
    target: Target,
    before: Fields | None = None,
    after: Fields | None = None,
    **logged: Any,
) -> None:
    """Record a change, and write its line into the log once it is committed.

    `before` and `after` have the fields that changed; None where nothing was, or is any more.
    `logged` is for the line alone.
    """
    name = _name(actor.name)
    store.audit.add(
        tx,
        {
            "id": str(uuid.uuid4()),
            "at": times.now(),
            "actor_kind": actor.kind,
            "actor_id": actor.id[:_LONGEST_NAME],
            "actor_name": name,
            "type": type_.name,
            "target_kind": target.kind,
            "target_id": target.id[:_LONGEST_NAME],
            "target_name": _name(target.name),
            "before": _shown(before),
            "after": _shown(after),
        },
    )
    line = {"actor": name, "actor_kind": actor.kind, "actor_id": actor.id, target.kind: target.id}
    if before and after:
        logged["changed"] = [*after]
    tx.afterwards(lambda: logger.info(type_.words, **line, **logged))


def record_change(
    tx: store.Transaction,
    actor: Actor,
    type_: Type,
    target: Target,
    before: Fields,
    after: Fields,
    apart: Mapping[str, Type] = _NO_TYPES,
) -> None:
    """Record what differs between two states of something, and nothing if nothing does.

    Fields that `apart` names are recorded by themselves, with a type of their own.
    """
    was, now = _differences(before, after)
    for name, own in apart.items():
        if name in now:
            record(tx, actor, own, target, {name: was.pop(name)}, {name: now.pop(name)})
    if now:
        record(tx, actor, type_, target, was, now)


def _differences(before: Fields, after: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that differ, as they were and as they are; None where there is none."""
    was: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            old, new = _differences(old, new)
        if old != new:
            was[name], now[name] = old, new
    return was, now


def _name(text: str) -> str:
    """Return a name as it is kept: what is nothing but an e-mail address has none."""
    name = name_without_email(_text(text)) or "(e-mail address)"
    return characters.begin(name, _LONGEST_NAME)


def _text(text: str) -> str:
    """Return a text that every engine can keep."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _shown(value: Any) -> Any:
    """Return a value as it is kept: without secrets and e-mail addresses, and not at any length."""
    match value:
        case Secret():
            return MASK
        case str():
            text = without_emails(_text(value))
            return (
                text if len(text) <= _LONGEST_TEXT else f"{characters.begin(text, _LONGEST_TEXT)}…"
            )
        case Mapping():
            return {name: _shown(one) for name, one in value.items()}
        case list() | tuple():
            shown = [_shown(one) for one in value[:_LONGEST_LIST]]
            return shown if len(value) <= _LONGEST_LIST else [*shown, "…"]
    return value
