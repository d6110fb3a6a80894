"""If-Match and If-None-Match: a change of what one has not seen is refused."""

import asyncio
import re
from typing import Any

import pytest
from multidict import CIMultiDict

from bot.demo import payloads
from tests.dashboard.two_people import FIELDS, ONE, stored
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Answer, Bot


@pytest.fixture
async def etag(bot: Bot, checkout: None) -> str:
    """Its ETag."""
    value = (await bot.get(ONE)).headers["ETag"]
    assert re.fullmatch(r'"[!#-~]+"', value), "a strong one"
    return str(value)


async def ask(bot: Bot, method: str, body: Any = None, **conditions: str) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in conditions.items()}
    return await bot.request(method, ONE, json=body, headers=headers)


WRITES: list[tuple[str, Any, int]] = [
    ("PATCH", {"name": "Theirs"}, 200),
    ("PUT", {"name": "Theirs"}, 200),
    ("DELETE", None, 204),
]
writes = pytest.mark.parametrize(("method", "body", "done"), WRITES, ids=[one[0] for one in WRITES])


# --- The API: If-Match


@writes
async def test_what_has_changed_since_is_not_overwritten(
    bot: Bot, etag: str, method: str, body: Any, done: int
) -> None:
    await bot.patch(ONE, {"owner": "search"})
    before = await stored(bot)
    answer = await ask(bot, method, body, If_Match=etag)
    assert (answer.status, answer.body["error"]) == (412, "precondition failed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "changed since" in answer.body["detail"]
    assert await stored(bot) == before
    now = (await bot.get(ONE)).headers["ETag"]
    assert now != etag
    assert (await ask(bot, method, body, If_Match=now)).status == done


@writes
@pytest.mark.parametrize(
    ("given", "is_met"),
    [
        ("{etag}", True),
        ("*", True),
        (' "other" , {etag}', True),
        ('{etag}, W/"other"', True),
        ('"other"', False),
        ("W/{etag}", False),  # If-Match compares strongly
        ('W/{etag}, "other"', False),
        ("other", False),
        ("", False),
        ('"', False),
        ('"*"', False),
        ('{etag}"', True),
    ],
)
@sqlite_only
async def test_what_if_match_takes(
    bot: Bot, etag: str, method: str, body: Any, done: int, given: str, is_met: bool
) -> None:
    answer = await ask(bot, method, body, If_Match=given.replace("{etag}", etag))
    assert answer.status == (done if is_met else 412), answer.body
    if not is_met:
        assert await stored(bot) == FIELDS


@sqlite_only
async def test_an_if_match_of_two_lines_is_one_list(bot: Bot, etag: str) -> None:
    headers = [("If-Match", '"other"'), ("If-Match", etag)]
    many = CIMultiDict([*headers, ("Authorization", f"Bearer {ADMIN_TOKEN}")])
    async with bot.session.patch(bot.url + ONE, json={"name": "Mine"}, headers=many) as response:
        assert response.status == 200


@sqlite_only
async def test_why_a_tag_does_not_match_is_said(bot: Bot, etag: str) -> None:
    weak = await ask(bot, "PATCH", {}, If_Match=f"W/{etag}")
    assert "A weak tag (W/) never matches" in weak.body["detail"]
    bare = await ask(bot, "PATCH", {}, If_Match=etag.strip('"'))
    assert "with its quotation marks" in bare.body["detail"]


async def test_each_answer_has_the_tag_of_what_it_shows(bot: Bot) -> None:
    """So that changes can follow one another without a GET between them."""
    created = await bot.post("/api/v1/experiments", {"key": "checkout", "name": "One"})
    tags = [created.headers["ETag"]]
    for method, body in (
        ("PATCH", {"name": "Two"}),
        ("PATCH", {"tags": ["a"]}),
        ("PUT", {"name": "Three"}),
        ("PATCH", {"status": "active"}),
    ):
        answer = await ask(bot, method, body, If_Match=tags[-1])
        assert answer.status == 200
        tags.append(answer.headers["ETag"])
    assert len(set(tags)) == len(tags)
    assert (await bot.get(ONE)).headers["ETag"] == tags[-1]
    same = await ask(bot, "PATCH", {"status": "active"}, If_Match=tags[-1])
    assert same.headers["ETag"] == tags[-1], "nothing has changed"


@pytest.mark.parametrize("name", FIELDS)
@sqlite_only
async def test_a_change_of_any_field_is_a_change(bot: Bot, etag: str, name: str) -> None:
    other = {"status": "active", "url": "https://example.org/other", "tags": ["cart", "web"]}
    change = {name: other.get(name, "Another")}
    assert (await bot.patch(ONE, change)).headers["ETag"] != etag
    assert (await ask(bot, "PATCH", {"name": "Theirs"}, If_Match=etag)).status == 412
    await bot.patch(ONE, {name: FIELDS[name]})
    assert (await ask(bot, "PATCH", {"name": "Theirs"}, If_Match=etag)).status == 412, (
        "there and back is a change, too"
    )


async def test_a_push_makes_no_change_of_anybodys_fail(bot: Bot, etag: str) -> None:
    """What is linked is nobody's edit; yet who asks for what is new gets the new counts."""
    integration = await bot.integration()
    repo = payloads.repository("acme/shop")
    push = payloads.push("main", ["Try\n\nExperiment-Key: checkout"], repo=repo)
    await bot.deliver(integration, "push", push)
    fresh = await ask(bot, "GET", If_None_Match=etag)
    assert (fresh.status, fresh.body["counts"]["commits"]) == (200, 1)
    assert fresh.headers["ETag"] != etag
    assert (await ask(bot, "PATCH", {"name": "Mine"}, If_Match=etag)).status == 200


async def test_one_that_is_gone(bot: Bot, etag: str) -> None:
    """A 404, or for PUT a 412: it would make what was to be replaced."""
    await bot.delete(ONE)
    for given in (etag, "*"):
        assert (await ask(bot, "PATCH", {"name": "x"}, If_Match=given)).status == 404
        assert (await ask(bot, "DELETE", If_Match=given)).status == 404
        assert (await ask(bot, "PUT", {"name": "x"}, If_Match=given)).status == 412
    assert (await bot.get(ONE)).status == 404
    await bot.experiment("checkout", **FIELDS)
    assert (await ask(bot, "PATCH", {"name": "x"}, If_Match=etag)).status == 412, "it is another"


async def test_of_many_at_once_one_wins(bot: Bot, etag: str) -> None:
    answers = await asyncio.gather(
        *(ask(bot, "PATCH", {"name": f"Number {n}"}, If_Match=etag) for n in range(12))
    )
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1 and {answer.status for answer in answers} == {200, 412}
    assert (await stored(bot))["name"] == won[0].body["name"]


@sqlite_only
async def test_what_is_wrong_otherwise_is_said_first(bot: Bot, etag: str) -> None:
    assert (await ask(bot, "PATCH", {"status": "on"}, If_Match='"other"')).status == 422
    headers = {"If-Match": '"other"'}
    assert (await bot.patch(ONE, {}, token=None, headers=headers)).status == 401


# --- The API: If-None-Match


async def test_who_has_it_already_gets_no_body(bot: Bot, etag: str) -> None:
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await ask(bot, "GET", If_None_Match=given)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, "", etag), given
    for given in ('"other"', "other", ""):
        assert (await ask(bot, "GET", If_None_Match=given)).status == 200
    assert (await ask(bot, "GET", If_Match='"other"')).status == 200, "GET takes no If-Match"
    await bot.patch(ONE, {"owner": "search"})
    assert (await ask(bot, "GET", If_None_Match=etag)).status == 200
    await bot.delete(ONE)
    assert (await ask(bot, "GET", If_None_Match="*")).status == 404


