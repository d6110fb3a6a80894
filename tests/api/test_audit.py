"""The audit: what each change leaves there, and that what was not changed leaves nothing."""

import asyncio
import io
import json
import uuid
from typing import Any

import pytest

from bot import storage as store
from bot import times, worker
from bot.demo import payloads
from bot.domain import audit as domain
from bot.domain import posts
from bot.domain.actors import SYSTEM
from tests.api.auditing import PATH, audit, told
from tests.api.managing import MASK
from tests.kit.browsing import new_token
from tests.kit.clock import Clock
from tests.kit.deliveries import REPO
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, SECRET, Bot

EXPERIMENT = "/api/v1/experiments/checkout"
INTEGRATIONS = "/api/v1/integrations"
SECRETS = ("ghp_of_the_tests", "ghp_another_of_the_tests", SECRET, "another-secret-of-the-tests")
EMPTY: dict[str, Any] = {
    "hypothesis": None,
    "description": None,
    "owner": None,
    "url": None,
    "tags": [],
    "aliases": [],
    "repositories": None,
}


# --- What each change leaves


async def test_an_experiment(bot: Bot) -> None:
    await bot.experiment("checkout", name="Checkout", tags=["web"])
    await bot.patch(EXPERIMENT, {"status": "active", "owner": "growth", "name": "Checkout"})
    await bot.put(EXPERIMENT, {"name": "Checkout", "status": "active", "hypothesis": "Fewer steps"})
    await bot.delete(EXPERIMENT)
    first = {**EMPTY, "key": "checkout", "name": "Checkout", "status": "draft", "tags": ["web"]}
    last = {**first, "status": "active", "hypothesis": "Fewer steps", "tags": []}
    assert await told(bot, "experiment") == [
        ("experiment.created", None, first),
        ("experiment.status_changed", {"status": "draft"}, {"status": "active"}),
        ("experiment.changed", {"owner": None}, {"owner": "growth"}),
        (
            "experiment.changed",
            {"hypothesis": None, "owner": "growth", "tags": ["web"]},
            {"hypothesis": "Fewer steps", "owner": None, "tags": []},
        ),
        ("experiment.deleted", last, None),
    ]
    row = (await audit(bot, "?type=experiment.deleted"))[0]
    (admin,) = [one for one in await tokens(bot) if one.is_bootstrap]
    assert row["actor"] == {"kind": "token", "id": admin.id, "name": "admin"}
    assert row["target"] == {"kind": "experiment", "id": "checkout", "name": "Checkout"}
    assert str(uuid.UUID(row["id"])) == row["id"] and times.parse(row["at"])


async def tokens(bot: Bot) -> list[store.Token]:
    return await bot.services.database.read(store.tokens.listed)


async def test_an_integration_and_its_secrets(bot: Bot, clock: Clock) -> None:
    clock.stop()
    integration = await bot.integration(description="Ours")
    path = f"{INTEGRATIONS}/{integration}"
    await bot.patch(path, {"config": {"token": SECRETS[1], "label": None}, "is_active": False})
    await bot.put(path, {"config": {"webhook_secret": SECRETS[3]}, "is_active": True})
    await bot.patch(path, {"secret_grace_seconds": 0})
    assert (await bot.delete(path)).status == 204
    created, *changed, deleted = await told(bot, "integration")
    config = {
        "auth": "token",
        "api_url": "https://api.github.com",
        "label": "experiment",
        "token": MASK,
        "webhook_secret": MASK,
    }
    assert created[:2] == ("integration.created", None)
    assert created[2]["config"].items() >= config.items()
    assert created[2].items() >= {"name": "Tests", "description": "Ours", "is_active": True}.items()
    until = times.render(clock.now() + 86_400 * times.SECOND)
    assert changed == [
        ("integration.deactivated", {"is_active": True}, {"is_active": False}),
        (
            "integration.changed",
            {"config": {"label": "experiment", "token": MASK}},
            {"config": {"label": None, "token": MASK}},
        ),
        ("integration.activated", {"is_active": False}, {"is_active": True}),
        (
            "integration.changed",
            {"config": {"webhook_secret": MASK}, "previous_secret_until": None},
            {"config": {"webhook_secret": MASK}, "previous_secret_until": until},
        ),
        (
            "integration.changed",
            {"previous_secret_until": until},
            {"previous_secret_until": None},
        ),
    ]
    assert deleted[0] == "integration.deleted" and deleted[2] is None
    assert deleted[1]["config"].items() >= {**config, "label": None}.items()
    rows = await bot.services.database.read(
        lambda tx: [dict(row) for row in tx.all("SELECT * FROM audit")]
    )
    assert "integration.created" in repr(rows)
    assert not [secret for secret in SECRETS if secret in repr(rows)]


