"""What an admin does who sets the App up, and what GitHub then sends."""

import html
import json
import re
import uuid
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from bot import storage as store
from bot import times
from tests.kit.running import ADMIN_TOKEN, Answer, Bot

PUBLIC_URL = "https://bot.example"
CODE = "a180b1a3d263c81bc6441d7b990bae27d4c10679"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
INTEGRATIONS = "/api/v1/integrations"


async def page(bot: Bot, path: str = "/setup", cookie: str | None = None, **options: Any) -> Answer:
    headers = {**({"Cookie": cookie} if cookie else {}), **options.pop("headers", {})}
    token = options.pop("token", None)
    return await bot.request(
        options.pop("method", "GET"),
        path,
        token=token,
        headers=headers,
        allow_redirects=False,
        **options,
    )


async def post(bot: Bot, path: str, cookie: str | None = None, **fields: str) -> Answer:
    return await page(bot, path, cookie, method="POST", data=urlencode(fields), headers=FORM)


def cookie_of(answer: Answer) -> str:
    cookies = SimpleCookie(answer.headers["Set-Cookie"])
    ((name, morsel),) = cookies.items()
    return f"{name}={morsel.value}"


class State(str):
    """What a form holds, and the cookie of the browser that was shown it."""

    cookie: str | None = None


async def signed_in(bot: Bot, token: str = ADMIN_TOKEN) -> str:
    answer = await post(bot, "/sign-in", token=token, next="/setup")
    assert (answer.status, answer.headers["Location"]) == (303, "/setup")
    return cookie_of(answer)


async def add_token(bot: Bot, role: str) -> str:
    secret = store.new_token()
    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, str(uuid.uuid4()), f"a {role}", role, store.hash_token(secret), times.now()
        )
    )
    return secret


def form_of(answer: Answer) -> tuple[str, dict[str, Any], State]:
    """Return where the page's form goes, the manifest in it and the state."""
    assert answer.status == 200, answer.body
    action = re.search(r'<form method="post" action="(http[^"]+)"', answer.body)
    value = re.search(r'name="manifest" value="([^"]+)"', answer.body)
    assert action and value
    address = html.unescape(action[1])
    state = State(parse_qs(urlsplit(address).query)["state"][0])
    state.cookie = cookie_of(answer)
    return address.partition("?")[0], json.loads(html.unescape(value[1])), state


async def begun(bot: Bot, query: str = "") -> tuple[str, dict[str, Any], State]:
    return form_of(await page(bot, f"/setup{query}", token=ADMIN_TOKEN))


async def called_back(bot: Bot, state: State, code: str = CODE) -> Answer:
    """Return to the bot in the browser that was shown the form, without a session there."""
    return await back_in(bot, state.cookie, state, code)


async def back_in(bot: Bot, cookie: str | None, state: str, code: str = CODE) -> Answer:
    path = f"/setup/callback?{urlencode({'code': code, 'state': state})}"
    return await page(bot, path, cookie)


async def stored(bot: Bot) -> list[dict[str, Any]]:
    return (await bot.get(INTEGRATIONS)).items


def id_in(completed: dict[str, Any]) -> str:
    found = re.fullmatch(
        rf"{PUBLIC_URL}/api/v1/integrations/([0-9a-f-]{{36}})/webhook/github",
        completed["hook_attributes"]["url"],
    )
    assert found
    return found[1]
