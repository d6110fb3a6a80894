"""What is no character, no text, no time: it is taken as far as it makes sense."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from bot import times
from bot.demo import payloads
from tests.deliveries.odd import issue, linked, only, pull, push, tell
from tests.kit.deliveries import PROCESSED, REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

NUL, LOW, HIGH, INSTEAD = "\0", "\udc00", "\ud800", "\ufffd"


# --- What is no character


@pytest.mark.parametrize("odd", [NUL, LOW, HIGH, f"{HIGH}{HIGH}", f"{LOW}{HIGH}"], ids=ascii)
async def test_what_is_no_character(bot: Bot, integration: str, odd: str) -> None:
    """U+0000 and halves of characters become U+FFFD, in whatever is kept of them."""
    text, shown = "Try ODD \U0001f680 \\u0000", f"Try {INSTEAD * len(odd)} \U0001f680 \\u0000"
    body = "ODD\nexperiment_key: a\n"
    await tell(bot, integration, "pull_request", pull(title=text, body=body, branch="bODD"), odd)
    await tell(bot, integration, "issues", issue(title=text, body=body, labels=("lODD",)), odd)
    payload = push(text)
    payload["commits"][0]["author"] = {"name": "MonaODD"}
    payload["nameODD"] = "ODD"
    await tell(bot, integration, "push", payload, odd)

    instead = INSTEAD * len(odd)
    found = await only(bot, "pull-requests")
    assert (found["title"], found["head_ref"]) == (shown, f"b{instead}")
    found = await only(bot, "issues")
    assert (found["title"], found["labels"]) == (shown, [f"l{instead}"])
    found = await only(bot, "commits")
    assert found["message"].startswith(f"{shown}\n") and found["author"] == f"Mona{instead}"
    path = f"/api/v1/integrations/{integration}/deliveries"
    for delivery in await bot.walk(path):
        kept = (await bot.get(f"{path}/{delivery['id']}")).body["payload"]
        assert odd not in str(kept) and instead in str(kept)
        replayed = (await bot.post(f"{path}/{delivery['id']}/replay")).body
        assert replayed["status"] == "processed"


async def test_bytes_that_are_no_text(bot: Bot, integration: str) -> None:
    """What is not UTF-8, in a body that is JSON otherwise, becomes U+FFFD."""
    body = payloads.encode(pull(title="Try ?? now")).replace(b"??", b"\xff\xfe")
    assert (await bot.signed(integration, "pull_request", body)).body == PROCESSED
    assert (await only(bot, "pull-requests"))["title"] == "Try \ufffd\ufffd now"


@pytest.mark.parametrize("is_form", [False, True])
@sqlite_only
async def test_a_byte_order_mark(bot: Bot, integration: str, is_form: bool) -> None:
    body = b"\xef\xbb\xbf" + payloads.encode(pull())
    kind = "application/json"
    if is_form:
        body, kind = f"payload={quote(body)}".encode(), "application/x-www-form-urlencoded"
    answer = await bot.signed(integration, "pull_request", body, **{"Content-Type": kind})
    assert answer.body == PROCESSED
    assert (await only(bot, "pull-requests"))["number"] == 7


@sqlite_only
async def test_a_name_that_stands_twice(bot: Bot, integration: str) -> None:
    """The last one counts, as for GitHub's own readers."""
    body = payloads.encode(pull())[:-1] + b', "action": 1, "action": "edited", "a": 1, "a": 2}'
    assert (await bot.signed(integration, "pull_request", body)).body == PROCESSED
    path = f"/api/v1/integrations/{integration}/deliveries"
    (delivery,) = await bot.walk(path)
    kept = (await bot.get(f"{path}/{delivery['id']}")).body["payload"]
    assert (delivery["action"], kept["a"]) == ("edited", 2)


async def test_what_is_nested_too_deep_or_too_long_a_number(bot: Bot, integration: str) -> None:
    """It is left out."""
    deep, long = b"[" * 10_000 + b"]" * 10_000, b"9" * 10_000
    body = payloads.encode(pull())[:-1] + b', "deep": ' + deep + b', "long": ' + long + b"}"
    assert (await bot.signed(integration, "pull_request", body)).body == PROCESSED
    assert (await only(bot, "pull-requests"))["number"] == 7


