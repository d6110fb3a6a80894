"""Deliveries that are refused for their signature are counted until a good one comes, and shown."""

import asyncio
import hashlib
import hmac
from typing import Any

import pytest

from bot.demo import payloads
from bot.settings import Settings
from bot.storage import StorageUnavailable
from tests.deliveries.test_webhook_failures import locked
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO, at, sign
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot, eventually, start
from tests.kit.statements import Statements

PATH = "/api/v1/integrations"
WRONG = "another-secret-entirely"
SHA1 = "sha1=" + hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
NONE = {"count": 0, "last_at": None, "last_reason": None}
KINDS = {
    "missing": ({}, "missing signature: X-Hub-Signature-256 is missing; set a secret"),
    "sha1": ({"X-Hub-Signature": SHA1}, "X-Hub-Signature alone proves too little"),
    "malformed": ({"X-Hub-Signature-256": SHA1}, "invalid signature: X-Hub-Signature-256 must be"),
    "wrong": ({"X-Hub-Signature-256": sign(b"{}", WRONG)}, "proxy changes the body"),
}


async def refuse(bot: Bot, integration: str, kind: str = "wrong", times: int = 1) -> None:
    """Have deliveries refused for their signature."""
    headers = payloads.headers("ping", b"{}", SECRET)
    del headers["X-Hub-Signature-256"]
    for _ in range(times):
        answer = await bot.send(integration, b"{}", {**headers, **KINDS[kind][0]})
        assert answer.status == 401


async def refused(bot: Bot, integration: str) -> dict[str, Any]:
    answer = await bot.get(f"{PATH}/{integration}")
    found: dict[str, Any] = answer.body["refused"]
    return found


async def good(bot: Bot, integration: str) -> None:
    assert (await bot.signed(integration, "ping", b'{"zen": "Keep it"}')).status == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_each_is_counted_with_its_reason_until_a_good_one_comes(bot: Bot, kind: str) -> None:
    integration, other = await bot.integration(), await bot.integration(name="Other")
    assert await refused(bot, integration) == NONE
    await refuse(bot, integration, kind, times=3)
    found = await refused(bot, integration)
    assert found["count"] == 3 and found["last_at"].endswith("Z")
    assert KINDS[kind][1] in found["last_reason"]
    assert await refused(bot, other) == NONE
    listed = {one["id"]: one["refused"] for one in (await bot.get(PATH)).items}
    assert listed == {integration: found, other: NONE}
    assert f'refused_signatures_total{{why="{kind}"}} 3.0' in (await bot.get("/metrics")).body
    await good(bot, integration)
    assert await refused(bot, integration) == NONE
    await refuse(bot, integration)
    assert (await refused(bot, integration))["count"] == 1


@sqlite_only
async def test_what_was_written_is_taken_back_and_counted_anew(bot: Bot) -> None:
    """A write of what was counted is under way, or done, when the good one comes."""
    integration = await bot.integration()
    for wait in (0, 0.01, 0.05):
        await refuse(bot, integration, times=2)
        await asyncio.sleep(wait)
        await good(bot, integration)
        assert await refused(bot, integration) == NONE
    await refuse(bot, integration, "missing")
    body = payloads.encode({"zen": "no"})
    twice = payloads.headers("ping", body, SECRET, "1")
    assert (await bot.send(integration, body, twice)).body == {"processed": True}
    await refuse(bot, integration, "missing")
    assert (await bot.send(integration, body, twice)).body["duplicate"] is True
    assert await refused(bot, integration) == NONE


@sqlite_only
async def test_what_is_not_a_good_one_takes_nothing_back(bot: Bot) -> None:
    """An inactive integration, another host, another integration; an error of it stays."""
    integration, other = await bot.integration(), await bot.integration(name="Other")
    await refuse(bot, integration)
    await good(bot, other)
    headers = {"X-GitHub-Enterprise-Host": "ghe.example.com"}
    assert (await bot.signed(integration, "ping", b"{}", **headers)).status == 403
    assert (await bot.patch(f"{PATH}/{integration}", {"is_active": False})).status == 200
    await refuse(bot, integration)
    assert (await bot.signed(integration, "ping", b"{}")).status == 403
    shown = (await bot.get(f"{PATH}/{integration}")).body
    assert shown["refused"]["count"] == 2
    assert "another GitHub" in shown["last_error"]


@sqlite_only
async def test_what_has_no_integration_is_counted_nowhere(bot: Bot) -> None:
    integration = await bot.integration()
    assert (await bot.delete(f"{PATH}/{integration}")).status == 204
    for name in (integration, "0f3d1c9e-7b5a-4f0e-8d2c-1a2b3c4d5e6f"):
        assert (await bot.send(name, b"{}", payloads.headers("ping", b"{}", WRONG))).status == 404
    assert "refused_signatures_total{" not in (await bot.get("/metrics")).body


