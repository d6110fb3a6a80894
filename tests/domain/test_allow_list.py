"""The allow-list: a delivery reaches the repository that it is about, if listed, and no other.

Two integrations of one bot: `wide` has no list and knows a private repository, `narrow` lists
`acme/shop` alone. Whoever has narrow's secret must not reach what only wide may tell of.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot import times, worker
from bot.deliveries.admission import Names
from bot.demo import payloads
from bot.outbox.loop import Outbox
from bot.settings import Settings
from tests.github import Fault, GitHub, rsa_key
from tests.kit import outbound
from tests.kit.clock import Clock
from tests.kit.deliveries import PROCESSED, at
from tests.kit.marks import sqlite_only
from tests.kit.outbound import APP, INSTALLATION, LOGIN, PERMISSIONS, TOKEN
from tests.kit.running import Answer, Bot, event_of, start

NOT_ALLOWED = {"processed": False, "reason": "repository not allowed"}
WAITING = {"processed": False, "reason": "will be retried"}
SHOP, VAULT, FORK = 1001, 1002, 1003

both_credentials = pytest.mark.parametrize("credential", ["token", "app"], indirect=True)


def repo(name: str, github_id: int | None, minute: int = 0) -> dict[str, Any]:
    found = payloads.repository(name, github_id or 1, updated_at=at(minute))
    if github_id is None:
        del found["id"]
    return found


def pull(number: int, minute: int, where: dict[str, Any], **more: Any) -> dict[str, Any]:
    return payloads.pull_request(
        "edited", number, at(minute), repo=where, **{"body": "experiment_key: a", **more}
    )


def renamed(old: str, new: dict[str, Any]) -> dict[str, Any]:
    changes = {"repository": {"name": {"from": old.split("/")[1]}}}
    return payloads.repository_event("renamed", new, changes)


@dataclass
class World:
    """A GitHub with three repositories, and a bot of which two integrations hear of them."""

    bot: Bot
    github: GitHub
    wide: str
    narrow: str
    clock: Clock

    async def send(self, payload: dict[str, Any], through: str | None = None) -> Answer:
        return await self.bot.deliver(through or self.narrow, event_of(payload), payload)

    async def passes(self, payload: dict[str, Any], through: str | None = None) -> None:
        answer = await self.send(payload, through)
        assert (answer.status, answer.body) == (200, PROCESSED)

    async def is_refused(self, payload: dict[str, Any], through: str | None = None) -> None:
        answer = await self.send(payload, through)
        assert (answer.status, answer.body) == (200, NOT_ALLOWED)

    async def known(self) -> dict[str, Any]:
        """Return what the bot knows of repositories and what is in them."""
        queries = {
            "repositories": "SELECT host, github_id, full_name, deleted_at FROM repositories",
            "items": "SELECT repository_id, kind, number, title, state, gone_at FROM items",
            "links": "SELECT experiment_key, kind, target_id, linked_by FROM links",
        }
        return await self.bot.services.database.read(
            lambda tx: {
                name: sorted(repr(dict(row)) for row in tx.all(sql))
                for name, sql in queries.items()
            }
        )

    async def names(self) -> set[str]:
        rows = await self.bot.services.database.read(
            lambda tx: tx.all("SELECT full_name FROM repositories")
        )
        return {row["full_name"] for row in rows}

    async def places(self) -> set[tuple[str, int]]:
        """Repository and number of each pull request of experiment `a`."""
        items = await self.bot.walk("/api/v1/experiments/a/pull-requests")
        return {(item["repository"], item["number"]) for item in items}

    def asked(self, name: str | None = None) -> int:
        """Return how often GitHub was asked what a repository is."""
        path = None if name is None else f"/repos/{name}"
        return len(self.github.calls("GET /repos/{owner}/{repo}", path))


async def integration(bot: Bot, credential: str = "token", **config: Any) -> str:
    answer = await bot.post(
        "/api/v1/integrations",
        {
            "name": "Tests",
            "integration_type": "GITHUB",
            "config": {**outbound.credentials(credential), **config},
        },
    )
    assert answer.status == 201, answer.body
    identifier: str = answer.body["id"]
    return identifier


@pytest.fixture
def credential(request: pytest.FixtureRequest) -> str:
    """A token, unless a test names another."""
    name: str = getattr(request, "param", "token")
    return name


@pytest.fixture
async def world(settings: Settings, credential: str, clock: Clock) -> AsyncIterator[World]:
    github = await GitHub.start(clock=clock)
    github.add_repository("acme/shop", id=SHOP)
    github.add_repository("acme/vault", id=VAULT, private=True)
    github.add_repository("jane/shop", id=FORK)
    if credential == "app":
        github.add_app(APP, rsa_key(), LOGIN, permissions=PERMISSIONS, events=["pull_request"])
        github.add_installation(APP, INSTALLATION, "acme", repositories="all")
    else:
        github.add_token(TOKEN, LOGIN)
    bot = await start(replace(settings, github_api_urls=(github.url,)))
    wide, narrow = [
        await integration(bot, credential, repositories=listed) for listed in (None, ["Acme/Shop"])
    ]
    await bot.experiment("a")
    world = World(bot, github, wide, narrow, clock)
    vault = repo("acme/vault", VAULT)
    await world.passes(pull(1, 0, vault, branch="secret"), wide)
    await world.passes(
        payloads.issue("opened", 2, at(0), repo=vault, body="experiment_key: a"), wide
    )
    await world.passes(payloads.push("secret", ["One"], repo=vault), wide)
    yield world
    await bot.close()
    await github.close()
    assert github.violations == []


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
    moved = payloads.issue_object(2, at(9), repo=there, title="Mine", body="experiment_key: b")
    changes = {"new_repository": there, "new_issue": moved}
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
    old = payloads.issue_object(2, at(0), repo=there, title="Old")
    changes = {"old_repository": there, "old_issue": old}
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
    actions = await world.bot.walk("/api/v1/actions?kind=status_comment", limit=200)
    states = {one["number"]: one["status"] for one in actions if one["repository"] == new}
    assert states[1] == "done"
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


# --- What GitHub is asked


@both_credentials
async def test_a_repository_comes_under_a_listed_name(world: World) -> None:
    """GitHub confirms it to this credential, and the delivery is handled at once."""
    world.github.rename_repository("acme/shop", "acme/old")
    world.github.rename_repository("acme/vault", "acme/shop")
    await world.passes(pull(9, 9, repo("acme/shop", VAULT, 9)))
    assert {("acme/shop", 1), ("acme/shop", 9)} <= await world.places()
    assert world.asked("acme/shop") == 1
    await world.passes(pull(10, 10, repo("acme/shop", VAULT, 10)))
    assert world.asked() == 1  # it has its place now


async def test_a_new_repository_takes_over_a_listed_name(world: World) -> None:
    """The one before keeps its place under its new name."""
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)))
    world.github.rename_repository("acme/shop", "acme/store")
    await world.passes(renamed("acme/shop", repo("acme/store", SHOP, 5)))
    world.github.add_repository("acme/shop", id=4711)
    await world.passes(pull(1, 6, repo("acme/shop", 4711, 6)))
    await world.passes(pull(2, 7, repo("acme/store", SHOP, 7)))
    assert {("acme/store", 1), ("acme/shop", 1), ("acme/store", 2)} < await world.places()


async def test_a_name_that_was_given_up_proves_nothing(world: World) -> None:
    """GitHub leads from an old name to the repository under its new one."""
    world.github.repositories.pop("acme/shop")
    world.github.rename_repository("acme/vault", "acme/shop")
    world.github.rename_repository("acme/shop", "acme/vault")
    await world.is_refused(pull(1, 9, repo("acme/shop", VAULT, 9)))
    assert world.asked("acme/shop") == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500, times=None),
        Fault("status", status=401, times=None),
        Fault("status", status=403, headers={"Retry-After": "60"}, times=None),
        Fault("drop_before", times=None),
    ],
    ids=["500", "401", "limit", "no answer"],
)
async def test_github_cannot_be_asked(world: World, fault: Fault) -> None:
    """The delivery is kept and waits; it is taken in, or refused, once GitHub answers."""
    path = f"/api/v1/integrations/{world.narrow}/deliveries"
    listed = f"{path}?event=pull_request"
    await world.passes(payloads.push("main", ["One"], repo=repo("acme/shop", SHOP)))
    world.github.fail(replace(fault))
    world.github.rename_repository("acme/shop", "acme/old")
    world.github.rename_repository("acme/vault", "acme/shop")
    payload = pull(9, 9, repo("acme/shop", VAULT, 9))
    forged = pull(9, 9, repo("acme/shop", 4711, 9))
    for one in (payload, forged):
        answer = await world.send(one)
        assert (answer.status, answer.body) == (202, WAITING)
    for delivery in await world.bot.walk(listed):
        assert (delivery["status"], delivery["error"]) == ("retrying", "waiting for GitHub")
        replayed = (await world.bot.post(f"{path}/{delivery['id']}/replay")).body
        assert (replayed["status"], replayed["error"]) == ("retrying", "waiting for GitHub")
    assert len(world.github.calls()) <= 3  # nobody is asked again and again meanwhile
    assert ("acme/shop", 9) not in await world.places()

    world.github.heal()
    world.bot.services._shared.pop(Names)  # some time later
    world.clock.ahead += 600
    await worker.retry_due(world.bot.services)
    states = [(one["status"], one["error"]) for one in await world.bot.walk(listed)]
    assert states == [("ignored", "repository not allowed"), ("processed", None)]
    assert ("acme/shop", 9) in await world.places()
    (refused, _) = await world.bot.walk(listed)
    shown = (await world.bot.get(f"{path}/{refused['id']}")).body
    assert shown["payload"] is None


async def test_a_replay_obeys_the_list_of_the_day(world: World) -> None:
    """What was taken in stays; what failed is refused if it is not allowed any more."""
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)))
    path = f"/api/v1/integrations/{world.narrow}"
    (delivery,) = await world.bot.walk(f"{path}/deliveries")
    await world.bot.patch(path, {"config": {"repositories": ["acme/other"]}})
    answer = await world.bot.post(f"{path}/deliveries/{delivery['id']}/replay")
    assert (answer.status, answer.body["status"]) == (200, "processed")


# --- The API


async def test_a_request_obeys_the_list(world: World) -> None:
    """Also where GitHub leads from a listed name to a repository that is not listed."""
    world.github.open_pull("acme/vault", 1, title="Secret")
    body = {"integration_id": world.narrow, "number": 1}
    before = await world.known()
    for name in ("acme/vault", "acme/old"):
        answer = await world.bot.post(
            "/api/v1/experiments/a/pull-requests", {**body, "repository": name}
        )
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
    world.github.repositories.pop("acme/shop")
    world.github.rename_repository("acme/vault", "acme/shop")
    world.github.rename_repository("acme/shop", "acme/vault")
    answer = await world.bot.post(
        "/api/v1/experiments/a/pull-requests", {**body, "repository": "acme/shop"}
    )
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
    assert await world.known() == before


async def test_odd_text_in_an_answer_of_github(world: World) -> None:
    """What GitHub's API says is kept as what it delivers: without what no database keeps."""
    world.github.open_pull("acme/shop", 1, title="Try \0 now", body="\0")
    body = {"integration_id": world.narrow, "repository": "acme/shop", "number": 1}
    answer = await world.bot.post("/api/v1/experiments/a/pull-requests", body)
    assert (answer.status, answer.body["title"]) == (201, "Try \ufffd now")


