"""One odd field spoils nothing else: it is left out or replaced, and the rest counts."""

import html
import re
import uuid
from typing import Any
from urllib.parse import quote

import pytest

from bot.demo import payloads
from tests.deliveries.odd import ODD, issue, linked, only, pull, push, tell
from tests.kit.browsing import Browser
from tests.kit.deliveries import PROCESSED, REPO
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

# --- People, labels, messages


@pytest.mark.parametrize("odd", ODD, ids=str)
@sqlite_only
async def test_an_odd_author(bot: Bot, integration: str, odd: Any) -> None:
    """Nobody is named, or who was known before."""
    one, two, three = pull(), issue(), push("One", "Two")
    one["pull_request"]["user"] = two["issue"]["user"] = odd
    for payload in (one, two, three):
        payload["sender"] = odd
    three["commits"][0]["author"] = three["pusher"] = odd
    await tell(bot, integration, "pull_request", one)
    await tell(bot, integration, "issues", two)
    await tell(bot, integration, "push", three)
    assert (await only(bot, "pull-requests"))["author"] is None
    authors = {one["message"][:3]: one["author"] for one in await linked(bot, "commits")}
    assert authors == {"One": None, "Two": "mona"}
    await tell(bot, integration, "pull_request", pull(1))
    assert (await only(bot, "pull-requests"))["author"] == "mona"


@pytest.mark.parametrize("odd", ODD, ids=str)
@sqlite_only
async def test_an_odd_label(bot: Bot, integration: str, odd: Any) -> None:
    """The labels beside it count."""
    payload = issue(labels=("bug", "checkout"))
    payload["issue"]["labels"].insert(1, odd)
    payload["label"] = odd
    await tell(bot, integration, "issues", payload)
    assert (await only(bot, "issues"))["labels"] == ["bug", "checkout"]
    payload = issue(1, labels=("bug",))
    payload["issue"]["labels"] = odd if not isinstance(odd, list) else "none"
    await tell(bot, integration, "issues", payload)
    assert (await only(bot, "issues"))["labels"] == ["bug", "checkout"]


@pytest.mark.parametrize("odd", [None, 7, True, [], {}], ids=str)
@sqlite_only
async def test_an_odd_message(bot: Bot, integration: str, odd: Any) -> None:
    """The commits beside it count."""
    payload = push("One", "Two")
    payload["commits"][0]["message"] = odd
    await tell(bot, integration, "push", payload)
    assert (await only(bot, "commits"))["message"].startswith("Two")


@pytest.mark.parametrize(
    "odd", [None, 7, "abc", [], {}, {"id": None}, {"id": "not a sha"}, {"id": "a" * 65}], ids=str
)
@sqlite_only
async def test_an_odd_commit(bot: Bot, integration: str, odd: Any) -> None:
    payload = push("One", "Two")
    payload["commits"].insert(1, odd)
    await tell(bot, integration, "push", payload)
    assert len(await linked(bot, "commits")) == 2


@pytest.mark.parametrize("odd", [7, True, {}, [], None, "x" * 2000], ids=lambda odd: str(odd)[:9])
@sqlite_only
async def test_odd_facts(bot: Bot, integration: str, odd: Any) -> None:
    """What was known before stands."""
    await tell(bot, integration, "pull_request", pull(draft=True))
    before = await only(bot, "pull-requests")
    payload = pull(1)
    subject = payload["pull_request"]
    for name in ("state", "draft", "merged", "user"):
        subject[name] = odd if odd != [] else {}
    if not isinstance(odd, str):
        subject["title"] = subject["html_url"] = odd
    subject["head"].update(ref=odd, sha=odd)
    subject["base"] = odd
    payload["action"] = "labeled"
    await tell(bot, integration, "pull_request", payload)
    after = await only(bot, "pull-requests")
    if odd is True:  # a draft is one
        before["draft"] = after["draft"] = True
    assert {**after, "linked_at": None} == {**before, "linked_at": None}


@sqlite_only
async def test_an_odd_head(bot: Bot, integration: str) -> None:
    """Where the head cannot be read it is nobody's branch, least of all one of ours."""
    payload = pull(branch="main")
    payload["pull_request"]["head"]["repo"] = "jane/shop"
    await tell(bot, integration, "pull_request", payload)
    await tell(bot, integration, "push", payloads.push("main", ["One"], repo=REPO))
    assert await linked(bot, "commits") == []


@pytest.mark.parametrize("odd", [None, "7", 0, -7, 7.5, True, 2**31, [], {}], ids=str)
async def test_an_odd_number(bot: Bot, integration: str, odd: Any) -> None:
    """The address of the page tells the number."""
    one, two = pull(), issue()
    one["number"] = one["pull_request"]["number"] = two["issue"]["number"] = odd
    await tell(bot, integration, "pull_request", one)
    await tell(bot, integration, "issues", two)
    assert (await only(bot, "pull-requests"))["number"] == 7
    assert (await only(bot, "issues"))["number"] == 3


