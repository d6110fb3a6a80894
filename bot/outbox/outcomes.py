"""How an attempt ends: what it returns or raises, and what follows from that."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from bot import storage as store
from bot import times
from bot.domain import actions, after, parts
from bot.domain.after import Attempt, Unknown
from bot.domain.parts import Outcome
from bot.domain.passing import Passing
from bot.github import CallFailed, Refused, Temporary
from bot.log import logger
from bot.outbox.queue import LeaseLost
from bot.services import Services

T = TypeVar("T")


async def safely(name: str, work: Awaitable[T]) -> T | CallFailed:
    """Return what becomes of it, or why nothing does: a fault of our own is as if GitHub failed."""
    try:
        return await work
    except CallFailed as error:
        return error
    except (LeaseLost, store.StorageUnavailable):
        raise
    except Exception as error:
        logger.exception("an action failed", kind=name)
        return Temporary(f"the bot failed: {type(error).__name__}")


def unknown(name: str) -> Unknown:
    return Unknown(f"this version of the bot knows no action of the kind {name}")


def outcome_of(
    services: Services,
    failures: int,
    action: store.Action,
    name: str,
    ended: Mapping[str, Any] | CallFailed,
    doubts: Sequence[Refused] = (),
) -> Outcome:
    """Decide what follows for an action or a part; `failures` are those of its queue until now."""
    failure = ended if isinstance(ended, CallFailed) else None
    now = times.now()
    # Nothing is given up for a clock that was put forward.
    unsure = services.shared(Passing).unsure()
    attempt = Attempt(
        number=(action.attempts if name == action.kind else parts.attempts_of(action, name)) + 1,
        now=now,
        told_at=after.told_at(action),
        give_up_at=parts.give_up_at(action, name) + unsure,
        failures=failures,
        prompt=is_prompt(action),
    )
    result = {} if isinstance(ended, CallFailed) else ended
    return Outcome(name, after.after(failure, attempt, doubts), result)


def is_prompt(action: store.Action) -> bool:
    """Tell whether somebody waits for an action."""
    kind = actions.KINDS.get(action.kind)
    return kind is not None and kind.prompt
