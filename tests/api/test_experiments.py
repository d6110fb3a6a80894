"""Experiments: created, replaced, changed, deleted, listed; and who may do what."""

import uuid
from typing import Any

import pytest

from bot import storage as store
from bot import times
from bot.demo import payloads
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

PAGE = "/api/v1/experiments"
FULL = {
    "key": "checkout-flow-v2",
    "name": "Checkout flow",
    "status": "active",
    "hypothesis": "Fewer steps sell more",
    "description": "All of\nit",
    "owner": "mona",
    "url": "https://experiments.example/checkout?tab=1",
    "tags": ["checkout", "q1"],
    "aliases": ["checkoutFlowV2"],
    "repositories": ["acme/shop"],
}
DEFAULTS: dict[str, Any] = {
    "status": "draft",
    "hypothesis": None,
    "description": None,
    "owner": None,
    "url": None,
    "tags": [],
    "aliases": [],
    "repositories": None,
}
NO_LINKS = {"pull_requests": 0, "issues": 0, "commits": 0, "code": 0}


async def token_of(bot: Bot, role: str) -> str:
    """A new API token of a role."""
    secret = store.new_token()
    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, str(uuid.uuid4()), f"a {role}", role, store.hash_token(secret), times.now()
        )
    )
    return secret


def values_of(experiment: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in experiment.items()
        if name not in ("created_at", "updated_at", "counts", "live", "warnings")
    }


async def feed(bot: Bot, key: str) -> list[dict[str, Any]]:
    return (await bot.get(f"{PAGE}/{key}/activity")).items


async def test_an_experiment_is_what_was_sent(bot: Bot) -> None:
    """Every field comes back, in the answer and from its address."""
    created = await bot.post(PAGE, FULL)
    assert created.status == 201
    assert values_of(created.body) == FULL
    assert created.body["counts"] == NO_LINKS
    assert created.body["created_at"] == created.body["updated_at"]
    assert (await bot.get(f"{PAGE}/checkout-flow-v2")).body == created.body
    assert (await bot.get(PAGE)).items == [created.body]
    (item,) = await feed(bot, "checkout-flow-v2")
    assert item["type"] == "experiment.created"
    assert (item["actor"], item["html_url"]) == ("admin", FULL["url"])
    assert (item["repository"], item["delivery_id"]) == (None, None)


async def test_all_but_key_and_name_have_defaults(bot: Bot) -> None:
    """A draft with nothing else."""
    created = await bot.post(PAGE, {"key": "a", "name": "A"})
    assert values_of(created.body) == {"key": "a", "name": "A", **DEFAULTS}


async def test_a_key_is_taken_once(bot: Bot) -> None:
    """409 for the same key, keys differ by case."""
    await bot.post(PAGE, FULL)
    again = await bot.post(PAGE, {"key": FULL["key"], "name": "Other"})
    assert (again.status, again.body["error"]) == (409, "experiment exists")
    assert (await bot.get(f"{PAGE}/{FULL['key']}")).body["name"] == "Checkout flow"
    assert (await bot.post(PAGE, {"key": "Checkout-flow-v2", "name": "Other"})).status == 201


async def test_put_creates_and_replaces(bot: Bot) -> None:
    """201, then 200; what is left out gets its default again."""
    values = {name: value for name, value in FULL.items() if name != "key"}
    created = await bot.put(f"{PAGE}/a", values)
    assert (created.status, values_of(created.body)) == (201, {**FULL, "key": "a"})
    replaced = await bot.put(f"{PAGE}/a", {"name": "Bare"})
    assert replaced.status == 200
    assert values_of(replaced.body) == {"key": "a", "name": "Bare", **DEFAULTS}
    assert replaced.body["created_at"] == created.body["created_at"]
    again = await bot.put(f"{PAGE}/a", {"name": "Bare"})
    assert again.body == replaced.body
    assert [item["type"] for item in await feed(bot, "a")] == [
        "experiment.status_changed",
        "experiment.created",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "New"},
        {"status": "completed"},
        {"hypothesis": None},
        {"description": "Other", "owner": None},
        {"url": None, "tags": []},
        {},
    ],
)
async def test_patch_changes_what_is_sent(bot: Bot, change: dict[str, Any]) -> None:
    """And keeps the rest."""
    created = (await bot.post(PAGE, FULL)).body
    changed = await bot.patch(f"{PAGE}/{FULL['key']}", change)
    assert (changed.status, values_of(changed.body)) == (200, {**FULL, **change})
    assert changed.body["created_at"] == created["created_at"]
    assert (await bot.get(f"{PAGE}/{FULL['key']}")).body == changed.body


async def test_a_change_of_status_is_told_of(bot: Bot) -> None:
    """With both names, by whom, and only if it is a change."""
    await bot.post(PAGE, {"key": "a", "name": "Checkout"})
    developer = await token_of(bot, "developer")
    for status in ("active", "active", "paused"):
        await bot.patch(f"{PAGE}/a", {"status": status}, token=developer)
    newest, older, created = await feed(bot, "a")
    assert newest["type"] == older["type"] == "experiment.status_changed"
    assert newest["summary"] == "Status of Checkout: active → paused"
    assert older["summary"] == "Status of Checkout: draft → active"
    assert (newest["actor"], created["actor"]) == ("a developer", "admin")


