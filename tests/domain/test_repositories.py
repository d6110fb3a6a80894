"""Repositories under their names of the day, and the installations that see them."""

from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.deliveries import at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

ID = 4711


def repo(name: str, minute: int = 0, github_id: int | None = ID) -> dict[str, Any]:
    """A repository as payloads show it, last changed at a minute."""
    found = payloads.repository(name, github_id or 1, updated_at=at(minute))
    if github_id is None:
        del found["id"]
    return found


def pull(number: int, minute: int, where: dict[str, Any]) -> dict[str, Any]:
    return payloads.pull_request("edited", number, at(minute), repo=where, body="experiment_key: a")


def renamed(old: str, new: dict[str, Any]) -> dict[str, Any]:
    return payloads.repository_event(
        "renamed", new, {"repository": {"name": {"from": old.split("/")[1]}}}
    )


def transferred(old_owner: str, new: dict[str, Any], kind: str = "organization") -> dict[str, Any]:
    changes = {"owner": {"from": {kind: {"login": old_owner, "id": 1}}}}
    return payloads.repository_event("transferred", new, changes)


async def places(bot: Bot) -> list[tuple[str, int]]:
    """Repository and number of each pull request of experiment `a`."""
    items = await bot.walk("/api/v1/experiments/a/pull-requests")
    return sorted((item["repository"], item["number"]) for item in items)


@pytest.fixture
async def integration(bot: Bot) -> str:
    """An integration of a service with one experiment, `a`."""
    await bot.experiment("a")
    return await bot.integration()


MOVES = {
    "renamed": ("acme/shop", "acme/store", renamed("acme/shop", repo("acme/store", 5))),
    "transferred from an organization": (
        "acme/shop",
        "globex/shop",
        transferred("acme", repo("globex/shop", 5)),
    ),
    "transferred from a user": (
        "mona/shop",
        "globex/shop",
        transferred("mona", repo("globex/shop", 5), "user"),
    ),
}


