"""The allow-list: a delivery reaches the repository that it is about, if listed, and no other.

Two integrations of one bot: `wide` has no list and knows a private repository, `narrow` lists
`acme/shop` alone. Whoever has narrow's secret must not reach what only wide may tell of.
"""

from typing import Any

import pytest

from bot.demo import payloads
from bot.outbox.loop import Outbox
from tests.domain.allow_list.world import (
    FORK,
    NOT_ALLOWED,
    SHOP,
    VAULT,
    World,
    both_credentials,
    integration,
    pull,
    renamed,
    repo,
)
from tests.kit.deliveries import PROCESSED, at
from tests.kit.marks import slow, sqlite_only

# --- What does not get in


async def test_another_id_under_an_allowed_name(world: World) -> None:
    """The bot knows the id under another name: GitHub says that it is still called so."""
    before = await world.known()
    forged = repo("acme/shop", VAULT, 9)
    for number in range(1, 20):
        await world.is_refused(pull(number, 9, forged, title="Mine", body=""))
    await world.is_refused(payloads.issue("deleted", 2, at(9), repo=forged))
    await world.is_refused(payloads.push("secret", ["Two"], repo=forged))
    assert await world.known() == before
    assert world.asked() == 1  # a flood of forged deliveries is not passed on


async def test_another_id_under_the_name_of_a_known_one(world: World) -> None:
    """An id that nobody has heard of does not take the name of the repository that has it."""
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)))
    before = await world.known()
    await world.is_refused(pull(1, 9, repo("acme/shop", 4711, 9), title="Mine"))
    await world.is_refused(renamed("acme/x", repo("acme/shop", 4711, 9)))
    assert await world.known() == before
    assert (await world.bot.get("/api/v1/pull-requests/acme/shop/1")).body["experiments"]


@pytest.mark.parametrize("has_repository", [True, False])
async def test_a_decoy_address(world: World, has_repository: bool) -> None:
    """`repository` counts before any address, and the event's own subject before another's."""
    vault = repo("acme/vault", VAULT, 9)
    decoy = {"html_url": "https://github.com/acme/shop/pull/1"}
    issue = payloads.issue("deleted", 2, at(9), repo=vault)
    about_pull = pull(1, 9, vault, title="Mine")
    about_pull["pull_request"]["html_url"] = decoy["html_url"]
    before = await world.known()
    if has_repository:
        await world.is_refused(about_pull)
    else:
        del issue["repository"]
    body = {**issue, "pull_request": decoy}
    answer = await world.bot.deliver(world.narrow, "issues", body)
    assert answer.body == NOT_ALLOWED
    assert await world.known() == before


@pytest.mark.parametrize("odd", [None, "acme/shop", {"full_name": 5, "id": VAULT}])
async def test_a_repository_that_cannot_be_read(world: World, odd: Any) -> None:
    """It counts as missing, and the address tells; an id beside it does not."""
    payload = {**pull(1, 9, repo("acme/vault", VAULT, 9)), "repository": odd}
    payload["pull_request"]["base"].pop("repo")
    await world.is_refused(payload)
    payload["pull_request"]["html_url"] = "https://github.com/acme/shop/pull/1"
    await world.passes(payload)
    assert await world.places() == {("acme/vault", 1), ("acme/shop", 1)}


@pytest.mark.parametrize("told", [SHOP, None, "by its address"])
async def test_a_pull_request_of_another_repository(world: World, told: Any) -> None:
    """`repository` is the base of the pull request, or the delivery is about two."""
    before = await world.known()
    payload = pull(1, 9, repo("acme/vault", VAULT, 9), title="Mine")
    payload["repository"] = repo("acme/shop", told, 9)
    if isinstance(told, str):
        del payload["repository"]
        payload["pull_request"]["html_url"] = "https://github.com/acme/shop/pull/1"
    await world.is_refused(payload)
    assert await world.known() == before


