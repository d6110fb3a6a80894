"""Who has lost a token or a session changes nothing by what was still on its way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from bot import storage as store
from tests.kit.browsing import Browser, new_token
from tests.kit.running import Bot

FORM = "application/x-www-form-urlencoded"


async def slowly(body: bytes, rest: asyncio.Event) -> AsyncIterator[bytes]:
    """Send a body of which all but the first byte waits."""
    yield body[:1]
    await rest.wait()
    yield body[1:]


async def token_of(bot: Bot, secret: str) -> store.Token:
    hashed = store.hash_token(secret)
    found = await bot.services.database.read(lambda tx: store.tokens.by_hash(tx, hashed))
    assert found is not None
    return found


async def sent_slowly(bot: Bot, path: str, body: bytes, rest: asyncio.Event, **headers: str) -> Any:
    """Begin to send a body, and return the task that ends with the status of the answer."""

    async def send() -> int:
        async with bot.session.post(
            bot.url + path, data=slowly(body, rest), headers=headers, allow_redirects=False
        ) as response:
            return response.status

    sending = asyncio.create_task(send())
    await asyncio.sleep(0.2)
    return sending


async def test_a_form_that_was_on_its_way_makes_no_token(bot: Bot) -> None:
    """Else who is thrown out could keep one in the air all the time, and be back with it."""
    secret = await new_token(bot, "admin")
    thrown_out = await Browser.sign_in(bot, token=secret)
    fields = urlencode({"csrf": thrown_out.csrf, "name": "back again", "role": "admin"})
    cookie = "; ".join(f"{name}={value}" for name, value in thrown_out.cookies.items())
    rest = asyncio.Event()
    headers = {"Content-Type": FORM, "Cookie": cookie}
    sending = await sent_slowly(bot, "/tokens", fields.encode(), rest, **headers)
    token = await token_of(bot, secret)
    assert (await bot.delete(f"/api/v1/tokens/{token.id}")).status == 204
    rest.set()
    assert await sending == 401
    names = [one["name"] for one in (await bot.get("/api/v1/tokens")).items]
    assert "back again" not in names


async def test_a_call_that_was_on_its_way_changes_nothing(bot: Bot) -> None:
    secret = await new_token(bot, "developer")
    rest = asyncio.Event()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    body = b'{"key": "late", "name": "Late"}'
    sending = await sent_slowly(bot, "/api/v1/experiments", body, rest, **headers)
    token = await token_of(bot, secret)
    assert (await bot.delete(f"/api/v1/tokens/{token.id}")).status == 204
    rest.set()
    assert await sending == 401
    assert (await bot.get("/api/v1/experiments/late")).status == 404


async def test_no_token_is_made_by_who_is_revoked_at_that_moment(bot: Bot) -> None:
    """However many forms come at once: "Revoke all" finds what was made before, nothing else."""
    secret = await new_token(bot, "admin")
    token = await token_of(bot, secret)
    flood = await Browser.sign_in(bot, token=secret)

    async def make(number: int) -> None:
        await asyncio.sleep(number / 500)
        data = {"csrf": flood.csrf, "name": f"made {number}", "role": "admin"}
        cookie = "; ".join(f"{name}={value}" for name, value in flood.cookies.items())
        async with bot.session.post(
            f"{bot.url}/tokens", data=data, headers={"Cookie": cookie}, allow_redirects=False
        ) as response:
            await response.read()

    flooding = [asyncio.create_task(make(number)) for number in range(100)]
    await asyncio.sleep(0.1)
    assert (await bot.delete(f"/api/v1/tokens/{token.id}")).status == 204
    await asyncio.gather(*flooding)
    audit = await bot.walk("/api/v1/audit")
    (gone,) = [at for at, one in enumerate(audit) if one["type"] == "token.revoked"]
    late = [one["target"]["name"] for one in audit[:gone] if one["type"] == "token.created"]
    assert late == []
