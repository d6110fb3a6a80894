"""Event streams (Server-Sent Events): opened, counted, and ended as the service stops."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from bot.services import Services

HEARTBEAT = 15.0  # seconds; keeps proxies from closing a quiet stream
RECONNECT = 2_000  # milliseconds that a client waits before it comes back


@contextmanager
def opened(services: Services) -> Iterator[web.StreamResponse]:
    """Yield the response of a stream, which is to be prepared and written to within."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    task = asyncio.current_task()
    assert task is not None
    services.open_streams.add(task)
    services.metrics.streams.inc()
    try:
        yield response
    finally:
        services.metrics.streams.dec()
        services.open_streams.discard(task)