@pytest.mark.parametrize(
    "odd", [None, "x", 5, [], {}, {"full_name": 5}, {"full_name": "acme"}], ids=str
)
@sqlite_only
async def test_an_odd_repository(bot: Bot, integration: str, odd: Any) -> None:
    """The address of the page tells it."""
    await tell(bot, integration, "pull_request", {**pull(), "repository": odd})
    assert (await only(bot, "pull-requests"))["repository"] == "acme/shop"


@sqlite_only
async def test_what_lacks_its_subject_names_the_field(bot: Bot, integration: str) -> None:
    """It is no 400, which is for what is no JSON object; the list tells it too."""
    path = f"/api/v1/integrations/{integration}"
    for event, payload, field in (
        ("pull_request", {"action": "opened", "number": 7}, "`pull_request`"),
        ("issues", {"issue": {"title": "T"}, "repository": REPO}, "`issue.number`"),
        ("push", {"repository": REPO, "ref": 5}, "`ref`"),
        (
            "push",
            {"repository": {"full_name": None}, "ref": "refs/heads/a"},
            "`repository.full_name`",
        ),
        ("installation", {"installation": {"id": "5"}}, "`installation.id`"),
    ):
        answer = await bot.signed(integration, event, payloads.encode(payload))
        assert (answer.status, answer.body["processed"]) == (200, False)
        assert answer.body["reason"] == "nothing to take in" and field in answer.body["detail"]
        newest = (await bot.get(f"{path}/deliveries")).items[0]
        assert newest["status"] == "ignored" and field in newest["error"]
    assert (await bot.get(path)).body["last_error"] is None


IDS = [
    "1",
    "12345",
    "Run-7",
    "a/b/c",
    "50%",
    "%2F%41",
    "what?#now",
    "with a space",
    "{curly}",
    "a+b&c=d;e,f",
    "<b>\"'\\`~^|",
    "replay",
    "x" * 128,
    "command:7",
]


# --- The delivery's id


@pytest.mark.parametrize("identifier", IDS)
async def test_any_printable_id(bot: Bot, integration: str, identifier: str) -> None:
    """Emulators number their deliveries as they like; each can be found, shown and replayed."""
    body = payloads.encode(pull())
    headers = {"X-GitHub-Delivery": identifier}
    assert (await bot.signed(integration, "pull_request", body, **headers)).body == PROCESSED
    answer = await bot.signed(integration, "pull_request", body, **headers)
    assert answer.body == {"processed": True, "duplicate": True}
    path = f"/api/v1/integrations/{integration}/deliveries"
    (listed,) = await bot.walk(path)
    assert listed["id"] == identifier
    here = f"{path}/{quote(identifier, safe='')}"
    assert (await bot.get(here)).body["id"] == identifier
    replayed = await bot.post(f"{here}/replay")
    assert (replayed.status, replayed.body["id"]) == (200, identifier)


@sqlite_only
@pytest.mark.parametrize("identifier", IDS)
async def test_the_page_of_any_printable_id(bot: Bot, integration: str, identifier: str) -> None:
    body = payloads.encode(pull())
    await bot.signed(integration, "pull_request", body, **{"X-GitHub-Delivery": identifier})
    admin = await Browser.sign_in(bot)
    page = await admin.get(f"/integrations/{integration}/deliveries")
    (link,) = re.findall(r'href="([^"]*/deliveries/[^"?]+)"', page.text)
    page = await admin.get(html.unescape(link))
    assert (page.status, identifier in page.words) == (200, True)
    (form,) = re.findall(r'action="([^"]*/deliveries/[^"]+/replay)"', page.text)
    page = await admin.post(html.unescape(form))
    assert (page.status, "If it had taken effect before" in page.words) == (200, True)


async def test_ids_differ_by_case_unless_they_are_guids(bot: Bot, integration: str) -> None:
    guid = str(uuid.uuid4())
    body = payloads.encode({"zen": "Half measures are as bad as nothing at all."})
    for identifier, duplicate in ((guid, False), (guid.upper(), True), ("a", False), ("A", False)):
        answer = await bot.signed(integration, "ping", body, **{"X-GitHub-Delivery": identifier})
        assert answer.body.get("duplicate", False) == duplicate


async def test_numbers_of_two_senders(bot: Bot, integration: str) -> None:
    """A number is its sender's own: another's delivery of that number is another delivery."""
    other = await bot.integration()
    headers = {"X-GitHub-Delivery": "1"}
    await bot.signed(integration, "pull_request", payloads.encode(pull(0, title="One")), **headers)
    await bot.signed(other, "pull_request", payloads.encode(pull(1, title="Two")), **headers)
    assert (await only(bot, "pull-requests"))["title"] == "Two"
