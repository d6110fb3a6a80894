"""The pages of deliveries: filter, look into, find out why, run again; nothing private shows."""

import itertools
import json
import re
from typing import Any

import pytest

from bot.dashboard import concealing
from bot.dashboard import deliveries as pages
from bot.deliveries import records
from bot.demo import payloads
from tests.kit.breakage import failing
from tests.kit.browsing import Browser, Page
from tests.kit.deliveries import REPO
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

pytestmark = sqlite_only

HOSTILE = "</code></pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
GITHUB_TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
FAULT = f"no sense in jane@example.com's {HOSTILE} {GITHUB_TOKEN}"
_numbers = itertools.count(1)


def pull_request(key: str | None = None, **more: Any) -> dict[str, Any]:
    body = f"experiment_key: {key}" if key else "Nothing."
    opened = payloads.pull_request(
        "opened", next(_numbers), "2026-03-02T10:00:00Z", repo=REPO, body=body
    )
    return {**opened, **more}


async def sent(bot: Bot, integration: str, event: str, payload: dict[str, Any]) -> str:
    """Deliver; return the delivery's id."""
    answer = await bot.deliver(integration, event, payload)
    assert answer.status in (200, 202), answer.body
    items = (await bot.get(f"/api/v1/integrations/{integration}/deliveries?limit=1")).items
    return str(items[0]["id"])


def rows(page: Page) -> list[str]:
    """Return the events that a list shows, in order."""
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page.text)


# --- The list


async def test_the_list_filters_and_pages(bot: Bot) -> None:
    integration = await bot.integration()
    for _ in range(30):
        await sent(bot, integration, "pull_request", pull_request())
        await sent(bot, integration, "watch", {"action": "started", "repository": REPO})
    await sent(bot, integration, "ping", {"zen": "Z"})
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries"
    page = await developer.get(here)
    assert rows(page)[:3] == ["ping", "watch.started", "pull_request.opened"]
    assert len(rows(page)) == 50
    assert "acme/shop" in page.words
    older = re.search(r'href="([^"]+)" rel="next"', page.text)
    assert older is not None
    rest = await developer.get(older[1].replace("&amp;", "&"))
    assert len(rows(rest)) == 11
    assert 'rel="next"' not in rest.text

    page = await developer.get(f"{here}?status=ignored&event=")
    assert set(rows(page)) == {"watch.started"}
    assert '<option value="ignored" selected>' in page.text
    page = await developer.get(f"{here}?event=pull_request&status=processed&limit=")
    assert set(rows(page)) == {"pull_request.opened"}
    for event in ("ping", "pull_request", "watch"):
        assert f'<option value="{event}"' in page.text
    page = await developer.get(f"{here}?status=failed")
    assert "No matching deliveries" in page.words
    assert "Replay all failed" not in page.words
    for wrong in ("status=x", "event=X%00", "cursor=x"):
        assert (await developer.get(f"{here}?{wrong}")).status == 422


async def test_an_empty_list_says_what_to_do(bot: Bot) -> None:
    integration = await bot.integration()
    developer = await Browser.sign_in(bot, "developer")
    page = await developer.get(f"/integrations/{integration}/deliveries")
    assert "No deliveries yet" in page.words
    assert f'href="/integrations/{integration}">How to set up the webhook' in page.text


async def test_viewers_see_none_of_it(bot: Bot) -> None:
    """Payloads tell of people."""
    integration = await bot.integration()
    guid = await sent(bot, integration, "ping", {"zen": "Z"})
    viewer = await Browser.sign_in(bot, "viewer")
    here = f"/integrations/{integration}/deliveries"
    for path in (here, f"{here}/{guid}"):
        assert (await viewer.get(path)).status == 403
    for path in (f"{here}/replay", f"{here}/{guid}/replay"):
        assert (await viewer.post(path)).status == 403


# --- One delivery


