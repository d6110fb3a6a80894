"""Which function carries out which kind of action: each module joins by a decorator."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot import extensions
from bot.domain import actions
from bot.outbox.job import Job

Runner = Callable[[Job], Awaitable[dict[str, Any]]]
_RUNNERS: dict[actions.Kind, Runner] = {}


class Unbound(Exception):
    """A kind of action is declared that nothing carries out, or two functions do."""


def carries_out(kind: actions.Kind) -> Callable[[Runner], Runner]:
    """Let a function carry out the actions of a kind."""

    def register(run: Runner) -> Runner:
        if kind in _RUNNERS:
            raise Unbound(f"two functions carry out {kind.name}")
        _RUNNERS[kind] = run
        return run

    return register


def runners() -> Mapping[str, Runner]:
    """Return what carries out each kind, by its name; raises Unbound if one has nothing."""
    extensions.modules_of("bot.outbox")
    for kind in actions.KINDS.values():
        if kind not in _RUNNERS:
            raise Unbound(f"nothing carries out {kind.name}: use @carries_out in bot/outbox")
    return {kind.name: _RUNNERS[kind] for kind in sorted(_RUNNERS, key=lambda kind: kind.name)}