async def test_deleting_an_experiment(bot: Bot) -> None:
    """204 once, then 404; created anew it has its links and its past again."""
    integration = await bot.integration()
    payload = payloads.pull_request(
        "opened",
        7,
        "2026-03-02T10:00:00Z",
        repo=payloads.repository("acme/shop"),
        body="experiment_key: a",
    )
    await bot.deliver(integration, "pull_request", payload)
    await bot.experiment("a")
    deleted = await bot.delete(f"{PAGE}/a")
    assert (deleted.status, deleted.body) == (204, "")
    for answer in (
        await bot.get(f"{PAGE}/a"),
        await bot.get(f"{PAGE}/a/activity"),
        await bot.get(f"{PAGE}/a/issues"),
        await bot.patch(f"{PAGE}/a", {"name": "New"}),
        await bot.delete(f"{PAGE}/a"),
    ):
        assert (answer.status, answer.body["error"]) == (404, "not found")
    assert (await bot.get(PAGE)).items == []
    await bot.experiment("a")
    assert (await bot.get(f"{PAGE}/a")).body["counts"] == {**NO_LINKS, "pull_requests": 1}
    assert "pull_request.linked" in [item["type"] for item in await feed(bot, "a")]


REFUSED = [
    ({"key": None}, "key"),
    ({"key": ""}, "key"),
    ({"key": "-a"}, "key"),
    ({"key": "a b"}, "key"),
    ({"key": "a/b"}, "key"),
    ({"key": "a\n"}, "key"),
    ({"key": "ä"}, "key"),
    ({"key": "a" * 129}, "key"),
    ({"key": 1}, "key"),
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"status": "running"}, "status"),
    ({"status": None}, "status"),
    ({"url": "javascript:alert(1)"}, "url"),
    ({"url": "ftp://example.com/"}, "url"),
    ({"url": "https://example.com/a b"}, "url"),
    ({"url": "https://example.com/\n"}, "url"),
    ({"tags": None}, "tags"),
    ({"tags": "a"}, "tags"),
    ({"tags": [""]}, "tags"),
    ({"tags": ["a", 1]}, "tags"),
    ({"tags": ["x"] * 51}, "tags"),
    ({"aliases": ["no word"]}, "aliases"),
    ({"aliases": ["x"] * 21}, "aliases"),
    ({"owner": "x" * 201}, "owner"),
    ({"hypothesis": "x" * 20_001}, "hypothesis"),
    ({"nmae": "typo"}, "nmae"),
    ({"created_at": "2026-03-02T10:00:00Z"}, "created_at"),
    ({"counts": {}}, "counts"),
    ({"live": []}, "live"),
]


@sqlite_only
@pytest.mark.parametrize("change, field", REFUSED)
async def test_what_cannot_be_is_refused(bot: Bot, change: dict[str, Any], field: str) -> None:
    """A 422 that names the field, whatever the method; nothing is stored."""
    answer = await bot.post(PAGE, {**FULL, **change})
    assert answer.status == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    (error,) = answer.body["errors"]
    assert error["field"].partition("[")[0] == field and error["message"]
    assert (await bot.get(PAGE)).items == []
    await bot.post(PAGE, FULL)
    if "key" not in change:
        values = {name: value for name, value in {**FULL, **change}.items() if name != "key"}
        assert (await bot.patch(f"{PAGE}/{FULL['key']}", change)).status == 422
        assert (await bot.put(f"{PAGE}/{FULL['key']}", values)).status == 422
    assert values_of((await bot.get(f"{PAGE}/{FULL['key']}")).body) == FULL


@sqlite_only
@pytest.mark.parametrize("missing", ["key", "name"])
async def test_what_is_needed_is_named(bot: Bot, missing: str) -> None:
    """The errors name the field that is missing."""
    answer = await bot.post(PAGE, {name: FULL[name] for name in ("key", "name") if name != missing})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, missing)


@sqlite_only
@pytest.mark.parametrize(
    "data, content_type, status",
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"key": "a", "key": "b", "name": "A"}', "application/json", 400),
        (b'{"key": "a", "name": "A\\u0000"}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"key": "a", "name": "A"}', "text/plain", 415),
        (b"key=a&name=A", "application/x-www-form-urlencoded", 415),
        (b'{"key": "a", "name": "' + b"x" * 2**20 + b'"}', "application/json", 413),
    ],
)
async def test_bodies_that_are_none(bot: Bot, data: bytes, content_type: str, status: int) -> None:
    """Each has the status that says what is wrong with it."""
    answer = await bot.request("POST", PAGE, data=data, headers={"Content-Type": content_type})
    assert (answer.status, answer.body["status"]) == (status, status)