async def test_a_time_from_the_future_in_an_answer_of_github(world: World) -> None:
    """A clock that is wrong there does not freeze a pull request here."""
    world.github.open_pull("acme/shop", 1, title="Old").updated_at = world.clock() + 10**8
    body = {"integration_id": world.narrow, "repository": "acme/shop", "number": 1}
    await world.bot.post("/api/v1/experiments/a/pull-requests", body)
    now = times.render(times.now() + times.SECOND)
    payload = pull(1, 0, repo("acme/shop", SHOP), title="New")
    payload["pull_request"]["updated_at"] = now
    await world.passes(payload)
    titles = {one["title"] for one in await world.bot.walk("/api/v1/experiments/a/pull-requests")}
    assert "New" in titles and "Old" not in titles


# --- What is about a listed repository and names others


async def test_a_name_that_has_passed_to_another_repository(world: World) -> None:
    """A payload without an id means whoever has the name now, which has no place on the list."""
    await world.passes(pull(1, 0, repo("acme/shop", SHOP)))
    world.github.rename_repository("acme/shop", "acme/store")
    await world.passes(renamed("acme/shop", repo("acme/store", SHOP, 5)))
    await world.passes(pull(1, 6, repo("acme/shop", 4711, 6), title="Theirs"), world.wide)
    before = await world.known()
    sample = pull(1, 9, repo("acme/shop", None, 9), title="Mine")
    await world.is_refused(sample)
    assert await world.known() == before
    world.github.add_repository("acme/shop", id=4711)
    world.bot.services._shared.pop(Names)  # some time later
    await world.passes(sample)
    assert world.asked("acme/shop") == 2