async def test_a_replay(bot: Bot) -> None:
    """One row of a replay, and none of what it was refused for."""
    integration, guid = await bot.integration(), str(uuid.uuid4())
    opened = payloads.pull_request("opened", 1, "2026-03-02T10:00:00Z", repo=REPO)
    await bot.deliver(integration, "pull_request", opened, guid=guid)
    path = f"{INTEGRATIONS}/{integration}/deliveries"
    assert (await bot.post(f"{path}/{guid}/replay")).status == 200
    assert (await bot.post(f"{path}/{uuid.uuid4()}/replay")).status == 404
    assert await told(bot, "delivery") == [("delivery.replayed", None, None)]
    (row,) = await audit(bot, "?type=delivery.replayed")
    assert (row["target"]["id"], row["target"]["name"]) == (guid, "pull_request.opened")


async def test_a_replay_that_fails_again_is_one_row(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its handlers are undone, and the record with them: what keeps the failure tells of it."""
    integration, guid = await bot.integration(), str(uuid.uuid4())
    monkeypatch.setattr("bot.domain.items.observe", lambda *_: 1 / 0)
    opened = payloads.pull_request("opened", 1, "2026-03-02T10:00:00Z", repo=REPO)
    assert (await bot.deliver(integration, "pull_request", opened, guid=guid)).status == 202
    await bot.post(f"{INTEGRATIONS}/{integration}/deliveries/{guid}/replay")
    assert await told(bot, "delivery") == [("delivery.replayed", None, None)]


# --- What leaves nothing


async def test_what_changes_nothing_leaves_nothing(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout", name="Checkout", tags=["a"])
    before = await audit(bot)
    path = f"{INTEGRATIONS}/{integration}"
    same = {"name": "Tests", "config": {"token": SECRETS[0], "webhook_secret": SECRET}}
    bodies: list[dict[str, Any]] = [{}, same, {"is_active": True}]
    for body in bodies:
        assert (await bot.patch(path, body)).status == 200
    for body in [{}, {"name": "Checkout", "status": "draft", "tags": ["a"]}]:
        assert (await bot.patch(EXPERIMENT, body)).status == 200
    assert (await bot.put(EXPERIMENT, {"name": "Checkout", "tags": ["a"]})).status == 200
    assert await audit(bot) == before


async def test_what_was_refused_leaves_nothing(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment("checkout")
    before = await audit(bot)
    stale = {"If-Match": '"of-long-ago"'}
    refused = [
        await bot.post("/api/v1/experiments", {"key": "checkout", "name": "Again"}),
        await bot.patch(EXPERIMENT, {"owner": "x"}, headers=stale),
        await bot.delete(EXPERIMENT, headers=stale),
        await bot.patch(f"{INTEGRATIONS}/{integration}", {"config": {"token": MASK}}),
        await bot.delete(f"{INTEGRATIONS}/{uuid.uuid4()}"),
        await bot.post(f"/api/v1/actions/{uuid.uuid4()}/retry"),
        await bot.patch(EXPERIMENT, {"owner": "x"}, token=await new_token(bot, "viewer")),
    ]
    assert [one.status for one in refused] == [409, 412, 412, 422, 404, 404, 403]
    assert await audit(bot) == before


async def test_what_is_undone_is_neither_recorded_nor_logged(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, log_stream: io.StringIO
) -> None:
    """The record is part of the change; its line is written once that is committed."""
    with monkeypatch.context() as broken:
        broken.setattr(posts, "refresh_experiment", lambda *_: 1 / 0)
        assert (await bot.post("/api/v1/experiments", {"key": "a", "name": "A"})).status == 500
    assert await told(bot, "experiment") == []
    assert "experiment created" not in log_stream.getvalue()
    await bot.experiment("a")
    assert len(await told(bot, "experiment")) == 1
    assert log_stream.getvalue().count("experiment created") == 1
    await bot.patch("/api/v1/experiments/a", {"owner": "growth", "name": "Of growth"})
    (line,) = [one for one in log_stream.getvalue().splitlines() if "experiment changed" in one]
    said = json.loads(line)
    assert (said["actor"], said["actor_kind"], said["experiment"]) == ("admin", "token", "a")
    assert said["changed"] == ["name", "owner"] and "growth" not in line and said["request"]


async def test_each_of_many_at_once_tells_what_it_found(bot: Bot) -> None:
    await bot.experiment("checkout", owner="0")
    owners = [str(number) for number in range(1, 21)]
    answers = await asyncio.gather(*(bot.patch(EXPERIMENT, {"owner": one}) for one in owners))
    assert {one.status for one in answers} == {200}
    changes = (await told(bot, "experiment"))[1:]
    befores = [before["owner"] for _, before, _ in changes]
    afters = [after["owner"] for _, _, after in changes]
    assert sorted(afters) == sorted(owners)
    assert befores == ["0", *afters[:-1]]


# --- What is kept of it


async def test_texts_are_bounded_and_hold_no_e_mail_address(bot: Bot) -> None:
    said = "Ask jane@example.com. " + "x" * 19_000
    await bot.experiment("checkout", name="Of jane@example.com", description=said)
    row = (await audit(bot, "?type=experiment.created"))[0]
    assert row["after"]["description"] == said.replace("jane@example.com", "")[:1_000] + "…"
    assert "jane@" not in str(row)
    await bot.patch(EXPERIMENT, {"tags": [f"tag-{number}" for number in range(50)]})
    assert len((await audit(bot))[-1]["after"]["tags"]) == 50


@sqlite_only
async def test_it_is_kept_for_a_year(bot: Bot, clock: Clock) -> None:
    await bot.experiment("old")
    clock.ahead += 364 * 86_400
    await bot.experiment("new")
    await worker.clear_some(bot.services)
    assert len(await told(bot, "experiment")) == 2
    clock.ahead += 2 * 86_400
    await worker.clear_some(bot.services)
    (left,) = await told(bot, "experiment")
    assert left[2]["key"] == "new"


async def test_it_goes_in_steps(bot: Bot, clock: Clock) -> None:
    """Whatever the clock says, one step takes away no more than another."""

    def job(tx: store.Transaction) -> None:
        for number in range(450):
            target = domain.Target("experiment", str(number), str(number))
            domain.record(tx, SYSTEM, domain.EXPERIMENT_CREATED, target)

    await bot.services.database.write(job)
    clock.ahead += 5_000 * 86_400
    before, left = len(await audit(bot, limit=200)), []
    while await worker.clear_some(bot.services):
        left.append(len(await audit(bot, limit=200)))
    assert left == [before - 200, before - 400]
    assert await audit(bot) == []


# --- The list


async def test_filters_and_cursors(bot: Bot) -> None:
    """By the id or the name of whoever did it and by type, and every part of it once."""
    other = await new_token(bot, "developer")
    (row,) = [one for one in await tokens(bot) if one.name == "a developer"]
    for number in range(6):
        await bot.post(
            "/api/v1/experiments",
            {"key": f"key-{number}", "name": "N"},
            token=other if number % 2 else ADMIN_TOKEN,
        )
    everything = await audit(bot)
    theirs = [one for one in everything if one["actor"]["name"] == "a developer"]
    assert [one["target"]["id"] for one in theirs] == ["key-1", "key-3", "key-5"]
    for query in (f"?actor={row.id}", "?actor=a%20developer"):
        for limit in (1, 2, 3, 50):
            assert await audit(bot, query, limit) == theirs
        assert await audit(bot, f"{query}&type=experiment.created", 2) == theirs
        assert await audit(bot, f"{query}&type=experiment.deleted") == []
    created = [one for one in everything if one["type"] == "experiment.created"]
    assert await audit(bot, "?type=experiment.created", 4) == created and len(created) == 6
    assert await audit(bot, "?actor=nobody") == []
    assert await audit(bot, "?actor=system") == [
        one for one in everything if one["actor"]["kind"] == "system"
    ]
    assert await audit(bot, limit=1) == everything


async def test_a_walk_goes_on_while_more_is_recorded(bot: Bot) -> None:
    for number in range(5):
        await bot.experiment(f"key-{number}")
    there = [one["id"] for one in (await audit(bot))[::-1]]
    page = await bot.get(f"{PATH}?limit=2")
    seen = [one["id"] for one in page.items]
    while page.body["next_cursor"]:
        await bot.experiment(f"more-{len(seen)}")
        page = await bot.get(f"{PATH}?limit=2&cursor={page.body['next_cursor']}")
        seen += [one["id"] for one in page.items]
    assert seen == there


@sqlite_only
async def test_what_it_does_not_take(bot: Bot) -> None:
    for query in ("?type=nothing", "?type=", "?actor=", "?who=x", "?limit=0", "?cursor=abc"):
        assert (await bot.get(f"{PATH}{query}")).status == 422, query
    await bot.experiment("checkout")
    (row,) = await audit(bot, "?type=experiment.created")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in (PATH, f"{PATH}/{row['id']}"):
            assert (await bot.request(method, path, json={})).status in (404, 405)
    assert await audit(bot, "?type=experiment.created") == [row]


@sqlite_only
async def test_admins_alone_see_it(bot: Bot) -> None:
    for role in ("developer", "viewer"):
        answer = await bot.get(PATH, token=await new_token(bot, role))
        assert (answer.status, answer.body["error"]) == (403, "forbidden")
    assert (await bot.get(PATH, token=None)).status == 401


def test_every_type_is_named_for_what_it_is() -> None:
    for name, one in domain.TYPES.items():
        assert one.name == name and one.words
    assert len({one.words for one in domain.TYPES.values()}) == len(domain.TYPES)


def test_a_secret_shows_itself_nowhere() -> None:
    secret: Any = domain.Secret("hunter2-hunter2")
    assert "hunter2" not in f"{secret} {secret!r}"