FOREVER = "9999-12-31T23:59:59Z"
NO_TIMES = [
    "0000-00-00T00:00:00Z",
    "yesterday",
    "",
    "99999-01-01T00:00:00Z",
    "2026-13-45T99:99:99Z",
    "1772445600",
    -1,
    1.5e300,
    1772445600.5,
    10**40,
    True,
    {},
    [None],
]


# --- Times


@pytest.mark.parametrize("time", NO_TIMES, ids=str)
@sqlite_only
async def test_what_is_no_time(bot: Bot, integration: str, time: Any) -> None:
    """It is left out, or the time of what is known stands for it."""
    names = ("created_at", "updated_at", "closed_at", "merged_at")
    for event, payload, subject in (
        ("pull_request", pull(), "pull_request"),
        ("issues", issue(), "issue"),
    ):
        payload[subject].update(dict.fromkeys(names, time))
        payload["repository"] = {**REPO, "updated_at": time, "pushed_at": time}
        await tell(bot, integration, event, payload)
    pushed = push("One", "Two")
    pushed["repository"] = {**REPO, "pushed_at": int(datetime.fromisoformat(at(5)).timestamp())}
    pushed["commits"][0]["timestamp"] = time
    await tell(bot, integration, "push", pushed)
    assert (await only(bot, "pull-requests"))["state"] == "open"
    assert (await only(bot, "issues"))["title"] == "Something to track"
    commits = {one["message"][:3]: one["committed_at"] for one in await linked(bot, "commits")}
    assert commits == {"One": at(5), "Two": at(0)}


@pytest.mark.parametrize("time", [FOREVER, "2126-01-01T00:00:00+14:00", 253_402_300_799], ids=str)
@sqlite_only
async def test_a_time_from_the_future(bot: Bot, integration: str, time: Any) -> None:
    """It counts as the time of arrival: what comes later is news all the same."""
    before = times.render(times.now())
    forged, plain = pull(title="Old", state="closed", merged=True), pull(title="New")
    forged["pull_request"].update(created_at=time, updated_at=time, closed_at=time, merged_at=time)
    forged["repository"] = {**REPO, "updated_at": time}
    await tell(bot, integration, "pull_request", forged)
    found = await only(bot, "pull-requests")
    now = times.render(times.now() + times.SECOND)
    for name in ("created_at", "closed_at", "merged_at"):
        assert before <= found[name] <= now, name

    plain["pull_request"]["updated_at"] = now
    await tell(bot, integration, "pull_request", plain)
    assert (await only(bot, "pull-requests"))["title"] == "New"

    pushed = push("One")
    pushed["repository"] = {**REPO, "pushed_at": time}
    pushed["commits"][0]["timestamp"] = time
    await tell(bot, integration, "push", pushed)
    assert (await only(bot, "commits"))["committed_at"] <= now
    for item in await linked(bot, "activity"):
        assert item["occurred_at"] <= now, item["type"]

    stored = payloads.repository("acme/store", REPO["id"], updated_at=now)
    told = payloads.repository_event("renamed", stored, {"repository": {"name": {"from": "shop"}}})
    await tell(bot, integration, "repository", told)
    assert (await only(bot, "pull-requests"))["repository"] == "acme/store"


async def test_an_installation_from_the_future(bot: Bot, integration: str) -> None:
    """It can be suspended, taken up again and removed."""
    for action in ("created", "suspend"):
        told = {"id": 5, "account": {"login": "acme"}, "updated_at": FOREVER}
        told["suspended_at"] = FOREVER if action == "suspend" else None
        await tell(bot, integration, "installation", {"action": action, "installation": told})
    now = times.render(times.now() + times.SECOND)
    path = f"/api/v1/integrations/{integration}"
    (shown,) = (await bot.get(path)).body["installations"]
    assert shown["suspended_at"] <= now
    told = {"id": 5, "account": {"login": "acme"}, "updated_at": now, "suspended_at": None}
    await tell(bot, integration, "installation", {"action": "unsuspend", "installation": told})
    (shown,) = (await bot.get(path)).body["installations"]
    assert shown["suspended_at"] is None


async def test_clocks_may_differ_a_little(bot: Bot, integration: str) -> None:
    soon = times.render((times.now() // times.SECOND + 240) * times.SECOND)
    payload = pull()
    payload["pull_request"].update(created_at=soon)
    await tell(bot, integration, "pull_request", payload)
    assert (await only(bot, "pull-requests"))["created_at"] == soon
