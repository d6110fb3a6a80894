"""Who is asking behind a proxy: what a trusted one says, and nothing that a client can make up."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from bot.dashboard.sessions import FAILED_SIGN_INS
from bot.settings import Settings
from bot.web.access import UNKNOWN_TOKENS
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot, start

pytestmark = sqlite_only

PROXY = "127.0.0.1"
XFF, RFC = "X-Forwarded-For", "Forwarded"


@pytest.fixture
async def behind(settings: Settings) -> AsyncIterator[Bot]:
    """A bot behind a proxy, behind another in 10.0.0.0/8."""
    trusted = tuple(map(ip_network, ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")))
    bot = await start(replace(settings, trusted_proxies=trusted))
    yield bot
    await bot.close()


async def remote(bot: Bot, log_stream: io.StringIO, *headers: tuple[str, str]) -> str:
    """Return where the bot's log has a sign-in with a wrong token come from."""
    log_stream.truncate(log_stream.seek(0))
    async with bot.session.post(
        f"{bot.url}/sign-in", data={"token": "wrong"}, headers=headers
    ) as response:
        assert response.status in (401, 429)
    lines = map(json.loads, log_stream.getvalue().splitlines())
    (refused,) = [line for line in lines if line["message"] == "sign-in refused"]
    return str(refused["address"])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], PROXY),
        ([(XFF, "192.0.2.1")], "192.0.2.1"),
        ([(XFF, "198.51.100.9, 192.0.2.1")], "192.0.2.1"),
        ([(XFF, "198.51.100.9"), (XFF, "192.0.2.1")], "192.0.2.1"),
        ([(XFF, "198.51.100.9, 192.0.2.1, 10.0.0.5")], "192.0.2.1"),
        ([(XFF, "nonsense, 192.0.2.1")], "192.0.2.1"),
        ([(XFF, "10.1.1.1, 10.0.0.5")], "10.1.1.1"),
        ([(XFF, "192.0.2.1:4711")], "192.0.2.1"),
        ([(XFF, "[2001:dba::1]:4711")], "2001:dba::1"),
        ([(XFF, "2001:dba::1")], "2001:dba::1"),
        ([(XFF, "2001:dba::1, 2001:db8::5")], "2001:dba::1"),
        ([(XFF, "::ffff:192.0.2.1")], "192.0.2.1"),
        ([(XFF, "192.0.2.1, ::ffff:10.0.0.5")], "192.0.2.1"),
        ([(XFF, "192.0.2.1, nonsense")], PROXY),
        ([(XFF, "192.0.2.1,")], PROXY),
        ([(XFF, "unknown")], PROXY),
        ([(XFF, "[]")], PROXY),
        ([(RFC, "for=192.0.2.1")], "192.0.2.1"),
        ([(RFC, 'for="[2001:dba::1]:4711";proto=https')], "2001:dba::1"),
        ([(RFC, 'For = 198.51.100.9, proto=https ; FOR="192.0.2.1"')], "192.0.2.1"),
        ([(RFC, "for=192.0.2.1;by=10.0.0.5, for=10.0.0.5")], "192.0.2.1"),
        ([(RFC, 'for="198.51.100.9, for=192.0.2.1')], "192.0.2.1"),
        ([(RFC, "for=_hidden")], PROXY),
        ([(RFC, "by=192.0.2.1")], PROXY),
        ([(RFC, "for=192.0.2.1"), (XFF, "192.0.2.1")], "192.0.2.1"),
        ([(RFC, "for=198.51.100.9"), (XFF, "192.0.2.1")], PROXY),
        ([(RFC, "nonsense"), (XFF, "192.0.2.1")], PROXY),
    ],
)
async def test_the_right_most_that_is_no_trusted_proxy(
    behind: Bot, log_stream: io.StringIO, headers: list[tuple[str, str]], expected: str
) -> None:
    assert await remote(behind, log_stream, *headers) == expected


async def test_without_a_trusted_proxy_nobody_says_who_else_asks(
    bot: Bot, log_stream: io.StringIO
) -> None:
    for name, value in ((XFF, "192.0.2.1"), (RFC, "for=192.0.2.1")):
        assert await remote(bot, log_stream, (name, value)) == PROXY


async def test_what_is_counted_by_address_is_counted_behind_the_proxy(behind: Bot) -> None:
    """Neither does one client use up the minute of all, nor get another by what it sends itself."""

    async def sign_in(client: str) -> int:
        headers = {XFF: client}
        data = {"token": "wrong"}
        async with behind.session.post(
            f"{behind.url}/sign-in", data=data, headers=headers
        ) as answer:
            return answer.status

    async def guess(client: str) -> int:
        headers = {XFF: client}
        return (await behind.get("/api/v1/experiments", token="wrong", headers=headers)).status

    for number in range(FAILED_SIGN_INS):
        assert await sign_in(f"198.51.100.{number}, 192.0.2.1") == 401
    assert await sign_in("198.51.100.77, 192.0.2.1") == 429
    assert await sign_in("192.0.2.2") == 401
    for number in range(UNKNOWN_TOKENS):
        assert await guess(f"198.51.100.{number}, 192.0.2.1") == 401
    assert await guess("198.51.100.177, 192.0.2.1") == 429
    assert await guess("192.0.2.2") == 401