@pytest.mark.parametrize("old, new, delivery", MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("has_id", [True, False], ids=["by id", "known by name only"])
async def test_a_move_keeps_every_link(
    bot: Bot, integration: str, old: str, new: str, delivery: dict[str, Any], has_id: bool
) -> None:
    """Everything is under the new name, in lists, feed and look-ups."""
    before = repo(old, 0, ID if has_id else None)
    push = payloads.push("main", ["One\n\nExperiment-Key: a"], repo=before)
    await bot.deliver(integration, "push", push)
    issue = payloads.issue("opened", 2, at(0), repo=before, body="experiment_key: a")
    await bot.deliver(integration, "issues", issue)
    await bot.tell(integration, pull(1, 0, before), delivery)
    for kind in ("pull-requests", "issues", "commits", "activity"):
        items = (await bot.get(f"/api/v1/experiments/a/{kind}")).items
        assert {item["repository"] for item in items} - {None} == {new}, kind
    assert (await bot.get(f"/api/v1/pull-requests/{new}/1")).body["repository"] == new
    assert (await bot.get(f"/api/v1/pull-requests/{old}/1")).status == 404
    await bot.tell(integration, pull(1, 6, repo(new, 6)))
    assert await places(bot) == [(new, 1)]


async def test_a_late_event_does_not_rename_back(bot: Bot, integration: str) -> None:
    """A payload with the old name is about the same repository, but knows no better."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.tell(integration, renamed("acme/shop", repo("acme/store", 5)))
    await bot.tell(integration, pull(2, 4, repo("acme/shop", 4)))
    assert await places(bot) == [("acme/store", 1), ("acme/store", 2)]


async def test_a_late_rename_does_not_rename_back(bot: Bot, integration: str) -> None:
    """Of two renames the newer one counts, whichever comes last."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.tell(integration, renamed("acme/store", repo("acme/market", 6)))
    await bot.tell(integration, renamed("acme/shop", repo("acme/store", 5)))
    assert await places(bot) == [("acme/market", 1)]


async def test_any_newer_event_tells_of_a_rename(bot: Bot, integration: str) -> None:
    """The delivery of the rename itself may be lost."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.tell(integration, pull(2, 3, repo("acme/store", 3)))
    assert await places(bot) == [("acme/store", 1), ("acme/store", 2)]


@pytest.mark.parametrize("has_times", [True, False])
async def test_a_repository_known_by_name_is_adopted_by_its_id(
    bot: Bot, integration: str, has_times: bool
) -> None:
    """What samples without an id told belongs to the repository that has the name."""
    nameless = repo("acme/shop", 0, None)
    if not has_times:
        del nameless["updated_at"]
    await bot.tell(integration, pull(1, 0, nameless), pull(2, 1, repo("acme/shop", 1)))
    await bot.tell(integration, pull(3, 2, repo("Acme/Shop", 1, None)))
    await bot.tell(integration, renamed("acme/shop", repo("acme/store", 5)))
    assert await places(bot) == [("acme/store", 1), ("acme/store", 2), ("acme/store", 3)]


async def test_a_name_may_pass_to_another_repository(bot: Bot, integration: str) -> None:
    """The old one keeps its links under its own name, the new one begins with none."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.tell(integration, renamed("acme/shop", repo("acme/store", 5)))
    await bot.tell(integration, pull(1, 6, repo("acme/shop", 6, 4712)))
    assert await places(bot) == [("acme/shop", 1), ("acme/store", 1)]
    found = (await bot.get("/api/v1/pull-requests/acme/shop/1")).body
    assert (found["repository"], len(found["experiments"])) == ("acme/shop", 1)


async def test_a_name_is_its_newest_holders(bot: Bot, integration: str) -> None:
    """Also while nobody has told yet that the old one was renamed."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    newcomer = payloads.pull_request("opened", 1, at(6), repo=repo("acme/shop", 6, 4712))
    await bot.tell(integration, newcomer)
    assert (await bot.get("/api/v1/pull-requests/acme/shop/1")).body["experiments"] == []
    await bot.tell(integration, renamed("acme/shop", repo("acme/store", 5)))
    assert await places(bot) == [("acme/store", 1)]
    assert (await bot.get("/api/v1/pull-requests/acme/shop/1")).body["experiments"] == []


async def test_a_deleted_repository_closes_what_was_open(bot: Bot, integration: str) -> None:
    """Links and feed stay as history."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.deliver(
        integration,
        "issues",
        payloads.issue("opened", 2, at(0), repo=repo("acme/shop"), title="Track experiment: a"),
    )
    await bot.tell(integration, payloads.repository_event("deleted", repo("acme/shop", 5)))
    (found,) = (await bot.get("/api/v1/experiments/a/pull-requests")).items
    assert (found["state"], found["linked_by"]) == ("closed", "body")
    (issue,) = (await bot.get("/api/v1/experiments/a/issues")).items
    assert (issue["state"], issue["linked_by"]) == ("closed", "title")
    types = [item["type"] for item in (await bot.get("/api/v1/experiments/a/activity")).items]
    assert sorted(types[:2]) == ["issue.closed", "pull_request.closed"]


