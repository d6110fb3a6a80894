"""One odd field spoils nothing else: it is left out or replaced, and the rest counts."""

import html
import json
import re
import uuid
from typing import Any
from urllib.parse import quote

import pytest

from bot import times
from bot.demo import payloads
from tests.kit.browsing import Browser
from tests.kit.running import SECRET, Answer, Bot

REPO = payloads.repository("acme/shop")
PROCESSED = {"processed": True}
NUL, LOW, HIGH, INSTEAD = "\0", "\udc00", "\ud800", "\ufffd"

one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def at(minute: int) -> str:
    return f"2026-03-02T10:{minute:02}:00Z"


def pull(minute: int = 0, number: int = 7, **values: Any) -> payloads.Payload:
    values = {"repo": REPO, "body": "experiment_key: a", "action": "edited", **values}
    return payloads.pull_request(values.pop("action"), number, at(minute), **values)


def issue(minute: int = 0, number: int = 3, **values: Any) -> payloads.Payload:
    values = {"repo": REPO, "body": "experiment_key: a", "action": "edited", **values}
    return payloads.issue(values.pop("action"), number, at(minute), **values)


def push(*messages: str, **values: Any) -> payloads.Payload:
    return payloads.push("main", [f"{one}\n\nExperiment-Key: a" for one in messages], repo=REPO)


async def send(bot: Bot, integration: str, event: str, body: bytes, **headers: str) -> Answer:
    signed = payloads.headers(event, body, SECRET)
    return await bot.send(integration, body, {**signed, **headers})


async def tell(bot: Bot, integration: str, event: str, payload: Any, odd: str = "") -> None:
    """Deliver; `odd` stands in the JSON as an escape for each `ODD` in the payload."""
    text = json.dumps(payload).replace("ODD", json.dumps(odd)[1:-1])
    answer = await send(bot, integration, event, text.encode())
    assert (answer.status, answer.body) == (200, PROCESSED)


async def linked(bot: Bot, kind: str) -> list[dict[str, Any]]:
    return await bot.walk(f"/api/v1/experiments/a/{kind}")


async def only(bot: Bot, kind: str) -> dict[str, Any]:
    (one,) = await linked(bot, kind)
    return one


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("a")
    return await bot.integration()


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
    assert (await send(bot, integration, "pull_request", body)).body == PROCESSED
    assert (await only(bot, "pull-requests"))["title"] == "Try \ufffd\ufffd now"


@pytest.mark.parametrize("is_form", [False, True])
async def test_a_byte_order_mark(bot: Bot, integration: str, is_form: bool) -> None:
    body = b"\xef\xbb\xbf" + payloads.encode(pull())
    kind = "application/json"
    if is_form:
        body, kind = f"payload={quote(body)}".encode(), "application/x-www-form-urlencoded"
    answer = await send(bot, integration, "pull_request", body, **{"Content-Type": kind})
    assert answer.body == PROCESSED
    assert (await only(bot, "pull-requests"))["number"] == 7


async def test_a_name_that_stands_twice(bot: Bot, integration: str) -> None:
    """The last one counts, as for GitHub's own readers."""
    body = payloads.encode(pull())[:-1] + b', "action": 1, "action": "edited", "a": 1, "a": 2}'
    assert (await send(bot, integration, "pull_request", body)).body == PROCESSED
    path = f"/api/v1/integrations/{integration}/deliveries"
    (delivery,) = await bot.walk(path)
    kept = (await bot.get(f"{path}/{delivery['id']}")).body["payload"]
    assert (delivery["action"], kept["a"]) == ("edited", 2)


async def test_what_is_nested_too_deep_or_too_long_a_number(bot: Bot, integration: str) -> None:
    """It is left out."""
    deep, long = b"[" * 10_000 + b"]" * 10_000, b"9" * 10_000
    body = payloads.encode(pull())[:-1] + b', "deep": ' + deep + b', "long": ' + long + b"}"
    assert (await send(bot, integration, "pull_request", body)).body == PROCESSED
    assert (await only(bot, "pull-requests"))["number"] == 7


# --- Times

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


