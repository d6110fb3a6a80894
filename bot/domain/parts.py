"""The parts of what a pull request owes GitHub, and what becomes of each: comment, check, label.

They share one action. Each is done, waits or fails by itself, and holds none of the others up.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from bot import storage as store
from bot.domain.after import Decision
from bot.emails import without_emails


class Cause(enum.Enum):
    """What may call for something new to be shown on a pull request."""

    LINKS = "it has gained or lost an experiment"
    REOPENED = "it is open again, and linked to an experiment"
    VERSION = "it is open, and has another head or base, or is a draft no more"
    EXPERIMENT = "one of its experiments has changed"
    KNOWN = "one of its experiments has come to be, or is no more"
    FILE = "what is wrong with a .github/experiments.yml in it is another thing"
    CODE = "its code was read"
    LIVE = "it has come to be live in production, or is so no longer"


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """Something that is shown on a pull request.

    It is brought up to date for each cause that it `follows`, unless the `setting` of the
    integration is off. Its `bit`, a power of two below 2 ** 15, stands in databases: it stays. The
    lower it is, the sooner the part has its turn.
    """

    name: str
    bit: int
    title: str
    setting: str | None = None
    follows: Sequence[Cause] = ()

    def __post_init__(self) -> None:
        if self.name in PARTS:
            raise ValueError(f"two parts are called {self.name}")
        if self.bit not in _BITS or any(self.bit == other.bit for other in PARTS.values()):
            raise ValueError(f"the part {self.name} must have a bit of its own, one of {_BITS}")
        PARTS[self.name] = self
        _following.clear()


def following(cause: Cause) -> Sequence[Part]:
    """Return the parts that are brought up to date for a cause, in the order of their making."""
    found = _following.get(cause)
    if found is None:
        found = _following[cause] = [part for part in PARTS.values() if cause in part.follows]
    return found


_BITS = [1 << position for position in range(15)]
_UNKNOWN = "part "
PARTS: dict[str, Part] = {}
_following: dict[Cause, Sequence[Part]] = {}  # forgotten when another part is made


def names_of(bits: int) -> list[str]:
    """Return the names of parts in their order; a part of another version goes by its bit."""
    known = {part.bit: part.name for part in PARTS.values()}
    return [known.get(bit, f"{_UNKNOWN}{bit}") for bit in _BITS if bits & bit]


def bit_of(name: str) -> int:
    """Return the bit of a part that `names_of` has named."""
    part = PARTS.get(name)
    return part.bit if part is not None else int(name.removeprefix(_UNKNOWN))


def due(action: store.Action, now: int) -> list[str]:
    """Return which parts of an action that has its turn are tried.

    Those that wait by themselves are not, unless the action was hastened on their account.
    """
    stale = names_of(action.stale)
    return [name for name in stale if _state(action, name).at <= now] or stale


def attempts_of(action: store.Action, name: str) -> int:
    """Return how often a part has failed for a while."""
    return _state(action, name).attempts


def give_up_at(action: store.Action, name: str) -> int:
    """Return when a part is given up; one that waits keeps the time that it was given first."""
    return _state(action, name).give_up_at or action.give_up_at


def _state(action: store.Action, name: str) -> store.PartState:
    known = (action.parts or {}).get(name)
    return known if known is not None and known.status == "pending" else _FRESH


_FRESH = store.PartState("pending")


# --- What becomes of them


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt at a part has ended, or at an action that has none."""

    name: str
    decision: Decision
    result: Mapping[str, Any]

    @property
    def ends_attempt(self) -> bool:
        """Tell whether the parts behind it would fare no better now: GitHub is not well."""
        return self.decision.status == "pending" and not self.decision.aside


