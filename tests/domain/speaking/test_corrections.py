"""An admin corrects a repository's name, or has the bot forget it."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.domain.speaking.world import ACME, KINDS, RIVAL, TOOL, World
from tests.kit.browsing import new_token

pytestmark = pytest.mark.parametrize("kinds", KINDS[:2], indirect=True, ids="-".join)
PATH = "/api/v1/repositories/acme/shop"


async def all_told(world: World) -> None:
    issue = payloads.issue("opened", 2, world.now(), repo=world.repo(), body="experiment_key: a")
    push = payloads.push("feature", ["One"], repo=world.repo())
    await world.passes(ACME, world.pull(), issue, push)


async def test_a_name_is_corrected(world: World) -> None:
    await all_told(world)
    answer = await world.bot.patch(PATH, {"full_name": "acme/store"})
    assert (answer.status, answer.body["full_name"]) == (200, "acme/store")
    assert [name for name, *_ in await world.pulls()] == ["acme/store"]
    assert (await world.bot.get("/api/v1/pull-requests/acme/store/7")).status == 200
    assert (await world.bot.get("/api/v1/pull-requests/acme/shop/7")).status == 404
    before = world.repo(updated_at="2026-03-02T10:00:00Z")
    await world.passes(ACME, world.pull(8, before))
    assert [name for name, *_ in await world.pulls()] == ["acme/store"] * 2


async def test_who_else_was_known_by_the_name_has_lost_it(world: World) -> None:
    await all_told(world)
    await world.passes(RIVAL, world.pull(7, world.repo("rival/tool", TOOL), title="Tool"))
    answer = await world.bot.patch(PATH, {"full_name": "rival/tool"})
    assert answer.status == 200
    found = await world.bot.get("/api/v1/pull-requests/rival/tool/7")
    assert found.body["title"] == "Try the new checkout"


@pytest.mark.parametrize("name", ["shop", "acme/..", "acme/shop/x", "", "acme/ shop", 7])
async def test_what_is_no_name_is_refused(world: World, name: Any) -> None:
    await all_told(world)
    answer = await world.bot.patch(PATH, {"full_name": name})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "full_name")


async def test_a_repository_is_forgotten(world: World) -> None:
    """Nothing of it is left; the next delivery makes it known again, as if it were new."""
    await all_told(world)
    await world.outbox.work_off()
    assert (await world.bot.delete(PATH)).status == 204
    assert (await world.pulls(), await world.commits(), await world.feed()) == ([], [], [])
    told = await world.told()
    empty = ("items", "links", "commits", "actions")
    assert {name: told[name] for name in empty} == {name: [] for name in empty}
    assert (await world.bot.delete(PATH)).status == 404
    await world.passes(RIVAL, world.pull(8))
    assert world.github.violations == []
    assert [number for _, number, *_ in await world.pulls()] == [8]


async def test_only_admins_may(world: World) -> None:
    await all_told(world)
    token = await new_token(world.bot, "developer")
    patched = await world.bot.patch(PATH, {"full_name": "acme/store"}, token=token)
    deleted = await world.bot.delete(PATH, token=token)
    unknown = await world.bot.delete("/api/v1/repositories/acme/nothing")
    assert (patched.status, deleted.status, unknown.status) == (403, 403, 404)
    assert [name for name, *_ in await world.pulls()] == ["acme/shop"]
