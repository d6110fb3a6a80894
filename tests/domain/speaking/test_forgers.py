"""Who holds the webhook secret of one integration tells of what belongs to another's repository."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.domain.speaking.world import ACME, NOT_ALLOWED, RIVAL, SHOP, TOOL, World
from tests.kit.marks import sqlite_only


def forged(world: World) -> dict[str, dict[str, Any]]:
    """Return all that a forger may say of acme/shop, by what it is for."""
    shop, tool, late = world.repo(), world.repo("rival/tool", TOOL), "9999-01-01T00:00:00Z"
    evil = world.repo("rival/tool", SHOP)
    old = {"old": "acme/shop"}
    issue = payloads.issue("opened", 3, world.now(), repo=shop, body="experiment_key: b")
    gone = payloads.issue("deleted", 2, world.now(9), repo=shop, title="Gone", body=None)
    moved = payloads.issue("transferred", 2, world.now(9), repo=shop, title="Gone", body=None)
    moved["changes"] = {"new_issue": {**moved["issue"], "number": 9}, "new_repository": tool}
    nameless = world.pull(7, {"full_name": "acme/shop"}, "b", state="closed", at=world.now(9))
    return {
        "close": world.pull(7, shop, "b", action="closed", state="closed", at=world.now(9)),
        "close by name": nameless,
        "freeze": world.pull(7, shop, "b", at=late),
        "merge": world.pull(7, shop, "a", state="closed", merged=True, at=world.now(9)),
        "link another": world.pull(8, shop, "b"),
        "rename": payloads.repository_event(
            "renamed", evil, {"repository": {"name": {"from": "shop"}}}
        ),
        "transfer": payloads.repository_event(
            "transferred", evil, {"owner": {"from": {"user": {"login": "acme"}}}}
        ),
        "delete": payloads.repository_event("deleted", shop),
        "publicize": payloads.repository_event("publicized", {**shop, **old}),
        "issue": issue,
        "delete an issue": gone,
        "transfer an issue": moved,
        "push": payloads.push("feature", ["Mine\n\nExperiment-Key: a"], repo=shop),
        "take its name": world.pull(7, world.repo("acme/shop", 4711), "a", at=world.now(9)),
        "take its name in capitals": world.pull(7, world.repo("ACME/Shop", 4711), "a"),
        "rename one to it": payloads.repository_event(
            "renamed", world.repo("acme/shop", TOOL), {"repository": {"name": {"from": "tool"}}}
        ),
    }


async def known(world: World) -> None:
    """Let acme tell what there is in acme/shop."""
    issue = payloads.issue("opened", 2, world.now(), repo=world.repo(), body="experiment_key: a")
    push = payloads.push("feature", ["One"], repo=world.repo())
    await world.passes(ACME, world.pull(), issue, push)
    await world.passes(RIVAL, world.pull(1, world.repo("rival/tool", TOOL), "b"))


async def test_what_a_forger_tells_of_anothers_repository_counts_for_nothing(world: World) -> None:
    await known(world)
    before = await world.told()
    for name, payload in forged(world).items():
        answer = await world.send(RIVAL, payload)
        assert (name, answer.status, answer.body) == (name, 200, NOT_ALLOWED)
        assert (name, await world.told()) == (name, before)
    world.clock.ahead += 60
    await world.passes(ACME, world.pull(action="edited", title="Ours"))
    assert await world.pulls() == [("acme/shop", 7, "open", "Ours")]


@pytest.mark.parametrize("name", ["close", "freeze", "push", "close by name", "issue"])
async def test_what_a_forger_was_first_to_tell_goes(world: World, name: str) -> None:
    """It speaks as long as nobody else does; then GitHub says that it has no right."""
    await world.passes(RIVAL, forged(world)[name], world.pull(8, key="b"))
    await world.passes(ACME, world.pull(9))
    assert await world.pulls() == [("acme/shop", 9, "open", "Try the new checkout")]
    assert (await world.pulls("b"), await world.commits()) == ([], [])
    assert (await world.feed("b"), await world.feed()) == (
        [],
        ["pull_request.linked", "pull_request.opened"],
    )
    told = await world.told()
    assert not any(world.integrations[RIVAL] in one for one in told["actions"] if "pend" in one)
    await world.is_refused(RIVAL, world.pull(8, key="b"))
    await world.passes(ACME, world.pull(7, key="b"))
    assert await world.pulls("b") == [("acme/shop", 7, "open", "Try the new checkout")]


async def test_a_name_that_a_forger_gave_to_another_id_is_free_again(world: World) -> None:
    """Its facts go, since it has no right to what it made up."""
    await world.passes(RIVAL, world.pull(7, world.repo("acme/shop", 4711), title="Forged"))
    await world.passes(ACME, world.pull(7, title="Ours"))
    assert await world.pulls() == [("acme/shop", 7, "open", "Ours")]
    found = await world.bot.get("/api/v1/pull-requests/acme/shop/7")
    assert found.body["title"] == "Ours"
    await world.is_refused(RIVAL, world.pull(7, world.repo("acme/shop", 4711), title="Forged"))


async def test_a_name_that_a_forger_gave_to_its_own_repository_goes_back(world: World) -> None:
    """It has a right to that one, of which GitHub knows the name."""
    await world.passes(RIVAL, world.pull(7, world.repo("acme/shop", TOOL), title="Mine"))
    await world.passes(ACME, world.pull(7, title="Ours"))
    assert await world.pulls() == [
        ("acme/shop", 7, "open", "Ours"),
        ("rival/tool", 7, "open", "Mine"),
    ]
    await world.is_refused(RIVAL, world.pull(7, world.repo("acme/shop", TOOL), title="Again"))
    world.clock.ahead += 60
    await world.passes(RIVAL, world.pull(7, world.repo("rival/tool", TOOL), title="Honest"))


async def test_a_name_that_a_forger_gave_is_put_right(world: World) -> None:
    """The id is acme's, the name was made up."""
    await world.passes(RIVAL, world.pull(8, world.repo("rival/tool", SHOP), "b"))
    await world.passes(ACME, world.pull(7))
    assert await world.pulls() == [("acme/shop", 7, "open", "Try the new checkout")]
    assert await world.pulls("b") == []