async def test_a_deleted_repository_gives_its_name_away(bot: Bot, integration: str) -> None:
    """A new repository of that name is another one."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.tell(integration, payloads.repository_event("deleted", repo("acme/shop", 5)))
    newcomer = payloads.pull_request("opened", 1, at(6), repo=repo("acme/shop", 6, 4712))
    await bot.tell(integration, newcomer)
    found = (await bot.get("/api/v1/pull-requests/acme/shop/1")).body
    assert (found["state"], found["experiments"]) == ("open", [])


async def test_a_replayed_rename_changes_nothing(bot: Bot, integration: str) -> None:
    """Neither does any other delivery of the story."""
    await bot.tell(integration, pull(1, 0, repo("acme/shop", 0)))
    await bot.tell(integration, renamed("acme/shop", repo("acme/store", 5)))
    await bot.tell(integration, renamed("acme/store", repo("acme/market", 7)))
    page = f"/api/v1/integrations/{integration}/deliveries"
    for delivery in (await bot.get(page)).items:
        assert (await bot.post(f"{page}/{delivery['id']}/replay")).status == 200
        assert await places(bot) == [("acme/market", 1)]


@sqlite_only
@pytest.mark.parametrize("action", ["edited", "privatized", "created"])
async def test_other_news_of_a_repository_is_not_needed(
    bot: Bot, integration: str, action: str
) -> None:
    """There is no handler for it."""
    payload = payloads.repository_event(action, repo("acme/shop"))
    answer = await bot.deliver(integration, "repository", payload)
    assert answer.body == {"processed": False, "reason": "no handler"}


def installation(action: str, minute: int, **values: Any) -> dict[str, Any]:
    return {
        "action": action,
        "installation": {
            "id": 100,
            "account": payloads.user("acme"),
            "repository_selection": "selected",
            "app_id": 12345,
            "created_at": at(0),
            "updated_at": at(minute),
            "suspended_at": at(minute) if action == "suspend" else None,
        },
        "sender": payloads.user("mona"),
        **values,
    }


def seen(*names: str) -> list[dict[str, Any]]:
    return [
        {"id": payloads.number_of(name), "full_name": name, "name": name.split("/")[1]}
        for name in names
    ]


async def installations(bot: Bot, integration: str, *deliveries: dict[str, Any]) -> Any:
    """Tell of installations, and return what the integration shows of them."""
    for payload in deliveries:
        is_list = "repositories_added" in payload
        event = "installation_repositories" if is_list else "installation"
        answer = await bot.deliver(integration, event, payload)
        assert (answer.status, answer.body) == (200, {"processed": True})
    return (await bot.get(f"/api/v1/integrations/{integration}")).body["installations"]


CREATED = installation("created", 0, repositories=seen("acme/a", "acme/b"))
SHOWN = {
    "installation_id": 100,
    "account": "acme",
    "repository_selection": "selected",
    "repositories": 2,
    "suspended_at": None,
    "html_url": None,
    "permissions": None,
    "lacks": [],
    "unheard": [],
}


async def test_an_installation_is_shown(bot: Bot, integration: str) -> None:
    """Where the App is installed, and how many repositories it sees."""
    assert await installations(bot, integration) == []
    assert await installations(bot, integration, CREATED) == [SHOWN]
    (listed,) = (await bot.get("/api/v1/integrations")).items
    assert listed["installations"] == [SHOWN]


async def test_an_installation_may_rest_and_end(bot: Bot, integration: str) -> None:
    """Suspended, taken up again, and gone once it is deleted."""
    suspend, unsuspend = installation("suspend", 1), installation("unsuspend", 2)
    found = await installations(bot, integration, CREATED, suspend)
    assert found == [{**SHOWN, "suspended_at": at(1)}]
    assert await installations(bot, integration, unsuspend) == [SHOWN]
    assert await installations(bot, integration, suspend) == [SHOWN]
    assert await installations(bot, integration, installation("deleted", 3)) == []
    assert await installations(bot, integration, unsuspend, CREATED) == []


def chosen(action: str, minute: int, added: Any = (), removed: Any = ()) -> dict[str, Any]:
    return installation(
        action,
        minute,
        repository_selection="selected",
        repositories_added=list(added),
        repositories_removed=list(removed),
    )


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1, 0]])
async def test_repositories_of_an_installation(
    bot: Bot, integration: str, order: list[int]
) -> None:
    """Added and removed ones are counted as the newest word on each says."""
    story = [
        CREATED,
        chosen("added", 1, added=seen("acme/c", "acme/d")),
        chosen("removed", 2, removed=seen("acme/a", "acme/d")),
    ]
    (found,) = await installations(bot, integration, *(story[position] for position in order))
    assert found["repositories"] == 2


async def test_installations_belong_to_their_integration(bot: Bot, integration: str) -> None:
    """Another integration shows its own."""
    other = await bot.integration()
    await installations(bot, integration, CREATED)
    assert await installations(bot, other) == []
