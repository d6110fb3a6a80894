"""What GitHub is asked about an allow-list, and what names repositories beside the listed one."""

from dataclasses import replace
from typing import Any

import pytest

from bot import times
from bot.deliveries.admission import Names
from bot.deliveries.life import retry_due
from bot.demo import payloads
from bot.github.names import web_host
from tests.domain.allow_list.world import SHOP, VAULT, World, both_credentials, pull, renamed, repo
from tests.github import Fault
from tests.kit.deliveries import PROCESSED, at

WAITING = {"processed": False, "reason": "will be retried"}


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
    await retry_due(world.bot.services)
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


async def test_an_issue_in_what_has_come_under_a_listed_name(world: World, impatient: None) -> None:
    """A name means whoever has it now, which GitHub is asked."""
    await world.passes(payloads.push("main", ["One"], repo=repo("acme/shop", SHOP)))
    world.github.rename_repository("acme/shop", "acme/store")
    await world.passes(renamed("acme/shop", repo("acme/store", SHOP, 5)))
    await world.passes(pull(1, 6, repo("acme/shop", 4711, 6), title="Theirs"), world.wide)
    path = "/api/v1/experiments/a/issues"
    body = {"integration_id": world.narrow, "repository": "acme/shop", "title": "T"}
    world.github.fail(Fault("status", status=500, times=1))
    answer = await world.bot.post(path, body)
    assert (answer.status, answer.body["error"]) == (503, "GitHub unavailable")
    world.bot.services._shared.pop(Names)  # some time later
    answer = await world.bot.post(path, body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")
    world.github.repositories.pop("acme/shop", None)
    world.github.add_repository("acme/shop", id=4711)
    world.bot.services._shared.pop(Names)
    answer = await world.bot.post(path, body)
    assert answer.status == 202


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


@pytest.mark.parametrize(
    "address",
    [None, "https://elsewhere.example/acme/shop/pull/5", "javascript:/acme/shop/pull/5"],
)
async def test_addresses_elsewhere_are_not_kept(world: World, address: str | None) -> None:
    """What is shown of a listed repository leads to it."""
    shop = repo("acme/shop", SHOP, 1)
    vault = "https://github.com/acme/vault"
    told = pull(5, 1, shop)
    told["pull_request"]["html_url"] = address or f"{vault}/pull/1"
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
    host = web_host(world.github.url)
    for kind in ("pull-requests", "commits", "issues", "activity"):
        for one in await world.bot.walk(f"/api/v1/experiments/a/{kind}"):
            if one["repository"] == "acme/shop":
                assert one["html_url"].startswith(f"https://{host}/acme/shop/")


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
