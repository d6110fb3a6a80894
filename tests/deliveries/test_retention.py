"""What is old goes, in steps that nobody notices; what it taught stays."""

import asyncio
import uuid
from typing import Any
from unittest import mock

import pytest

from bot import storage as store
from bot import worker
from bot.deliveries.life import retry_due
from bot.demo import payloads
from bot.handlers.dispatch import Dispatcher
from bot.operations import linking
from tests.kit.clock import Clock
from tests.kit.deliveries import REPO
from tests.kit.running import Bot

AT = "2026-03-02T10:00:00Z"
DAY = 86_400
EXPERIMENT = "/api/v1/experiments/many"


def opened(number: int) -> dict[str, Any]:
    return payloads.pull_request("opened", number, AT, repo=REPO, body="experiment_key: many")


async def deliver(bot: Bot, integration: str, number: int) -> str:
    guid = str(uuid.uuid4())
    sent = await bot.deliver(integration, "pull_request", opened(number), guid=guid)
    assert sent.status in (200, 202)
    return guid


async def clear(bot: Bot) -> int:
    """Clear until there is no more to do; return the number of steps."""
    steps = 1
    while await worker.clear_some(bot.services):
        steps += 1
    return steps


async def ids(bot: Bot, integration: str) -> set[str]:
    stored = await bot.walk(f"/api/v1/integrations/{integration}/deliveries", 200)
    return {delivery["id"] for delivery in stored}


async def payload(bot: Bot, integration: str, guid: str) -> Any:
    return (await bot.get(f"/api/v1/integrations/{integration}/deliveries/{guid}")).body["payload"]


async def told(bot: Bot) -> list[Any]:
    """Return all that was learned: facts, links and feed."""
    pages = ("pull-requests", "commits", "issues", "activity")
    return [await bot.walk(f"{EXPERIMENT}/{page}", 200) for page in pages]


async def test_payloads_go_first_then_deliveries_and_facts_stay(bot: Bot, clock: Clock) -> None:
    integration = await bot.integration()
    await bot.experiment("many")
    first, second = [await deliver(bot, integration, number) for number in (1, 2)]
    before = await told(bot)
    clock.ahead += 29.9 * DAY
    await clear(bot)
    assert await payload(bot, integration, first) == opened(1)
    clock.ahead += 0.2 * DAY
    third = await deliver(bot, integration, 3)
    after = await told(bot)
    await clear(bot)
    assert await payload(bot, integration, first) is None
    assert await payload(bot, integration, third) == opened(3)
    assert await ids(bot, integration) == {first, second, third}
    replay = await bot.post(f"/api/v1/integrations/{integration}/deliveries/{first}/replay")
    assert replay.status in (409, 410)  # nothing is there to run again
    clock.ahead += 60 * DAY
    await clear(bot)
    assert await ids(bot, integration) == {third}
    gone = await bot.get(f"/api/v1/integrations/{integration}/deliveries/{first}")
    assert gone.status == 404
    assert await told(bot) == after
    assert after[0][1:] == before[0]


async def test_what_is_linked_after_its_deliveries_have_gone(bot: Bot, clock: Clock) -> None:
    """What they told of a pull request that named no experiment is known all the same."""
    integration = await bot.integration()
    await bot.experiment("many")
    for action, at, title in (("opened", AT, "First"), ("edited", "2026-03-02T11:00:00Z", "Now")):
        told_now = payloads.pull_request(action, 7, at, repo=REPO, title=title)
        await bot.tell(integration, told_now)
    clock.ahead += (bot.services.settings.delivery_days + 1) * DAY
    await bot.tell(integration, payloads.pull_request("opened", 8, AT, repo=REPO))
    await clear(bot)
    assert len(await ids(bot, integration)) == 1
    body = {"integration_id": integration, "repository": REPO["full_name"], "number": 7}
    with mock.patch.object(linking, "_fetch", return_value=None):
        answer = await bot.post(f"{EXPERIMENT}/pull-requests", body)
    assert (answer.status, answer.body["title"]) == (201, "Now")
    late = payloads.pull_request(
        "edited", 7, "2026-03-02T10:30:00Z", repo=REPO, body="experiment_key: many"
    )
    await bot.tell(integration, late)
    (linked,) = await bot.walk(f"{EXPERIMENT}/pull-requests")
    assert (linked["number"], linked["title"], linked["linked_by"]) == (7, "Now", "api")