@pytest.mark.parametrize("github_id", [VAULT, None])
async def test_an_issue_that_moves_elsewhere(world: World, github_id: int | None) -> None:
    """`changes.new_repository` is not written to."""
    before = await world.known()
    there = repo("acme/vault", github_id, 9)
    moved = payloads.issue("opened", 2, at(9), repo=there, title="Mine", body="experiment_key: b")
    changes = {"new_repository": there, "new_issue": moved["issue"]}
    shop = repo("acme/shop", SHOP, 9)
    await world.passes(payloads.issue("transferred", 7, at(9), repo=shop, changes=changes))
    after = await world.known()
    assert [one for one in after["items"] if "Mine" in one] == []
    assert set(before["repositories"]) == {
        one for one in after["repositories"] if "shop" not in one
    }


@pytest.mark.parametrize("github_id", [VAULT, None])
async def test_an_issue_that_comes_from_elsewhere(world: World, github_id: int | None) -> None:
    """`changes.old_repository` loses nothing."""
    there = repo("acme/vault", github_id, 9)
    old = payloads.issue("transferred", 2, at(0), repo=there, title="Old")
    changes = {"old_repository": there, "old_issue": old["issue"]}
    shop = repo("acme/shop", SHOP, 9)
    await world.passes(payloads.issue("opened", 7, at(9), repo=shop, changes=changes))
    (issue,) = await world.bot.walk("/api/v1/experiments/a/issues")
    assert (issue["repository"], issue["number"]) == ("acme/vault", 2)


async def test_a_deletion_by_id(world: World) -> None:
    """Nothing that is open in another repository is closed."""
    before = await world.known()
    await world.is_refused(payloads.repository_event("deleted", repo("acme/shop", VAULT, 9)))
    await world.is_refused(payloads.repository_event("deleted", repo("acme/vault", VAULT, 9)))
    assert await world.known() == before


async def test_a_head_elsewhere(world: World) -> None:
    """`head.repo` renames nothing, and what was pushed there is not linked."""
    shop, elsewhere = repo("acme/shop", SHOP, 9), repo("acme/evil", VAULT, 9)
    before = await world.known()
    payload = pull(1, 9, shop, branch="secret", body="experiment_key: b", head_repo=elsewhere)
    await world.passes(payload)
    after = await world.known()
    assert set(before["repositories"]) < set(after["repositories"])
    assert "acme/evil" not in await world.names()
    commits = [one for one in after["links"] if "commit" in one]
    assert commits == [one for one in before["links"] if "commit" in one]


async def test_a_rename_of_what_is_known_by_name_only(world: World) -> None:
    """What `changes` says a repository was called before is not made that repository."""
    await world.passes(pull(3, 0, repo("acme/samples", None)), world.wide)
    await world.passes(renamed("acme/samples", repo("acme/shop", SHOP, 9)))
    assert ("acme/samples", 3) in await world.places()


async def test_a_rename_to_a_listed_name(world: World) -> None:
    """A forged rename of a known repository is refused; nobody else is asked than GitHub."""
    before = await world.known()
    await world.is_refused(renamed("acme/vault", repo("acme/shop", VAULT, 9)))
    assert await world.known() == before


@sqlite_only
@pytest.mark.parametrize("name", ["./shop", "../shop", "acme/.", "acme/.."])
async def test_dots_are_no_names(world: World, name: str) -> None:
    """Not in a payload, nor in the list, nor in a request."""
    for payload in (
        {"full_name": name, "id": 5},
        {"full_name": name},
    ):
        push = {**payloads.push("main", ["One"], repo=repo("acme/x", 5)), "repository": payload}
        answer = await world.bot.deliver(world.wide, "push", push)
        assert (answer.status, answer.body["processed"]) == (200, False)
        assert "`repository.full_name`" in answer.body["detail"]
    path = f"/api/v1/integrations/{world.narrow}"
    answer = await world.bot.patch(path, {"config": {"repositories": [name]}})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "config.repositories[0]")
    body = {"integration_id": world.wide, "repository": name}
    answer = await world.bot.post("/api/v1/experiments/a/issues", {**body, "title": "T"})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
    answer = await world.bot.post("/api/v1/experiments/a/pull-requests", {**body, "number": 1})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
    assert world.github.requests == []


# --- What goes on as before


