"""Deliveries of another GitHub than the one that an integration is of."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from bot.demo import payloads
from bot.settings import Settings
from tests.kit.deliveries import PROCESSED, at
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Answer, Bot, start

DOTCOM = "https://api.github.com"
DOTCOM_443 = "https://api.github.com:443"
SERVER = "https://GitHub.acme.example:8443/api/v3"
RESIDENT = "https://api.acme.ghe.com"
RESIDENT_443 = "https://api.acme.ghe.com:443"
HEADER = "X-GitHub-Enterprise-Host"


@pytest.fixture
async def bot(settings: Settings) -> AsyncIterator[Bot]:
    """A service for several GitHubs."""
    urls = (DOTCOM, DOTCOM_443, SERVER, RESIDENT, RESIDENT_443)
    running = await start(replace(settings, github_api_urls=urls))
    yield running
    await running.close()


async def ping(bot: Bot, integration: str, *hosts: str) -> Answer:
    """Send a signed delivery with a header for each of some hosts."""
    body = payloads.encode({"zen": "Keep it logically awesome."})
    headers = CIMultiDict(payloads.headers("ping", body, SECRET))
    for one in hosts:
        headers.add(HEADER, one)
    address = f"{bot.url}/api/v1/integrations/{integration}/webhook/github"
    async with bot.session.post(address, data=body, headers=headers) as response:
        return Answer(response.status, await response.json(content_type=None), response.headers)


OWN = [
    (DOTCOM, "github.com"),
    (DOTCOM, "GITHUB.com:443"),
    (DOTCOM_443, "github.com"),
    (SERVER, "github.acme.example"),
    (SERVER, "GitHub.Acme.Example"),
    (SERVER, "github.acme.example:8443"),
    (SERVER, "github.acme.example:443"),
    (RESIDENT, "acme.ghe.com"),
    (RESIDENT, "ACME.GHE.com"),
    (RESIDENT_443, "acme.ghe.com"),
]
OTHER = [
    (DOTCOM, "github.acme.example"),
    (DOTCOM, "acme.ghe.com"),
    (DOTCOM, "api.github.com"),
    (DOTCOM, "github.com.acme.example"),
    (DOTCOM, "github.com, github.com"),
    (SERVER, "github.com"),
    (SERVER, "acme.example"),
    (SERVER, "github.acme.example:x"),
    (SERVER, ""),
    (RESIDENT, "github.com"),
    (RESIDENT, "other.ghe.com"),
    (RESIDENT, "api.acme.ghe.com"),
    (RESIDENT, "ghe.com"),
]


@sqlite_only
@pytest.mark.parametrize("api_url, host", OWN)
async def test_its_own_host(bot: Bot, api_url: str, host: str) -> None:
    """Case and port do not matter, nor does a header that says it twice."""
    integration = await bot.integration(config={"api_url": api_url})
    for hosts in ((), (host,), (host, host)):
        answer = await ping(bot, integration, *hosts)
        assert (answer.status, answer.body) == (200, PROCESSED)


@sqlite_only
@pytest.mark.parametrize("api_url, host", OTHER)
async def test_another_host(bot: Bot, api_url: str, host: str) -> None:
    """Whatever else the delivery says; the next good one takes the error back."""
    integration = await bot.integration(config={"api_url": api_url})
    path = f"/api/v1/integrations/{integration}"
    own = next(one for url, one in OWN if url == api_url)
    for hosts in ((host,), (own, host), (host, own)):
        answer = await ping(bot, integration, *hosts)
        assert (answer.status, answer.body["error"]) == (403, "wrong host")
    assert "another GitHub" in (await bot.get(path)).body["last_error"]
    assert (await bot.get(f"{path}/deliveries")).items == []
    assert (await ping(bot, integration, own)).status == 200
    assert (await bot.get(path)).body["last_error"] is None


def pull(host: str, name: str, minute: int) -> dict[str, Any]:
    """A pull request of the repository that has one id on every GitHub, as a host tells it."""
    where = payloads.repository(name, 4711, updated_at=at(minute))
    told = payloads.pull_request("edited", 1, at(minute), repo=where, body="experiment_key: a")
    text = payloads.encode(told).replace(b"https://github.com/", f"https://{host}/".encode())
    found: dict[str, Any] = json.loads(text)
    return {**found, "pull_request": {**found["pull_request"], "title": f"On {host}"}}


@pytest.mark.parametrize("api_url, own", [(DOTCOM, "github.com"), (RESIDENT, "acme.ghe.com")])
@pytest.mark.parametrize("is_first", [True, False])
async def test_without_the_header_two_hosts_are_not_mixed(
    bot: Bot, api_url: str, own: str, is_first: bool
) -> None:
    """The addresses of its pages tell where a repository is, and nobody acts on another GitHub."""
    await bot.experiment("a")
    integration = await bot.integration(config={"api_url": api_url})
    told = [pull("github.corp.example", "corp/app", 5), pull(own, "acme/shop", 0)]
    await bot.tell(integration, *(told if is_first else reversed(told)))
    shown = await bot.walk("/api/v1/experiments/a/pull-requests")
    assert sorted((one["repository"], one["title"]) for one in shown) == [
        ("acme/shop", f"On {own}"),
        ("corp/app", "On github.corp.example"),
    ]
    page = f"/api/v1/integrations/{integration}/deliveries"
    for one in (await bot.get(page)).items:
        assert (await bot.post(f"{page}/{one['id']}/replay")).status == 200
    assert await bot.walk("/api/v1/experiments/a/pull-requests") == shown


async def test_who_is_of_the_other_host_speaks_for_what_is_there(bot: Bot) -> None:
    """It takes over what came to the wrong integration."""
    await bot.experiment("a")
    wrong, right = [
        await bot.integration(config={"api_url": api_url, "token": f"ghp_{number}"})
        for number, api_url in enumerate((DOTCOM, SERVER))
    ]
    host = "github.acme.example:8443"
    await bot.tell(wrong, pull(host, "corp/app", 0))
    await bot.tell(right, pull(host, "corp/app", 1), pull(host, "corp/apps", 2))
    (shown,) = await bot.walk("/api/v1/experiments/a/pull-requests")
    assert (shown["repository"], shown["html_url"]) == (
        "corp/apps",
        f"https://{host}/corp/apps/pull/1",
    )


OWNER = payloads.number_of("acme")
TOLD_OF_AN_OWNER = {
    "an App": payloads.installation_target("acme", "other", OWNER, 100),
    "an organisation's webhook": payloads.organization("acme", "other", OWNER),
}


@pytest.mark.parametrize("hears", TOLD_OF_AN_OWNER)
async def test_owners_of_two_hosts_are_not_mixed(bot: Bot, hears: str) -> None:
    """That an owner is renamed is told without a repository: the owner's address tells where."""
    await bot.experiment("a")
    integration = await bot.integration(config={"api_url": DOTCOM})
    own, host = TOLD_OF_AN_OWNER[hears], "github.corp.example"
    text = payloads.encode(own).replace(b"//api.github.com/", f"//{host}/api/v3/".encode())
    theirs = json.loads(text)
    await bot.tell(integration, pull("github.com", "acme/shop", 0), pull(host, "acme/app", 0))
    for told, expected in (
        (theirs, ["acme/shop", "other/app"]),
        (own, ["other/app", "other/shop"]),
    ):
        await bot.tell(integration, told)
        shown = await bot.walk("/api/v1/experiments/a/pull-requests")
        assert sorted(one["repository"] for one in shown) == expected
