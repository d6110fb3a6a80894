"""How the service stops: nobody new is let in, and what is in hand comes to its end."""

import asyncio

import pytest

from bot.demo import payloads
from tests.kit.deliveries import pull_request
from tests.kit.marks import sqlite_only
from tests.kit.running import PATIENCE, SECRET, Bot

pytestmark = sqlite_only


async def test_a_delivery_in_hand_is_taken_in_while_the_service_stops(bot: Bot) -> None:
    """Half of it has come when the service is told to stop; the rest may still come."""
    integration = await bot.integration()
    body = payloads.encode(pull_request())
    headers = {**payloads.headers("pull_request", body, SECRET), "Content-Length": str(len(body))}
    lines = [f"POST /api/v1/integrations/{integration}/webhook/github HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    port = int(bot.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    idle = (await asyncio.open_connection("127.0.0.1", port))[0]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body[:100])
    await asyncio.sleep(0.1)
    stopping = asyncio.create_task(bot.runner.cleanup())
    await asyncio.sleep(0.1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    assert not stopping.done()

    writer.write(body[100:])
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
        assert await idle.read() == b""
        await stopping
    head, _, said = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" in head
    assert said == b'{"processed":true}'
    writer.close()