async def test_one_delivery_and_what_it_changed(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout")
    guid = await sent(bot, integration, "pull_request", pull_request("checkout"))
    other = await sent(bot, integration, "pull_request", pull_request())
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries"
    page = await developer.get(f"{here}/{guid}")
    assert page.status == 200
    assert "pull_request.opened" in page.words
    assert 'href="/experiments/checkout"' in page.text
    assert "X-GitHub-Event pull_request" in page.words
    assert re.search(r"<summary><b>pull_request</b> <span[^>]*>\d+ fields", page.text)
    assert "&#34;full_name&#34;: &#34;acme/shop&#34;" in page.text
    page = await developer.get(f"{here}/{other}")
    assert "None: it names no experiment" in page.words
    ignored = await sent(bot, integration, "watch", {"action": "started", "repository": REPO})
    assert "this event is not handled" in (await developer.get(f"{here}/{ignored}")).words
    refused = await sent(bot, integration, "issues", {"action": "opened", "repository": REPO})
    page = await developer.get(f"{here}/{refused}")
    assert "Why nothing was done" in page.words and "Changes None. Headers" in page.words
    assert "Processed no Attempts" in page.words
    nowhere = "00000000-0000-4000-8000-000000000000"
    assert (await developer.get(f"{here}/{nowhere}")).status == 404
    other_integration = await bot.integration()
    path = f"/integrations/{other_integration}/deliveries/{guid}"
    assert (await developer.get(path)).status == 404


async def test_secrets_and_addresses_in_a_payload_do_not_show(bot: Bot) -> None:
    integration = await bot.integration()
    private = {
        "hook": {"config": {"secret": "hook-secret-1", "url": "https://x.example/?token=abc-1"}},
        "tokens": ["secret-in-list-1", 123456789],
        "client_secret": "client-secret-1",
        "nested": [{"accessToken": "camel-1"}, {"note": f"use {GITHUB_TOKEN}"}],
        "remote": "https://jane:pass-word-1@git.example/repo.git",
        "head_commit": {
            "author": {"name": "Jane", "email": "jane@example.com"},
            "committer": {"email": "odd-address-without-sign"},
            "message": "Fix\n\nCo-authored-by: Joe <joe.q+x@mail.example.co.uk>\nmöp@exämple.com",
            "verification": {"signature": "-----BEGIN PGP SIGNATURE-----1"},
        },
        "pusher": {"name": "jane", "email": "jane@example.com"},
        "key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEfirst\n-----END RSA PRIVATE KEY-----",
        "jane@example.com": "as a name",
        "repository": {**REPO, "ssh_url": "git@github.com:acme/shop.git"},
        "action": "by joe@example.com",
    }
    guid = await sent(bot, integration, "watch", private)
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries"
    page = await developer.get(f"{here}/{guid}")
    assert page.status == 200
    for text in (page.text, (await developer.get(here)).text):
        for hidden in (
            *("hook-secret-1", "abc-1", "secret-in-list-1", "123456789", "client-secret-1"),
            *("camel-1", GITHUB_TOKEN, "pass-word-1", "MIIEfirst", "PGP SIGNATURE"),
            *("jane@", "joe.q", "möp@", "odd-address-without-sign"),
        ):
            assert hidden not in text
    assert "git@github.com:acme/shop.git" in page.words
    assert page.text.count(concealing.MAIL) >= 6
    assert "&#34;name&#34;: &#34;Jane&#34;" in page.text


def hostile(value: Any) -> Any:
    """Return a payload in which every text is markup and script."""
    if isinstance(value, dict):
        return {name: hostile(member) for name, member in value.items()}
    if isinstance(value, list):
        return [hostile(member) for member in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


async def test_markup_in_a_payload_changes_nothing(bot: Bot) -> None:
    integration = await bot.integration()
    payload = hostile({**pull_request(), HOSTILE: {HOSTILE: [HOSTILE]}})
    guid = await sent(bot, integration, "watch", payload)
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries"
    for path in (here, f"{here}/{guid}", f"{here}?event=watch"):
        page = await developer.get(path)
        assert page.status == 200
        assert "alert(1)" in page.text
        for markup in ("<script>alert", "<img", "</pre><script", ">49<"):
            assert markup not in page.text.replace('<img src="/static', "")
    page = await developer.get(f"{here}?event={HOSTILE}")
    assert page.status == 422
    assert "<script>alert" not in page.text


async def test_a_large_payload_is_cut_and_costs_little(bot: Bot) -> None:
    integration = await bot.integration()
    payload = {
        "long": "a" * 3_000_000,
        "many": [{"n": number, "text": "x@" * 10} for number in range(60_000)],
        "signs": {"all": "@" * 1_000_000, "words": "a@b " * 200_000},
        "deep": json.loads("[" * 150 + "]" * 150),
    }
    guid = await sent(bot, integration, "watch", payload)
    developer = await Browser.sign_in(bot, "developer")
    page = await developer.get(f"/integrations/{integration}/deliveries/{guid}")
    assert page.status == 200
    assert "Truncated." in page.words
    assert "60,000 items" in page.words
    assert len(page.text) < 1_000_000


async def test_a_payload_that_is_not_kept(bot: Bot) -> None:
    integration = await bot.integration(config={"repositories": ["acme/other"]})
    guid = await sent(bot, integration, "pull_request", pull_request())
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries/{guid}"
    page = await developer.get(here)
    assert "repository not allowed" in page.words
    days = bot.services.settings.payload_days
    assert f"The payload is not stored: it is older than {days} days" in page.words
    assert re.search(r"<button disabled>Replay", page.text)
    page = await developer.post(f"{here}/replay")
    assert page.status == 409
    assert "use GitHub's Redeliver button" in page.words
    assert "The payload is not stored" in page.words


# --- Running it again


async def test_why_it_failed_and_replay(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout")
    with failing(FAULT):
        guid = await sent(bot, integration, "pull_request", pull_request("checkout"))
        developer = await Browser.sign_in(bot, "developer")
        here = f"/integrations/{integration}/deliveries/{guid}"
        for page in (await developer.get(here), await developer.get(here.rpartition("/")[0])):
            assert "RuntimeError: no sense in" in page.words
            for private in ("jane@example.com", GITHUB_TOKEN, "<script>alert"):
                assert private not in page.text
        page = await developer.post(f"{here}/replay")
        assert "it failed again" in page.words
        assert "Attempts 2" in page.words
    page = await developer.post(f"{here}/replay")
    assert page.path.startswith(here)
    assert "If it had taken effect before" in page.words
    assert "Attempts 3" in page.words
    assert 'href="/experiments/checkout"' in page.text
    feed = await bot.get("/api/v1/experiments/checkout/activity")
    page = await developer.post(f"{here}/replay")
    assert (await bot.get("/api/v1/experiments/checkout/activity")).body == feed.body


async def test_replay_all_failed(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those given up and those still tried, the oldest first, up to a number at a time."""
    monkeypatch.setattr(pages, "AT_ONCE", 3)
    monkeypatch.setattr(records, "MAX_ATTEMPTS", 2)
    integration = await bot.integration()
    await bot.experiment("checkout")
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries"
    with failing(FAULT):
        for _ in range(5):
            await sent(bot, integration, "pull_request", pull_request("checkout"))
        page = await developer.post(f"{here}/replay")
        assert "Replayed 3 deliveries: 0 succeeded, 3 failed again." in page.words
        after = re.search(r'name="after" value="(\d+)"', page.text)
        assert after is not None
        assert "Replay the next failed deliveries" in page.words
    statuses = [one["status"] for one in (await bot.get(f"/api/v1{here}")).items]
    assert statuses == ["retrying", "retrying", "failed", "failed", "failed"]
    page = await developer.post(f"{here}/replay", {"after": after[1]})
    assert "Replayed 2 deliveries: 2 succeeded." in page.words
    page = await developer.post(f"{here}/replay", {"after": "rubbish"})
    assert "Replayed 3 deliveries: 3 succeeded." in page.words
    statuses = [one["status"] for one in (await bot.get(f"/api/v1{here}")).items]
    assert statuses == ["processed"] * 5
    pulls = await bot.get("/api/v1/experiments/checkout/pull-requests")
    assert len(pulls.items) == 5
    page = await developer.post(f"{here}/replay")
    assert "Nothing to replay" in page.words


async def test_forms_of_other_pages_are_refused(bot: Bot) -> None:
    integration = await bot.integration()
    with failing(FAULT):
        guid = await sent(bot, integration, "pull_request", pull_request())
    developer = await Browser.sign_in(bot, "developer")
    here = f"/integrations/{integration}/deliveries"
    for path in (f"{here}/replay", f"{here}/{guid}/replay"):
        assert (await developer.post(path, {"csrf": "x" * 32})).status == 403
    (delivery,) = (await bot.get(f"/api/v1{here}")).items
    assert (delivery["status"], delivery["attempts"]) == ("retrying", 1)
