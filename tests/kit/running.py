"""A service running in this process, and what tests say to it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from bot import cli, listening, server
from bot.demo import payloads
from bot.services import Services
from bot.settings import Settings

ADMIN_TOKEN = "an-admin-token-of-the-tests"
SECRET = "a-webhook-secret-of-the-tests"
PATIENCE = 30.0  # seconds for what comes at once, unless it never does: the machine may be busy


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. `body` is the parsed JSON, or the text if it is none."""

    status: int
    body: Any
    headers: Any

    @property
    def items(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        items: list[dict[str, Any]] = self.body["items"]
        return items


@dataclass
class Bot:
    """A running service, spoken to over HTTP alone."""

    url: str
    services: Services
    runner: web.AppRunner
    session: aiohttp.ClientSession

    async def request(
        self, method: str, path: str, token: str | None = ADMIN_TOKEN, **options: Any
    ) -> Answer:
        headers = {**options.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            text = await response.text()
            kind = response.content_type
            body = json.loads(text) if text and kind.endswith("json") else text
            return Answer(response.status, body, response.headers)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.request("POST", path, json=body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.request("PUT", path, json=body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.request("PATCH", path, json=body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)

    async def integration(self, **values: Any) -> str:
        """Create an integration and return its id; `config` adds to a token and SECRET.

        It reads nothing of the past unless it is told to.
        """
        own = {
            "token": "ghp_of_the_tests",
            "webhook_secret": SECRET,
            "backfill_days": 0,
            "code": "off",
        }
        config = {**own, **values.pop("config", {})}
        answer = await self.post(
            "/api/v1/integrations",
            {"name": "Tests", "integration_type": "GITHUB", "config": config, **values},
        )
        assert answer.status == 201, answer.body
        identifier: str = answer.body["id"]
        return identifier

    async def experiment(self, key: str, **values: Any) -> None:
        answer = await self.post("/api/v1/experiments", {"key": key, "name": key, **values})
        assert answer.status == 201, answer.body

    async def send(
        self,
        integration: str,
        body: bytes,
        headers: dict[str, str],
        **options: Any,
    ) -> Answer:
        """Send raw bytes to the webhook."""
        return await self.request(
            "POST",
            f"/api/v1/integrations/{integration}/webhook/github",
            token=None,
            data=body,
            headers=headers,
            **options,
        )

    async def deliver(
        self,
        integration: str,
        event: str,
        payload: dict[str, Any],
        *,
        guid: str | None = None,
        secret: str = SECRET,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a signed delivery."""
        body = payloads.encode(payload)
        signed = payloads.headers(event, body, secret, guid)
        return await self.send(integration, body, {**signed, **(headers or {})})

    async def signed(self, integration: str, event: str, body: bytes, **headers: str) -> Answer:
        """Send bytes that may be no payload, signed; `headers` by their names."""
        signed = payloads.headers(event, body, SECRET)
        return await self.send(integration, body, {**signed, **headers})

    async def tell(self, integration: str, *deliveries: dict[str, Any]) -> None:
        """Deliver payloads one after the other, each of which is processed."""
        for payload in deliveries:
            answer = await self.deliver(integration, event_of(payload), payload)
            assert (answer.status, answer.body) == (200, {"processed": True})

    async def walk(self, path: str, limit: int = 50, **options: Any) -> list[dict[str, Any]]:
        """Return a whole list, page by page."""
        found: list[dict[str, Any]] = []
        sign = "&" if "?" in path else "?"
        cursor = ""
        while True:
            answer = await self.get(f"{path}{sign}limit={limit}{cursor}", **options)
            found += answer.items
            if answer.body["next_cursor"] is None:
                return found
            cursor = f"&cursor={answer.body['next_cursor']}"

    async def close(self) -> None:
        await self.session.close()
        await self.runner.cleanup()
        await self.services.close()


def event_of(payload: dict[str, Any]) -> str:
    """Return the name of the event that a payload tells of."""
    named = {
        "deployment_status": "deployment_status",
        "comment": "issue_comment",
        "pull_request": "pull_request",
        "issue": "issues",
        "commits": "push",
        "zen": "ping",
        "target_type": "installation_target",
        "organization": "organization",
    }
    return next((event for part, event in named.items() if part in payload), "repository")


async def start(settings: Settings, port: int = 0) -> Bot:
    """Start a service on a port of 127.0.0.1, a free one unless given."""
    services = await server.open_services(settings)
    await cli.see_to_admin_token(services)
    sock = listening.bound_socket("127.0.0.1", port)
    port = sock.getsockname()[1]
    runner = await listening.listen(server.application(services), sock)
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
    return Bot(f"http://127.0.0.1:{port}", services, runner, session)


async def eventually(check: Any, seconds: float = PATIENCE) -> Any:
    """Return what the coroutine function `check` returns once it is truthy."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (found := await check()):
        assert asyncio.get_running_loop().time() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)
    return found
