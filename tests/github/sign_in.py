"""A GitHub at which people sign in: OAuth pages and what a user's token may ask for."""

import asyncio
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
    user: dict[str, Any] = field(default_factory=lambda: {"login": "Jane", "id": 5, "type": "User"})
    memberships: dict[str, dict[str, Any]] = field(default_factory=dict)
    repositories: list[dict[str, Any]] = field(default_factory=list)
    suspended: list[int] = field(default_factory=list)  # installations, before the one that is not
    grants: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    expires_in: int | None = None  # seconds, of tokens that are given from now on
    failing: int = 0  # the status that all is answered with
    held: asyncio.Event | None = None  # until when answers wait
    asked: list[str] = field(default_factory=list)  # the paths, "refresh" for a new token

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
        assert sent["client_id"] == "Iv1.tests"
        if sent.get("grant_type") == "refresh_token":
            return self._refresh(sent)
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
        return self._new_token()

    def _refresh(self, sent: dict[str, str]) -> web.Response:
        """Give another token for a refresh token, which is good once."""
        self.asked.append("refresh")
        if sent["client_secret"] != "a-client-secret":
            return web.json_response({"error": "incorrect_client_credentials"})
        if sent["refresh_token"] not in self.refresh_tokens:
            return web.json_response({"error": "bad_refresh_token"})
        self.tokens.clear()
        self.refresh_tokens.clear()
        return self._new_token()

    def _new_token(self) -> web.Response:
        token = f"ghu_{secrets.token_hex(8)}"
        self.tokens.add(token)
        answer: dict[str, Any] = {"access_token": token, "token_type": "bearer"}
        if self.expires_in is not None:
            refresh = f"ghr_{secrets.token_hex(8)}"
            self.refresh_tokens.add(refresh)
            answer |= {"expires_in": self.expires_in, "refresh_token": refresh}
        return web.json_response(answer)

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path
        self.asked.append(path)
        if self.held is not None:
            await self.held.wait()
        if self.failing:
            return web.json_response({"message": "Failing"}, status=self.failing)
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"message": "Bad credentials"}, status=401)
        if path == "/user":
            return web.json_response(self.user)
        if path.startswith("/user/memberships/orgs/"):
            found = self.memberships.get(path.rpartition("/")[2])
            return web.json_response(
                found or {"message": "Not Found"}, status=200 if found else 404
            )
        if path == "/user/installations":
            found_there = [{"id": one} for one in (*self.suspended, 5)]
            return web.json_response(
                {"total_count": len(found_there), "installations": found_there}
            )
        if path.split("/")[3] in map(str, self.suspended):
            return web.json_response({"message": "Suspended"}, status=403)
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