def after_attempt(
    action: store.Action, outcomes: Sequence[Outcome]
) -> tuple[store.Action, Decision]:
    """Return an action with what has become of some of its parts, and what follows for it whole."""
    states = dict(action.parts or {})
    stale, failed = action.stale, 0
    for outcome in outcomes:
        states[outcome.name] = _after(action, outcome)
        if outcome.decision.status != "pending":
            stale &= ~bit_of(outcome.name)
    for name, state in states.items():
        if state.status == "failed" and not bit_of(name) & stale:
            failed |= bit_of(name)
    decision = _whole(stale, failed, states, [one.decision for one in outcomes])
    left = stale if decision.status == "pending" else failed
    kept = stale | failed
    errors = _errors(states)
    changed = msgspec.structs.replace(
        action,
        stale=left,
        again=action.again & kept,
        rewrite=action.rewrite & kept,
        parts=states,
        waits=reduce(or_, (one.waits for one in states.values())),
        last_error=_joined(errors, "error"),
        reason=_joined(errors, "reason"),
        remedy="; ".join(dict.fromkeys(one.remedy for one in errors.values() if one.remedy))
        or None,
    )
    return changed, decision


def _after(action: store.Action, outcome: Outcome) -> store.PartState:
    name, decision = outcome.name, outcome.decision
    status = decision.status
    return store.PartState(
        status=status,
        result=dict(outcome.result),
        error=decision.error,
        reason=decision.reason,
        remedy=decision.remedy,
        refused_with=decision.refused_with,
        at=decision.at if status == "pending" and decision.aside else 0,
        waits=decision.waits,
        attempts=attempts_of(action, name) + decision.counts if status == "pending" else 0,
        give_up_at=give_up_at(action, name) if status == "pending" else 0,
    )


def _whole(
    stale: int, failed: int, states: Mapping[str, store.PartState], decisions: Sequence[Decision]
) -> Decision:
    """Return what follows for an action after the parts that were tried.

    It waits for the part that GitHub's trouble has ended the attempt with, else until the first of
    those that wait by themselves has its turn.
    """
    last = decisions[-1]
    whole = Decision(
        status="failed" if failed else "done",
        failures=last.failures,
        counts=any(one.counts for one in decisions),
        went_well=any(one.went_well for one in decisions),
        not_before=last.not_before,
    )
    if not stale:
        return whole
    if last.status == "pending" and not last.aside:
        return replace(whole, status="pending", at=last.at)
    waits = [states[name].at if name in states else 0 for name in names_of(stale)]
    return replace(whole, status="pending", at=min(waits), aside=True)


def _errors(states: Mapping[str, store.PartState]) -> dict[str, store.PartState]:
    named = sorted(states.items(), key=lambda one: bit_of(one[0]))
    return {name: state for name, state in named if state.error is not None}


def _joined(states: Mapping[str, store.PartState], field: str) -> str | None:
    """Return what is said of parts, each with its title, in one text for people."""
    said = ((name, getattr(state, field) or state.error) for name, state in states.items())
    return "; ".join(f"{_title(name)}: {text}" for name, text in said) or None


def _title(name: str) -> str:
    return PARTS[name].title if name in PARTS else name


# --- What is made of that


def anew(action: store.Action) -> dict[str, Any]:
    """Return the columns of an action whose parts are all tried now that are not done."""
    if action.parts is None:
        return {}
    done = {name: state for name, state in action.parts.items() if state.status == "done"}
    failed = sum(bit_of(name) for name, one in action.parts.items() if one.status == "failed")
    return {"parts": done, "stale": action.stale | failed}


def merged(older: store.Action, newer: store.Action) -> dict[str, Any]:
    """Return the columns of an action that stands for an older one as well."""
    return {
        "stale": older.stale | newer.stale,
        "again": older.again | newer.again,
        "rewrite": older.rewrite | newer.rewrite,
        "waits": older.waits | newer.waits,
        "parts": {**(older.parts or {}), **(newer.parts or {})} or None,
    }


def refused_with(action: store.Action) -> Iterator[int]:
    """Yield the statuses with which GitHub has refused an action, or parts of it."""
    whole = (action.result or {}).get("status")
    for status in (whole, *(one.refused_with for one in (action.parts or {}).values())):
        if status is not None:
            yield status


def result_of(action: store.Action) -> dict[str, Any] | None:
    """Return what has become of an action: of each of its parts, if it has some."""
    parts = {}
    for name, state in (action.parts or {}).items():
        error = {"error": without_emails(state.error)} if state.error is not None else {}
        parts[name] = {"status": state.status, **state.result, **error}
    return {**parts, **(action.result or {})} or None
