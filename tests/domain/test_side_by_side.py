"""What happens in one moment, or in two processes, makes one story."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.demo import payloads
from bot.settings import Settings
from tests.domain.lives import KEYS, PULL_REQUEST, body_of, clock, outcome, pull_request_payload
from tests.kit.marks import slow
from tests.kit.running import Bot, start

pytestmark = slow


async def test_one_moment_has_an_order_too(bot: Bot) -> None:
    """Within one second, what was opened was opened first, however late that is told."""
    integration = await bot.integration()
    await bot.experiment("alpha")
    closed = {"action": "closed", "at": clock(0), "state": "closed", "body": body_of(["alpha"])}
    opened = {"action": "opened", "at": clock(0), "body": body_of(["alpha"])}
    for version in (closed, opened):
        payload = pull_request_payload("acme/shop", version)
        await bot.deliver(integration, "pull_request", payload)
    found = await outcome(bot, "acme/shop", ["alpha"])
    assert found["pull request"]["state"] == "closed"
    assert [item["type"] for item in found["feed"]["alpha"]] == [
        "pull_request.closed",
        "pull_request.linked",
        "pull_request.opened",
    ]


async def test_deliveries_side_by_side_make_one_story(bot: Bot) -> None:
    """Deliveries that are handled at the same time end as if they had come one by one."""
    integration = await bot.integration()
    for key in KEYS:
        await bot.experiment(key)
    for version in PULL_REQUEST:
        payload = pull_request_payload("acme/one", version)
        await bot.deliver(integration, "pull_request", payload)
    together = [pull_request_payload("acme/two", version) for version in PULL_REQUEST[::-1] * 3]
    await asyncio.gather(*(bot.deliver(integration, "pull_request", one) for one in together))
    assert await outcome(bot, "acme/two", KEYS) == await outcome(bot, "acme/one", KEYS)


@pytest.fixture
async def bots(settings: Settings) -> AsyncIterator[tuple[Bot, Bot]]:
    """Two processes, as far as the database can tell, that share it."""
    running = await start(settings), await start(settings)
    yield running
    for bot in running:
        await bot.close()


ROUNDS = range(30)


async def together(bots: tuple[Bot, Bot], event: str, deliveries: list[Any]) -> None:
    """Deliver pairs of (integration, payload, guid) at once, each half through its own process."""
    await asyncio.gather(
        *(
            settled(bots[which], integration, event, payload, guid)
            for pair in deliveries
            for which, (integration, payload, guid) in enumerate(pair)
        )
    )


async def settled(bot: Bot, integration: str, event: str, payload: Any, guid: str | None) -> None:
    name = event if event != "any" else ("push" if "commits" in payload else "pull_request")
    answer = await bot.deliver(integration, name, payload, guid=guid)
    assert (answer.status, answer.body["processed"]) == (200, True), answer.body


async def test_processes_side_by_side_make_one_story(bots: tuple[Bot, Bot]) -> None:
    """A life that is taken in by two processes at once, in any order, is still one life."""
    integration = await bots[0].integration()
    for key in KEYS:
        await bots[0].experiment(key)
    for version in PULL_REQUEST:
        payload = pull_request_payload("acme/one", version)
        await bots[0].deliver(integration, "pull_request", payload)
    built = [pull_request_payload("acme/two", version) for version in PULL_REQUEST]
    pairs = [
        ((integration, first, None), (integration, second, None))
        for first, second in zip(built * 3, built[::-1] * 3, strict=True)
    ]
    await together(bots, "pull_request", pairs)
    assert await outcome(bots[1], "acme/two", KEYS) == await outcome(bots[0], "acme/one", KEYS)


async def test_two_integrations_hear_of_it_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """One delivery of each, under one delivery id: one pull request, one link, one of each news."""
    integrations = [await bots[0].integration(), await bots[0].integration()]
    await bots[0].experiment("alpha")
    pairs = []
    for number in ROUNDS:
        payload = pull_request_payload(f"acme/shop-{number}", PULL_REQUEST[0])
        guid = str(uuid.uuid4())
        pairs.append([(integration, payload, guid) for integration in integrations])
    await together(bots, "pull_request", pairs)
    links = await bots[1].walk("/api/v1/experiments/alpha/pull-requests")
    assert sorted(link["repository"] for link in links) == sorted(
        f"acme/shop-{number}" for number in ROUNDS
    )
    feed = await bots[1].walk("/api/v1/experiments/alpha/activity")
    assert len(feed) == 1 + 2 * len(ROUNDS)


async def test_a_push_and_its_pull_request_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """Neither misses the other."""
    integration = await bots[0].integration()
    await bots[0].experiment("alpha")
    pairs = []
    for number in ROUNDS:
        name = f"acme/shop-{number}"
        opened = pull_request_payload(name, PULL_REQUEST[0])
        pushed = payloads.push("feature", ["One"], repo=payloads.repository(name))
        pairs.append(((integration, opened, None), (integration, pushed, None)))
    await together(bots, "any", pairs)
    commits = await bots[1].walk("/api/v1/experiments/alpha/commits")
    assert len(commits) == len(ROUNDS)


async def test_both_halves_of_a_transfer_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """The issue is in one place afterwards."""
    integration = await bots[0].integration()
    await bots[0].experiment("alpha")
    old_repo, new_repo = payloads.repository("acme/old"), payloads.repository("acme/new")
    values: dict[str, Any] = {"title": "Track experiment: alpha"}
    pairs = []
    for number in range(1, 1 + len(ROUNDS)):
        known = payloads.issue("opened", number, clock(0), repo=old_repo, **values)
        await bots[0].deliver(integration, "issues", known)
        leaves = payloads.issue("transferred", number, clock(1), repo=old_repo, **values)
        arrives = payloads.issue("opened", 100 + number, clock(1), repo=new_repo, **values)
        leaves["changes"] = {"new_issue": arrives["issue"], "new_repository": new_repo}
        arrives["changes"] = {"old_issue": leaves["issue"], "old_repository": old_repo}
        pairs.append(((integration, leaves, None), (integration, arrives, None)))
    await together(bots, "issues", pairs)
    links = await bots[1].walk("/api/v1/experiments/alpha/issues")
    assert {link["repository"] for link in links} == {"acme/new"}
    assert len(links) == len(ROUNDS)


async def test_a_link_and_its_experiment_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """The link does not go on waiting for an experiment that is there."""
    integration = await bots[0].integration()

    async def create(number: int) -> None:
        await bots[1].experiment(f"alpha-{number}")

    async def link(number: int) -> None:
        body = body_of([f"alpha-{number}"])
        version = {"action": "opened", "at": clock(0), "body": body}
        payload = pull_request_payload(f"acme/shop-{number}", version)
        await settled(bots[0], integration, "pull_request", payload, None)

    await asyncio.gather(*(act(number) for number in ROUNDS for act in (create, link)))
    assert (await bots[0].get("/api/v1/links/unresolved")).items == []