@sqlite_only
async def test_a_flood_costs_hardly_a_write(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    integration = await bot.integration()
    statements = Statements(monkeypatch)
    await asyncio.gather(*(refuse(bot, integration, "missing", times=20) for _ in range(10)))
    assert statements.take()[2].get("integrations", 0) <= 3
    assert (await refused(bot, integration))["count"] == 200


@sqlite_only
async def test_good_ones_cost_no_more_once_it_is_taken_back(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = await bot.integration()
    await refuse(bot, integration)
    await good(bot, integration)
    await good(bot, integration)
    statements = Statements(monkeypatch)
    await good(bot, integration)
    assert "integrations" not in statements.take()[2]


async def test_processes_add_up_and_a_restart_forgets_nothing(bot: Bot, settings: Settings) -> None:
    integration = await bot.integration()
    beside = await start(settings)
    await refuse(bot, integration, times=2)
    await refuse(beside, integration, "missing", times=3)
    await beside.close()  # it writes what it has counted
    assert (await refused(bot, integration))["count"] == 5
    again = await start(settings)
    try:
        assert (await refused(again, integration))["count"] == 5
        await good(again, integration)
        assert await refused(again, integration) == NONE
    finally:
        await again.close()
    assert await refused(bot, integration) == NONE


async def test_a_good_one_counts_for_what_another_process_has_refused(
    bot: Bot, settings: Settings
) -> None:
    """Whether that has written it already, or writes it only now."""
    integration = await bot.integration()
    beside = await start(settings)
    push = payloads.push("main", ["One"], repo=REPO, at=at(0))
    try:
        for event, payload in (("ping", {"zen": "Keep it"}), ("push", push)):
            await beside.deliver(integration, event, payload)  # it knows the integration by now
            await refuse(bot, integration, times=2)
            assert (await refused(bot, integration))["count"] == 2  # and this has written it
            await beside.deliver(integration, event, payload)
            assert await refused(bot, integration) == NONE
        await refuse(bot, integration, times=2)
        await asyncio.sleep(0.01)
        await good(beside, integration)
        assert await refused(bot, integration) == NONE
    finally:
        await beside.close()


@sqlite_only
async def test_what_the_database_cannot_take_now_is_counted_on(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = await bot.integration()
    write = type(bot.services.database).write

    async def unavailable(*_: object, **__: object) -> None:
        raise StorageUnavailable("it is away")

    monkeypatch.setattr(type(bot.services.database), "write", unavailable)
    await refuse(bot, integration, times=2)
    assert (await refused(bot, integration))["count"] == 0
    monkeypatch.setattr(type(bot.services.database), "write", write)

    async def counted() -> bool:
        return bool((await refused(bot, integration))["count"] == 2)

    assert await eventually(counted)


@sqlite_only
async def test_pages_and_doctor_say_so(bot: Bot) -> None:
    integration = await bot.integration()
    await refuse(bot, integration, times=2)
    browser = await Browser.sign_in(bot)
    said = "refused for the signature since the last good one. Invalid signature: X-Hub-Signature"
    assert said in (await browser.get("/start")).words
    for path in ("/integrations", f"/integrations/{integration}"):
        page = await browser.get(path)
        assert "Refused deliveries 2 since the last good one" in page.words
        assert "check that the secret in GitHub's webhook settings is the same" in page.words
    assert (await doctor(bot, integration))["status"] == "problem"
    await good(bot, integration)
    assert "Refused deliveries" not in (await browser.get(f"/integrations/{integration}")).words
    assert await doctor(bot, integration) == {}
    await refuse(bot, integration)
    found = await doctor(bot, integration)
    assert found["status"] == "warning" and "1 delivery was refused" in found["message"]


async def doctor(bot: Bot, integration: str) -> dict[str, Any]:
    """Return what the doctor finds of signatures, nothing if that is nothing."""
    answer = await bot.post(f"{PATH}/{integration}/check")
    found = [one for one in answer.body["findings"] if one["check"] == "signatures"]
    return found[0] if found else {}


@sqlite_only
async def test_what_was_sent_is_repeated_nowhere(bot: Bot) -> None:
    integration = await bot.integration()
    sent = "sha256=" + "ab" * 32
    headers = {**payloads.headers("ping", b"{}", SECRET), "X-Hub-Signature-256": sent}
    assert (await bot.send(integration, b"{}", headers)).status == 401
    shown = str((await bot.get(f"{PATH}/{integration}")).body)
    assert "abab" not in shown and SECRET not in shown


@sqlite_only
async def test_reading_waits_for_no_write_of_what_was_refused(bot: Bot) -> None:
    """While somebody else holds the database, pages and API go on to answer."""
    integration = await bot.integration()
    with locked(bot.services.settings.database_url):
        await refuse(bot, integration)
        async with asyncio.timeout(5):
            assert await refused(bot, integration) == NONE
    assert (await refused(bot, integration))["count"] == 1
