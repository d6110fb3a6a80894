"""Installations that no `installation` event has told of, older than the bot, are shown as well."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.github import rsa_key
from tests.kit.browsing import Browser
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot

PATH = "/api/v1/integrations"
AT = "2026-03-02T10:00:00Z"
UNKNOWN: dict[str, Any] = {
    "account": None,
    "repository_selection": None,
    "repositories": 0,
    "suspended_at": None,
    "html_url": None,
    "permissions": None,
    "lacks": [],
    "unheard": [],
}


async def app(bot: Bot, **config: Any) -> str:
    known = {"app_id": 4242, "private_key": rsa_key(), "webhook_secret": SECRET, **config}
    body = {"name": "App", "integration_type": "GITHUB", "config": known}
    answer = await bot.post(PATH, body)
    assert answer.status == 201
    return str(answer.body["id"])


def opened(full_name: str, installation: int) -> dict[str, Any]:
    repository = payloads.repository(full_name)
    pull = payloads.pull_request("opened", 7, AT, repo=repository)
    return {**pull, "installation": {"id": installation}}


async def shown(bot: Bot, integration: str) -> list[dict[str, Any]]:
    one = (await bot.get(f"{PATH}/{integration}")).body["installations"]
    listed = {one["id"]: one["installations"] for one in (await bot.get(PATH)).items}
    assert listed[integration] == one
    return list(one)


async def test_one_that_deliveries_come_through(bot: Bot) -> None:
    integration, other = await app(bot), await app(bot)
    for name, through in (("acme/shop", 55), ("acme/web", 55), ("other/tool", 66)):
        await bot.tell(integration, opened(name, through))
    assert await shown(bot, integration) == [
        {**UNKNOWN, "installation_id": 55, "account": "acme", "repositories": 2},
        {**UNKNOWN, "installation_id": 66, "account": "other", "repositories": 1},
    ]
    assert await shown(bot, other) == []


@sqlite_only
async def test_what_an_event_tells_counts_more(bot: Bot) -> None:
    integration = await app(bot, installation_id=55)
    await bot.tell(integration, opened("acme/shop", 55))
    for action, deleted in (("created", False), ("deleted", True)):
        event = {
            "action": action,
            "installation": {
                "id": 55,
                "account": payloads.user("acme"),
                "repository_selection": "all",
                "updated_at": AT,
            },
            "repositories": [],
        }
        assert (await bot.deliver(integration, "installation", event)).status == 200
        found = await shown(bot, integration)
        assert [one["repository_selection"] for one in found] == ([] if deleted else ["all"])


@sqlite_only
@pytest.mark.parametrize("told", [False, True])
async def test_the_default(bot: Bot, told: bool) -> None:
    integration = await app(bot, installation_id=55)
    if told:
        await bot.tell(integration, opened("acme/shop", 55))
    more = {"account": "acme", "repositories": 1} if told else {}
    assert await shown(bot, integration) == [{**UNKNOWN, "installation_id": 55, **more}]


@sqlite_only
async def test_the_pages(bot: Bot) -> None:
    integration = await app(bot)
    browser = await Browser.sign_in(bot)
    page = await browser.get(f"/integrations/{integration}")
    assert "None yet. Installations appear here" in page.words
    assert "0 installations" in (await browser.get("/integrations")).words
    await bot.tell(integration, opened("acme/shop", 55))
    page = await browser.get(f"/integrations/{integration}")
    assert "acme 1 repository · 55" in page.words and "None yet. Inst" not in page.words
    assert "1 installation" in (await browser.get("/integrations")).words
    config = {"installation_id": 77}
    await bot.patch(f"{PATH}/{integration}", {"config": config})
    page = await browser.get(f"/integrations/{integration}")
    assert "the default, of which no delivery has told yet · 77" in page.words
    assert "2 installations" in (await browser.get("/integrations")).words


GRANTED = {"metadata": "read", "contents": "read", "pull_requests": "write", "issues": "write"}
PAGE = "https://github.com/organizations/acme/settings/installations/55"
HEARD = ["push", "pull_request", "issues", "issue_comment", "repository", "check_run"]


def event(action: str, minute: int, **installation: Any) -> dict[str, Any]:
    known = {
        "id": 55,
        "account": payloads.user("acme"),
        "repository_selection": "all",
        "updated_at": f"2026-03-02T10:{minute:02}:00Z",
        "html_url": PAGE,
        **installation,
    }
    return {"action": action, "installation": known, "repositories": []}


async def test_what_an_account_has_granted(bot: Bot) -> None:
    """It is kept as events tell it, and beside it what does not work until its owner accepts."""
    integration = await app(bot)
    browser = await Browser.sign_in(bot)

    async def told(action: str, minute: int, **installation: Any) -> tuple[dict[str, Any], str]:
        payload = event(action, minute, **installation)
        answer = await bot.deliver(integration, "installation", payload)
        assert answer.body == {"processed": True}
        (found,) = await shown(bot, integration)
        return found, (await browser.get(f"/integrations/{integration}")).words

    found, page = await told("created", 1)
    assert found["permissions"] is None and "is not known yet. The doctor asks GitHub." in page
    found, page = await told("suspend", 2, permissions=GRANTED, events=HEARD)
    assert found["permissions"] == GRANTED and found["html_url"] == PAGE
    assert [one["permission"] for one in found["lacks"]] == [
        "checks: write",
        "merge_queues: read",
        "deployments: read",
    ]
    assert found["unheard"] == []
    assert (
        "Not granted: checks: write , merge_queues: read , deployments: read . Until then:" in page
    )
    assert "There is no check" in page and "review it in GitHub" in page
    # An older event changes nothing, nor does one that is silent about it.
    found, _ = await told("created", 1, permissions={}, events=[])
    assert found["permissions"] == GRANTED
    found, _ = await told("unsuspend", 3)
    assert found["permissions"] == GRANTED
    more = {**GRANTED, "checks": "write", "merge_queues": "read", "deployments": "write"}
    found, page = await told("new_permissions_accepted", 4, permissions=more, events=HEARD[1:])
    assert found["lacks"] == [] and found["unheard"] == ["push"]
    assert "Not sent: push ." in page and "Not granted" not in page
    await bot.patch(f"{PATH}/{integration}", {"config": {"check": "off"}})
    found, page = await told("new_permissions_accepted", 5, permissions=GRANTED, events=HEARD)
    assert [one["permission"] for one in found["lacks"]] == ["deployments: read"]


@sqlite_only
async def test_odd_grants(bot: Bot) -> None:
    """What is no level is none, and a page that is elsewhere is not linked to."""
    integration = await app(bot)
    odd = {"checks": 5, "issues": "<b>", "x" * 200: "read", "contents": "read"}
    page = "https://evil.example/organizations/acme"
    payload = event("created", 1, permissions=odd, events="push", html_url=page)
    assert (await bot.deliver(integration, "installation", payload)).status == 200
    (found,) = await shown(bot, integration)
    assert (found["permissions"], found["html_url"]) == ({"contents": "read"}, None)
    payload = event("created", 2, permissions=["push"], events=["push", 7, None])
    assert (await bot.deliver(integration, "installation", payload)).status == 200
    (found,) = await shown(bot, integration)
    assert found["permissions"] == {"contents": "read"} and "issues" in found["unheard"]
