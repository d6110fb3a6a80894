"""An integration of a running service, to be attacked."""

import asyncio
import copy
import http.client
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo import payloads
from bot.settings import Settings
from tests.kit.deliveries import REPO, assert_problem, pull_request
from tests.kit.running import ADMIN_TOKEN, PATIENCE, SECRET, Answer, Bot

LARGE = 26 * 1024 * 1024


@dataclass
class Connection:
    """A bare TCP connection to the service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one answer."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            line, _, fields = head.partition(b"\r\n")
            status = int(line.split()[1])
            headers = http.client.parse_headers(io.BytesIO(fields))
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        text = body.decode()
        is_json = headers.get("Content-Type", "").endswith("json")
        return Answer(status, json.loads(text) if is_json else text, headers)


@dataclass
class Door:
    """An integration of a running service, to be attacked."""

    bot: Bot
    integration: str

    @property
    def path(self) -> str:
        return f"/api/v1/integrations/{self.integration}/webhook/github"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        port = int(self.bot.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()

    async def raw(self, request: bytes) -> Answer:
        """Send bytes over a connection of their own and return the answer to them."""
        async with self.connection() as connection:
            await connection.send(request)
            return await connection.answer()

    async def signed(self, event: str, body: bytes) -> Answer:
        return await self.bot.signed(self.integration, event, body)

    def head(self, body: bytes, **changes: str | None) -> bytes:
        """Return the head of a signed ping; `changes` by header name, `_` for `-`."""
        headers: dict[str, str | None] = {
            "Host": "bot.example",
            **payloads.headers("ping", body, SECRET),
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([f"POST {self.path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def settings_in(folder: Path) -> Settings:
    return Settings.from_environment({"DATA_DIR": str(folder), "ADMIN_TOKEN": ADMIN_TOKEN})


def is_never_our_fault(answer: Answer) -> None:
    """Taken or refused, but properly."""
    if answer.status == 200:
        assert "processed" in answer.body
    else:
        assert 400 <= answer.status < 500, (answer.status, answer.body)
        assert_problem(answer, answer.status)


def broken(*path: str, value: Any) -> payloads.Payload:
    """Return a good payload with one field replaced."""
    payload = copy.deepcopy(GOOD[path[0]]())
    inner = payload
    for name in path[1:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return payload


INSTALLATION = {"action": "created", "installation": {"id": 5, "account": {"login": "acme"}}}
GOOD: dict[str, Callable[[], payloads.Payload]] = {
    "pull_request": pull_request,
    "issues": lambda: payloads.issue("opened", 3, "2026-03-02T10:00:00Z", repo=REPO),
    "push": lambda: payloads.push("main", ["one"], repo=REPO),
    "installation": lambda: INSTALLATION,
    "installation_repositories": lambda: INSTALLATION,
    "repository": lambda: payloads.repository_event("renamed", REPO),
}