async def test_the_last_delivery_of_each_integration_stays(bot: Bot, clock: Clock) -> None:
    integrations = [await bot.integration() for _ in range(3)]
    last = [[await deliver(bot, one, n) for n in range(1, 4)][-1] for one in integrations]
    seen = [await bot.get(f"/api/v1/integrations/{one}") for one in integrations]
    clock.ahead += 1000 * DAY
    await clear(bot)
    for one, guid, answer in zip(integrations, last, seen, strict=True):
        assert await ids(bot, one) == {guid}
        again = await bot.get(f"/api/v1/integrations/{one}")
        assert again.body["last_delivery_at"] == answer.body["last_delivery_at"] is not None


async def test_what_waits_for_a_retry_stays_until_it_was_tried(
    bot: Bot, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = await bot.integration()
    await bot.experiment("many")
    with monkeypatch.context() as broken:

        def fail(*_: Any) -> None:
            raise RuntimeError("out of order")

        broken.setattr(Dispatcher, "run", fail)
        waiting = await deliver(bot, integration, 1)
    last = await deliver(bot, integration, 2)
    clock.ahead += 1000 * DAY
    await clear(bot)
    assert await ids(bot, integration) == {waiting, last}
    assert await payload(bot, integration, waiting) == opened(1)
    assert await payload(bot, integration, last) is None
    await retry_due(bot.services)
    assert {link["number"] for link in (await told(bot))[0]} == {1, 2}
    await clear(bot)
    assert await ids(bot, integration) == {last}


async def test_a_deleted_integration_goes_with_its_deliveries_alone(bot: Bot) -> None:
    kept, deleted = await bot.integration(), await bot.integration()
    await bot.experiment("many")
    guid = await deliver(bot, kept, 1)
    for number in range(2, 6):
        await deliver(bot, deleted, number)
    before = await told(bot)
    assert (await bot.delete(f"/api/v1/integrations/{deleted}")).status == 204
    await clear(bot)
    await clear(bot)

    def rows(tx: store.Transaction) -> tuple[int, int]:
        counts = [
            tx.one(f"SELECT COUNT(*) AS count FROM {table}")
            for table in ("integrations", "deliveries")
        ]
        return counts[0]["count"], counts[1]["count"]  # type: ignore[index]

    assert await bot.services.database.read(rows) == (1, 1)
    assert await ids(bot, kept) == {guid}
    assert await told(bot) == before


async def test_clearing_goes_in_small_steps_between_deliveries(bot: Bot, clock: Clock) -> None:
    integration = await bot.integration()
    await bot.experiment("many")
    await multiply(bot, await deliver(bot, integration, 1), 1500)
    clock.ahead += 100 * DAY
    clearing = asyncio.create_task(clear(bot))
    sent = [await deliver(bot, integration, number) for number in range(2, 12)]
    assert await clearing >= 1500 // 200
    assert await ids(bot, integration) == set(sent)
    assert {link["number"] for link in (await told(bot))[0]} == set(range(1, 12))


async def multiply(bot: Bot, guid: str, count: int) -> None:
    """Store `count` copies of a delivery."""

    def job(tx: store.Transaction) -> None:
        row = tx.one("SELECT * FROM deliveries WHERE guid = :guid", {"guid": guid})
        assert row is not None
        columns = [name for name in dict(row) if name != "seq"]
        tx.run_many(
            f"INSERT INTO deliveries ({', '.join(columns)}) "
            f"VALUES ({', '.join(f':{name}' for name in columns)})",
            [{**dict(row), "guid": str(uuid.uuid4())} for _ in range(count)],
        )

    await bot.services.database.write(job)


async def test_a_step_is_bounded(bot: Bot, clock: Clock) -> None:
    integration = await bot.integration()
    await multiply(bot, await deliver(bot, integration, 1), 999)
    clock.ahead += 100 * DAY
    left = 1000
    while await worker.clear_some(bot.services):
        now = len(await ids(bot, integration))
        assert 0 < left - now <= 200
        left = now
    assert left == 1


async def test_what_the_settings_say_counts(bot: Bot, clock: Clock) -> None:
    object.__setattr__(bot.services.settings, "payload_days", 2)
    object.__setattr__(bot.services.settings, "delivery_days", 5)
    integration = await bot.integration()
    first, second = [await deliver(bot, integration, number) for number in (1, 2)]
    clock.ahead += 3 * DAY
    await clear(bot)
    assert await payload(bot, integration, first) is None
    clock.ahead += 3 * DAY
    await clear(bot)
    assert await ids(bot, integration) == {second}