@pytest.mark.parametrize("time", NO_TIMES, ids=str)
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
    pushed["repository"] = {**REPO, "pushed_at": times.parse(at(5)) // times.SECOND}
    pushed["commits"][0]["timestamp"] = time
    await tell(bot, integration, "push", pushed)
    assert (await only(bot, "pull-requests"))["state"] == "open"
    assert (await only(bot, "issues"))["title"] == "Something to track"
    commits = {one["message"][:3]: one["committed_at"] for one in await linked(bot, "commits")}
    assert commits == {"One": at(5), "Two": at(0)}


@pytest.mark.parametrize("time", [FOREVER, "2126-01-01T00:00:00+14:00", 253_402_300_799], ids=str)
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


# --- People, labels, messages

ODD = [None, 7, "x", True, [], {}, {"name": None}, {"login": 5}]


@pytest.mark.parametrize("odd", ODD, ids=str)
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
async def test_an_odd_message(bot: Bot, integration: str, odd: Any) -> None:
    """The commits beside it count."""
    payload = push("One", "Two")
    payload["commits"][0]["message"] = odd
    await tell(bot, integration, "push", payload)
    assert (await only(bot, "commits"))["message"].startswith("Two")


@pytest.mark.parametrize(
    "odd", [None, 7, "abc", [], {}, {"id": None}, {"id": "not a sha"}, {"id": "a" * 65}], ids=str
)
async def test_an_odd_commit(bot: Bot, integration: str, odd: Any) -> None:
    payload = push("One", "Two")
    payload["commits"].insert(1, odd)
    await tell(bot, integration, "push", payload)
    assert len(await linked(bot, "commits")) == 2


@pytest.mark.parametrize("odd", [7, True, {}, [], None, "x" * 2000], ids=lambda odd: str(odd)[:9])
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
async def test_an_odd_repository(bot: Bot, integration: str, odd: Any) -> None:
    """The address of the page tells it."""
    await tell(bot, integration, "pull_request", {**pull(), "repository": odd})
    assert (await only(bot, "pull-requests"))["repository"] == "acme/shop"


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
        answer = await send(bot, integration, event, payloads.encode(payload))
        assert (answer.status, answer.body["processed"]) == (200, False)
        assert answer.body["reason"] == "nothing to take in" and field in answer.body["detail"]
        newest = (await bot.get(f"{path}/deliveries")).items[0]
        assert newest["status"] == "ignored" and field in newest["error"]
    assert (await bot.get(path)).body["last_error"] is None


# --- The delivery's id

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


@pytest.mark.parametrize("identifier", IDS)
async def test_any_printable_id(bot: Bot, integration: str, identifier: str) -> None:
    """Emulators number their deliveries as they like; each can be found, shown and replayed."""
    body = payloads.encode(pull())
    headers = {"X-GitHub-Delivery": identifier}
    assert (await send(bot, integration, "pull_request", body, **headers)).body == PROCESSED
    answer = await send(bot, integration, "pull_request", body, **headers)
    assert answer.body == {"processed": True, "duplicate": True}
    path = f"/api/v1/integrations/{integration}/deliveries"
    (listed,) = await bot.walk(path)
    assert listed["id"] == identifier
    here = f"{path}/{quote(identifier, safe='')}"
    assert (await bot.get(here)).body["id"] == identifier
    replayed = await bot.post(f"{here}/replay")
    assert (replayed.status, replayed.body["id"]) == (200, identifier)


@one_engine
@pytest.mark.parametrize("identifier", IDS)
async def test_the_page_of_any_printable_id(bot: Bot, integration: str, identifier: str) -> None:
    body = payloads.encode(pull())
    await send(bot, integration, "pull_request", body, **{"X-GitHub-Delivery": identifier})
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
        answer = await send(bot, integration, "ping", body, **{"X-GitHub-Delivery": identifier})
        assert answer.body.get("duplicate", False) == duplicate


async def test_numbers_of_two_senders(bot: Bot, integration: str) -> None:
    """A number is its sender's own: another's delivery of that number is another delivery."""
    other = await bot.integration()
    headers = {"X-GitHub-Delivery": "1"}
    await send(bot, integration, "pull_request", payloads.encode(pull(0, title="One")), **headers)
    await send(bot, other, "pull_request", payloads.encode(pull(1, title="Two")), **headers)
    assert (await only(bot, "pull-requests"))["title"] == "Two"
