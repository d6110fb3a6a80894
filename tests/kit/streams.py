"""The client's end of the service's two event streams: the API's feed, and the pages' news."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

from tests.kit.browsing import Browser
from tests.kit.running import ADMIN_TOKEN, PATIENCE, Bot

STREAM = "/api/v1/activity/stream"


class Stream:
    """The client's end of a live stream, as the specification of Server-Sent Events has it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.retry: int | None = None

    async def item(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next item; its `data` carries the same id as the event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            while True:
                line = (await self.response.content.readline()).decode()
                assert line.endswith("\n"), "the stream has ended"
                name, _, value = line.rstrip("\n").partition(": ")
                if name == "retry":
                    self.retry = int(value)
                elif name:
                    fields[name] = value
                elif "data" in fields:
                    break
                else:
                    fields = {}
        item: dict[str, Any] = json.loads(fields["data"])
        assert item["id"] == fields["id"]
        return item

    async def items(self, count: int) -> list[dict[str, Any]]:
        return [await self.item() for _ in range(count)]

    async def is_quiet(self) -> bool:
        try:
            await self.item(0.2)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def following(bot: Bot, last: str | None = None) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with bot.session.get(bot.url + STREAM, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        stream = Stream(response)
        assert (await response.content.readline()).startswith(b"retry: ")
        yield stream


class News:
    """What open pages are told, read event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def event(self) -> str:
        """Return the next message: `change`, `` for a comment; raises EOFError at the end."""
        lines = []
        while line := (await asyncio.wait_for(self.response.content.readline(), PATIENCE)).decode():
            if line == "\n":
                break
            lines.append(line.strip())
        if not lines:
            raise EOFError
        return "".join(one.removeprefix("event: ") for one in lines if one.startswith("event:"))

    async def change(self) -> None:
        while await self.event() != "change":
            pass

    async def end(self) -> None:
        """Read to its end. It may still tell of what was before."""
        with suppress(EOFError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self.event()


@asynccontextmanager
async def listening(visitor: Browser, path: str = "/live") -> AsyncIterator[News]:
    """Open the stream, up to its first words."""
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    async with visitor.bot.session.get(
        visitor.bot.url + path, headers={"Cookie": cookies}
    ) as response:
        assert response.status == 200 and response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        stream = News(response)
        assert await stream.event() == ""
        yield stream