async def test_a_pull_request_of_a_fork(world: World) -> None:
    """It is handled as any other, and the fork is not stored."""
    shop, fork = repo("acme/shop", SHOP), repo("jane/shop", FORK)
    await world.passes(pull(5, 1, shop, branch="main", head_repo=fork))
    await world.passes(payloads.push("main", ["Merge"], repo=repo("acme/shop", SHOP, 2)))
    assert ("acme/shop", 5) in await world.places()
    assert await world.names() == {"acme/shop", "acme/vault"}
    commits = await world.bot.walk("/api/v1/experiments/a/commits")
    assert {one["repository"] for one in commits} == {"acme/vault"}
    assert world.asked() == 0


@pytest.mark.parametrize("new", ["acme/store", "globex/shop"])
@pytest.mark.parametrize("has_id", [True, False])
@both_credentials
@slow
async def test_an_allowed_repository_is_renamed(world: World, new: str, has_id: bool) -> None:
    """It keeps its place: deliveries go on, and the bot goes on acting there."""
    world.github.open_pull("acme/shop", 1, title="Try", body="experiment_key: a")
    await world.passes(pull(1, 0, repo("acme/shop", SHOP if has_id else None)))
    if new.startswith("acme/"):
        told = renamed("acme/shop", repo(new, SHOP, 5))
    else:
        changes = {"owner": {"from": {"organization": {"login": "acme"}}}}
        told = payloads.repository_event("transferred", repo(new, SHOP, 5), changes)
        for installation in world.github.installations.values():
            installation.account = "globex"
    world.github.rename_repository("acme/shop", new)
    await world.passes(told)
    await world.passes(pull(2, 6, repo(new, SHOP, 6)))
    assert {(new, 1), (new, 2)} < await world.places()
    assert world.asked() == 0

    outbox = Outbox(world.bot.services)
    await outbox.work_off()
    actions = await world.bot.walk("/api/v1/actions?kind=pull_request", limit=200)
    results = {one["number"]: one["result"] for one in actions if one["repository"] == new}
    assert results[1]["status_comment"]["status"] == "done"
    body = {"integration_id": world.narrow, "repository": new, "number": 1}
    await world.bot.experiment("b")
    answer = await world.bot.post("/api/v1/experiments/b/pull-requests", body)
    assert (answer.status, answer.body.get("repository")) == (201, new)


async def test_any_newer_delivery_tells_of_a_rename(world: World) -> None:
    """The delivery of the rename itself may be lost."""
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)))
    await world.passes(pull(2, 5, repo("globex/store", SHOP, 5)))
    assert {("globex/store", 1), ("globex/store", 2)} < await world.places()


async def test_what_was_known_before_there_was_a_list(world: World) -> None:
    """A repository that has been heard of under a listed name comes under it."""
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)), world.wide)
    await world.passes(renamed("acme/shop", repo("acme/store", SHOP, 5)))
    await world.passes(pull(1, 6, repo("acme/store", SHOP, 6)))


async def test_all_of_an_owner(world: World) -> None:
    """Who has come under `owner/*` keeps its place, too."""
    other = await integration(world.bot, repositories=["Globex/*"])
    await world.passes(pull(1, 0, repo("globex/site", 7)), other)
    await world.passes(renamed("globex/site", repo("initech/site", 7, 5)), other)
    await world.passes(pull(2, 6, repo("initech/site", 7, 6)), other)
    await world.is_refused(pull(2, 6, repo("initech/other", 8, 6)), other)
    await world.is_refused(pull(2, 6, repo("globexx/site", 9, 6)), other)


async def test_a_place_ends_with_its_entry(world: World) -> None:
    """An entry that is taken off and put back is free for the name's next repository."""
    path = f"/api/v1/integrations/{world.narrow}"
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)))
    await world.passes(renamed("acme/shop", repo("acme/store", SHOP, 5)))
    for listed in (["acme/other"], ["acme/shop"]):
        answer = await world.bot.patch(path, {"config": {"repositories": listed}})
        assert answer.status == 200
        await world.is_refused(pull(1, 6, repo("acme/store", SHOP, 6)))
    await world.passes(pull(1, 6, repo("acme/shop", 4711, 6)))
    assert world.asked() == 0


async def test_what_is_about_no_repository(world: World) -> None:
    for event, payload in (
        ("ping", {"zen": "Keep it logically awesome."}),
        ("installation", {"action": "created", "installation": {"id": 5}}),
    ):
        answer = await world.bot.deliver(world.narrow, event, payload)
        assert (answer.status, answer.body) == (200, PROCESSED)