async def test_addresses_elsewhere_are_not_kept(world: World) -> None:
    """What is shown of a listed repository leads to it."""
    shop = repo("acme/shop", SHOP, 1)
    vault = "https://github.com/acme/vault"
    told = pull(5, 1, shop)
    told["pull_request"]["html_url"] = f"{vault}/pull/1"
    push = payloads.push(
        "main", ["One\n\nExperiment-Key: a", "Two\n\nExperiment-Key: a"], repo=shop
    )
    push["repository"] = {**shop, "html_url": vault}
    push["commits"][0]["url"] = f"{vault}/commit/1"
    push["commits"][1].pop("url")
    issue = payloads.issue("opened", 6, at(1), repo=shop, body="experiment_key: a")
    issue["issue"]["html_url"] = f"{vault}/issues/2"
    for payload in (told, push, issue):
        await world.passes(payload)
    for kind in ("pull-requests", "commits", "issues", "activity"):
        for one in await world.bot.walk(f"/api/v1/experiments/a/{kind}"):
            if one["repository"] == "acme/shop":
                assert "/acme/shop/" in one["html_url"]


async def test_an_installation_with_others(world: World) -> None:
    """Only those that are listed are kept of an installation's repositories."""
    named = [{"id": SHOP, "full_name": "acme/shop"}, {"id": VAULT, "full_name": "acme/vault"}]
    told: list[tuple[str, dict[str, Any]]] = [
        ("installation", {"action": "created", "repositories": named}),
        ("installation_repositories", {"action": "added", "repositories_added": named}),
        ("installation_repositories", {"action": "removed", "repositories_removed": named[1:]}),
    ]
    for event, payload in told:
        payload["installation"] = {"id": 5}
        answer = await world.bot.deliver(world.narrow, event, payload)
        assert answer.body == PROCESSED
    rows = await world.bot.services.database.read(
        lambda tx: tx.all("SELECT full_name, removed FROM installation_repositories")
    )
    assert [(row["full_name"], row["removed"]) for row in rows] == [("acme/shop", 0)]
