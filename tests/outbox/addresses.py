"""A server that must never be called."""

import json
from dataclasses import dataclass, field

from aiohttp import web

from tests.kit.outbound import Scene


@dataclass
class Decoy:
    """A server that must never be called; `requests` are (path, Authorization)."""

    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.raw_path, request.headers.get("Authorization")))
        return web.Response(
            text=json.dumps({"id": 1, "login": "x"}), content_type="application/json"
        )


async def last_error(scene: Scene) -> str:
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    return str(answer.body["last_error"])
