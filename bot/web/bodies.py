"""Bodies of requests: they arrive whole and within a time, whichever route they are sent to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bot.web.problems import Problem

SECONDS = 15.0  # GitHub itself gives up after ten


@asynccontextmanager
async def arriving() -> AsyncIterator[None]:
    """Raise a Problem if what is awaited within takes too long, or its sender leaves."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        raise Problem(
            408,
            "body too slow",
            f"The whole body must arrive within {SECONDS:.0f} seconds.",
            headers={"Connection": "close"},
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(400, "broken body", "The body ended before its announced length.") from None


async def read(request: web.Request, limit: int) -> bytes:
    """Return the body of a request that may have so many bytes; raises Problem."""
    try:
        async with arriving():
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large(limit) from None
    if len(raw) > limit:
        raise too_large(limit)
    return raw


def too_large(limit: int) -> Problem:
    return Problem(413, "body too large", f"The limit is {limit} bytes.")