async def test_create_and_never_replace(bot: Bot) -> None:
    answers = await asyncio.gather(
        *(ask(bot, "PUT", {"name": f"Number {n}"}, If_None_Match="*") for n in range(5))
    )
    assert sorted(answer.status for answer in answers) == [201, 412, 412, 412, 412]
    refused = next(answer for answer in answers if answer.status == 412)
    assert "There is one already" in refused.body["detail"]
    etag = (await bot.get(ONE)).headers["ETag"]
    assert (await ask(bot, "PUT", {"name": "Other"}, If_None_Match=etag)).status == 412
    assert (await ask(bot, "PUT", {"name": "Other"}, If_None_Match='"other"')).status == 200


@sqlite_only
async def test_conditions_are_described(bot: Bot) -> None:
    described = (await bot.get("/api/v1/openapi.json")).body["paths"]["/api/v1/experiments/{key}"]
    sent = {
        method: [one["name"] for one in operation["parameters"] if one["in"] == "header"]
        for method, operation in described.items()
    }
    assert sent == {
        "get": ["If-None-Match"],
        "put": ["If-Match", "If-None-Match"],
        "patch": ["If-Match"],
        "delete": ["If-Match"],
    }
    assert all("412" in described[method]["responses"] for method in ("put", "patch", "delete"))
    assert "304" in described["get"]["responses"]
    for method, status in (("get", "200"), ("put", "201"), ("put", "200"), ("patch", "200")):
        assert "ETag" in described[method]["responses"][status]["headers"]
