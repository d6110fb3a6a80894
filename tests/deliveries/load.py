"""Services in processes of their own, and what they are sent."""

import asyncio
import json
from typing import Any

from bot import times
from bot.demo import payloads
from tests.kit.deliveries import REPO
from tests.kit.processes import Process
from tests.kit.running import Bot

START = times.parse("2026-03-02T10:00:00Z") or 0
KEY = "experiment_key: many"


def opened(number: int, at: int = START) -> dict[str, Any]:
    return payloads.pull_request("opened", number, times.render(at), repo=REPO, body=KEY)


async def follow(bot: Bot, count: int, last: str | None = None, ready: Any = None) -> list[Any]:
    """Return `count` items of a live stream, from after `last`."""
    headers = {"Authorization": f"Bearer {bot_token(bot)}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    items: list[Any] = []
    async with (
        asyncio.timeout(10),
        bot.session.get(f"{bot.url}/api/v1/activity/stream", headers=headers) as response,
    ):
        assert response.status == 200
        async for line in response.content:
            if ready is not None and line.startswith(b": connected"):
                ready.set()
            if line.startswith(b"data: "):
                items.append(json.loads(line.removeprefix(b"data: ")))
            if len(items) == count:
                break
    return items


def bot_token(bot: Bot) -> str:
    assert isinstance(bot, Process)
    return bot.env["ADMIN_TOKEN"]
