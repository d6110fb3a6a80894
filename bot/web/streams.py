"""Event streams (Server-Sent Events): opened, counted, bounded, and ended as the service stops."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.services import Services
from bot.web.callers import address_of
from bot.web.guesses import network
from bot.web.problems import Problem

HEARTBEAT = 15.0  # seconds; keeps proxies from closing a quiet stream
RECONNECT = 2_000  # milliseconds that a client waits before it comes back
MOST, MOST_OF_ADDRESS, MOST_OF_OWNER = 1000, 500, 100  # open streams of a process
_RETRY = {"Retry-After": "30"}


@dataclass(frozen=True, slots=True)
class _Stream:
    request: web.Request
    owner: str  # a token, or whoever is signed in
    address: str


@dataclass(slots=True)
class _Open:
    """The streams of a process, by the tasks that serve them."""

    streams: dict["asyncio.Task[Any]", _Stream] = field(default_factory=dict)

    def refusal(self, new: _Stream) -> Problem | None:
        """Return why there cannot be another one."""
        found = self.streams.values()
        if sum(one.owner == new.owner for one in found) >= MOST_OF_OWNER:
            return _too_many(429, f"You have {MOST_OF_OWNER} open streams")
        if sum(one.address == new.address for one in found) >= MOST_OF_ADDRESS:
            return _too_many(429, f"Your address has {MOST_OF_ADDRESS} open streams")
        if len(found) >= MOST:
            return _too_many(503, f"There are {MOST} open streams")
        return None

    def forget_gone(self) -> None:
        """End those whose clients have left, which would notice when they next write."""
        for task, one in list(self.streams.items()):
            if one.request.transport is None:
                task.cancel()
                del self.streams[task]


def _too_many(status: int, what: str) -> Problem:
    detail = f"{what}, which is the most. Close one, or try again later."
    return Problem(status, "too many streams", detail, headers=_RETRY)


def is_quiet(written_at: float) -> bool:
    """Tell whether it is time to write something, by the loop's time of what was written last."""
    return asyncio.get_running_loop().time() - written_at >= HEARTBEAT / 2


def _open(_: Services) -> _Open:
    return _Open()


@contextmanager
def opened(services: Services, request: web.Request, owner: str) -> Iterator[web.StreamResponse]:
    """Yield the response of a stream, which is to be prepared and written to within.

    Raises Problem if there are too many.
    """
    opened = services.shared(_open)
    new = _Stream(request, owner, network(address_of(request)))
    if opened.refusal(new) is not None:
        opened.forget_gone()
        if (refusal := opened.refusal(new)) is not None:
            raise refusal
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    task = asyncio.current_task()
    assert task is not None
    opened.streams[task] = new
    services.open_streams.add(task)
    services.metrics.streams.inc()
    try:
        yield response
    finally:
        services.metrics.streams.dec()
        services.open_streams.discard(task)
        opened.streams.pop(task, None)