async def test_a_head_in_anothers_repository_is_followed_by_nobody(world: World) -> None:
    """Neither if the forger's pull request was there first."""
    first = world.pull(1, world.repo("rival/tool", TOOL), "b", head_repo=world.repo())
    await world.passes(RIVAL, first)
    push = payloads.push("feature", ["Ours"], repo=world.repo())
    await world.passes(ACME, push)
    later = world.pull(2, world.repo("rival/tool", TOOL), "b", head_repo=world.repo())
    await world.passes(RIVAL, later)
    await world.passes(ACME, payloads.push("feature", ["More"], repo=world.repo()))
    assert await world.commits("b") == []
    await world.passes(ACME, world.pull())
    assert await world.commits() == ["More", "Ours"]


async def test_a_pull_request_belongs_to_the_repository_that_it_is_told_of(world: World) -> None:
    """Whatever base it names."""
    await known(world)
    payload = world.pull(7, world.repo("rival/tool", TOOL), "b")
    payload["pull_request"]["base"]["repo"] = world.repo()
    await world.is_refused(RIVAL, payload)


async def test_an_issue_is_brought_from_no_repository_but_the_own(world: World) -> None:
    await known(world)
    before = await world.told()
    tool = world.repo("rival/tool", TOOL)
    payload = payloads.issue("opened", 5, world.now(9), repo=tool, title="Brought", body=None)
    old = payloads.issue("opened", 2, world.now(), repo=world.repo())["issue"]
    payload["changes"] = {"old_issue": old, "old_repository": world.repo()}
    await world.passes(RIVAL, payload)
    assert (await world.told())["links"] == before["links"]


@sqlite_only
async def test_pages_and_calls_lead_to_whom_they_led(world: World) -> None:
    """A forged address is not what is called."""
    await known(world)
    await world.is_refused(RIVAL, *forged(world).values())
    page = await world.bot.get("/api/v1/pull-requests/acme/shop/7")
    assert (page.body["state"], page.body["title"]) == ("open", "Try the new checkout")
    assert page.body["integration_id"] == world.integrations[ACME]
