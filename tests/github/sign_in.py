"""A GitHub at which people sign in: OAuth pages and what a user's token may ask for."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web


@dataclass
class SignIn:
    """Who signs in, where they belong, and the codes and tokens given out."""

    url: str = ""
    user: dict[str, Any] = field(default_factory=lambda: {"login": "Jane", "type": "User"})
    memberships: dict[str, dict[str, Any]] = field(default_factory=dict)
    repositories: list[dict[str, Any]] = field(default_factory=list)
    grants: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    failing: int = 0

    def authorize(self, location: str, **changed: str) -> str:
        """Let somebody agree; return where their browser is sent."""
        parts = urlsplit(location)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/login/oauth/authorize"
        assert query["code_challenge_method"] == "S256" and query["client_id"] == "Iv1.tests"
        code = secrets.token_hex(10)
        self.grants[code] = query
        return f"{urlsplit(query['redirect_uri']).path}?" + "&".join(
            f"{name}={value}" for name, value in {"code": code, "state": query["state"]}.items()
        )

    async def exchange(self, request: web.Request) -> web.Response:
        if self.failing:
            return web.Response(status=self.failing)
        sent = await request.json()
        grant = self.grants.pop(sent["code"], None)
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            grant is None
            or challenge != grant["code_challenge"]
            or sent["client_secret"] != "a-client-secret"
            or sent["redirect_uri"] != grant["redirect_uri"]
        ):
            return web.json_response({"error": "bad_verification_code"})
        token = f"ghu_{secrets.token_hex(8)}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "bearer"})

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"].removeprefix("Bearer ") in self.tokens
        path = request.path
        if path == "/user":
            return web.json_response(self.user)
        if path.startswith("/user/memberships/orgs/"):
            found = self.memberships.get(path.rpartition("/")[2])
            return web.json_response(
                found or {"message": "Not Found"}, status=200 if found else 404
            )
        if path == "/user/installations":
            return web.json_response({"total_count": 1, "installations": [{"id": 5}]})
        assert path == "/user/installations/5/repositories"
        return web.json_response({"total_count": 1, "repositories": self.repositories})


@asynccontextmanager
async def signing_in() -> AsyncIterator[SignIn]:
    """Run one on a free port of 127.0.0.1."""
    github = SignIn()
    app = web.Application()
    app.router.add_post("/login/oauth/access_token", github.exchange)
    app.router.add_get("/{path:.*}", github.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    github.url = site.name
    yield github
    await runner.cleanup()