@sqlite_only
@pytest.mark.parametrize("key", ["a" * 128, "A.b_c-1", "0"])
async def test_keys_at_the_edge(bot: Bot, key: str) -> None:
    """What is a key in a body is one in an address."""
    assert (await bot.post(PAGE, {"key": key, "name": "A"})).status == 201
    assert (await bot.get(f"{PAGE}/{key}")).body["key"] == key


async def test_counts(bot: Bot) -> None:
    """What is linked, by kind, in the one and in the list."""
    integration = await bot.integration()
    await bot.experiment("a")
    repo = payloads.repository("acme/shop")
    at, body = "2026-03-02T10:00:00Z", "experiment_key: a"
    for number in (1, 2, 3):
        payload = payloads.pull_request("opened", number, at, repo=repo, body=body)
        await bot.deliver(integration, "pull_request", payload)
    for number in (4, 5):
        payload = payloads.issue("opened", number, at, repo=repo, body=body)
        await bot.deliver(integration, "issues", payload)
    push = payloads.push("other", ["One\n\nExperiment-Key: a"], repo=repo)
    await bot.deliver(integration, "push", push)
    expected = {"pull_requests": 3, "issues": 2, "commits": 1, "code": 0}
    assert (await bot.get(f"{PAGE}/a")).body["counts"] == expected
    assert (await bot.get(PAGE)).items[0]["counts"] == expected


LISTED = [
    {"key": "checkout", "name": "100% off", "owner": "Mona", "status": "active"},
    {"key": "search_v2", "name": "Search", "owner": "hubot", "status": "active"},
    {"key": "searchXv2", "name": "Other! search", "status": "paused"},
    {"key": "zoo", "name": "ÄRGER im Zoo", "owner": "jörg"},
]


@pytest.mark.parametrize(
    "query, keys",
    [
        ("", ["zoo", "searchXv2", "search_v2", "checkout"]),
        ("status=active", ["search_v2", "checkout"]),
        ("status=completed", []),
        ("q=CHECK", ["checkout"]),
        ("q=search", ["searchXv2", "search_v2"]),
        ("q=search_v2", ["search_v2"]),
        ("q=%25", ["checkout"]),
        ("q=100%25%20off", ["checkout"]),
        ("q=!", ["searchXv2"]),
        ("q=mona", ["checkout"]),
        ("q=search&status=paused", ["searchXv2"]),
        ("q=%C3%84RGER", ["zoo"]),
        ("q=%C3%A4rger", ["zoo"]),
        ("q=J%C3%96RG", ["zoo"]),
        ("q=null", []),
        ("q=nothing", []),
        ("q=", ["zoo", "searchXv2", "search_v2", "checkout"]),
        ("q='", []),
    ],
)
async def test_filters_of_the_list(bot: Bot, query: str, keys: list[str]) -> None:
    """`status` is exact, `q` a part of key, name or owner without regard to case."""
    for experiment in LISTED:
        await bot.post(PAGE, experiment)
    assert [item["key"] for item in (await bot.get(f"{PAGE}?{query}")).items] == keys


@sqlite_only
@pytest.mark.parametrize("query", ["status=running", "status=", "status=null", "q=" + "x" * 201])
async def test_filters_that_cannot_be(bot: Bot, query: str) -> None:
    """A 422 that names the parameter, not a list that ignores it."""
    answer = await bot.get(f"{PAGE}?{query}")
    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == query.partition("=")[0]


CALLS = [
    ("GET", PAGE, None, "viewer"),
    ("GET", f"{PAGE}/a", None, "viewer"),
    ("GET", f"{PAGE}/a/pull-requests", None, "viewer"),
    ("GET", f"{PAGE}/a/issues", None, "viewer"),
    ("GET", f"{PAGE}/a/commits", None, "viewer"),
    ("GET", f"{PAGE}/a/activity", None, "viewer"),
    ("GET", "/api/v1/links/unresolved", None, "viewer"),
    ("POST", PAGE, {"key": "b", "name": "B"}, "developer"),
    ("PUT", f"{PAGE}/a", {"name": "B"}, "developer"),
    ("PATCH", f"{PAGE}/a", {"name": "B"}, "developer"),
    ("DELETE", f"{PAGE}/a", None, "admin"),
]
ROLES = ("viewer", "developer", "admin")


@sqlite_only
@pytest.mark.parametrize("method, path, body, role", CALLS)
async def test_roles(bot: Bot, method: str, path: str, body: Any, role: str) -> None:
    """A role too low is a 403, no token or a wrong one a 401, and neither changes anything."""
    await bot.experiment("a")
    before = (await bot.get(f"{PAGE}/a")).body
    for wrong in (None, "", "wrong", "an-admin-token-of-the-test"):
        refused = await bot.request(method, path, token=wrong, json=body)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    for lower in ROLES[: ROLES.index(role)]:
        refused = await bot.request(method, path, token=await token_of(bot, lower), json=body)
        assert (refused.status, refused.body["error"]) == (403, "forbidden")
    assert (await bot.get(f"{PAGE}/a")).body == before
    assert len((await bot.get(PAGE)).items) == 1
    allowed = await bot.request(method, path, token=await token_of(bot, role), json=body)
    assert allowed.status in (200, 201, 204)
