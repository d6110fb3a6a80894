"""A visitor of the dashboard over HTTP: keeps the cookie, follows redirects, sends forms."""

import html
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot import storage as store
from bot import times
from tests.kit.running import ADMIN_TOKEN, Bot


@dataclass(frozen=True)
class Page:
    """What a visitor is shown in the end; `path` is where that is, with its query."""

    status: int
    text: str
    path: str
    headers: Any

    @property
    def words(self) -> str:
        """Return the page as it is read: without tags, and white space as one blank."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


@dataclass
class Browser:
    """Somebody who is signed in."""

    bot: Bot
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    @classmethod
    async def sign_in(cls, bot: Bot, role: str = "admin", token: str | None = None) -> "Browser":
        """Sign in over POST /sign-in with a token, a new one unless it is given or the admin's."""
        if token is None:
            token = ADMIN_TOKEN if role == "admin" else await new_token(bot, role)
        browser = cls(bot)
        async with bot.session.post(
            f"{bot.url}/sign-in", data={"token": token}, allow_redirects=False
        ) as response:
            assert response.status == 303, await response.text()
            browser._keep(response)
        await browser.get("/experiments")
        assert browser.csrf
        return browser

    async def get(self, path: str, *, follow: bool = True, **options: Any) -> Page:
        return await self._ask("GET", path, follow, **options)

    async def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> Page:
        """Send a form with the CSRF token of the last page; `fields` may have one of its own."""
        data = {"csrf": self.csrf, **(fields or {})}
        return await self._ask("POST", path, follow, data=data)

    async def _ask(self, method: str, path: str, follow: bool, **options: Any) -> Page:
        headers = {**options.pop("headers", {})}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.bot.session.request(
            method, self.bot.url + path, headers=headers, allow_redirects=False, **options
        ) as response:
            text = await response.text()
            self._keep(response)
        if found := re.search(r'name="csrf" value="([^"]+)"', text):
            self.csrf = html.unescape(found[1])
        if response.status == 303 and follow:
            parts = urlsplit(response.headers["Location"])
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            return await self._ask("GET", target, True)
        return Page(response.status, text, path, response.headers)

    def _keep(self, response: aiohttp.ClientResponse) -> None:
        for name, morsel in response.cookies.items():
            if morsel.value and morsel["max-age"] != "0":
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)


async def new_token(bot: Bot, role: str) -> str:
    """Return a new API token of a role."""
    secret = f"a-token-of-the-tests-{uuid.uuid4()}"
    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, str(uuid.uuid4()), f"a {role}", role, store.hash_token(secret), times.now()
        )
    )
    return secret


async def sign_in(bot: Bot, **fields: str) -> aiohttp.ClientResponse:
    """Send the form of the sign-in page that takes a token."""
    async with bot.session.post(
        f"{bot.url}/sign-in", data=fields, allow_redirects=False
    ) as response:
        await response.read()
        return response


async def begin(bot: Bot, browser: Browser, query: str = "") -> str:
    """Follow the button of the sign-in page; return where it leads."""
    page = await browser.get("/sign-in")
    assert "Sign in with GitHub" in page.words
    identifier = (await bot.get("/api/v1/integrations")).items[0]["id"]
    assert f"/sign-in/github/{identifier}" in page.text
    sent = await browser.get(f"/sign-in/github/{identifier}{query}", follow=False)
    assert sent.status == 303
    return str(sent.headers["Location"])
