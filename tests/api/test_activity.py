"""The activity feed, a page at a time and as a live stream."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.demo import payloads
from bot.domain.activity import TYPES
from bot.settings import Settings
from tests.kit.deliveries import REPO, at
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import ADMIN_TOKEN, PATIENCE, Bot, start
from tests.kit.streams import STREAM, following

FEED = "/api/v1/experiments/a/activity"


async def tell(bot: Bot, integration: str, action: str, minute: int, **values: Any) -> None:
    """Deliver a version of a pull request that names experiment `a`; two items at most."""
    number = values.pop("number", 7)
    payload = payloads.pull_request(
        action, number, at(minute), repo=REPO, body="experiment_key: a", **values
    )
    answer = await bot.deliver(integration, "pull_request", payload)
    assert answer.body["processed"] is True


@pytest.fixture
async def integration(bot: Bot) -> str:
    """An integration of a service with one experiment, `a`."""
    await bot.experiment("a")
    return await bot.integration()


async def test_the_feed_is_newest_first(bot: Bot, integration: str) -> None:
    """By when it happened, not by when it was told."""
    await tell(bot, integration, "opened", 1)
    await tell(bot, integration, "opened", 5, number=9, created_at=at(5))
    await tell(bot, integration, "synchronize", 3, sha="1" * 40)
    items = (await bot.get(FEED)).items
    assert [item["type"] for item in items] == [
        "experiment.created",
        "pull_request.linked",
        "pull_request.opened",
        "pull_request.updated",
        "pull_request.linked",
        "pull_request.opened",
    ]
    moments = [item["occurred_at"] for item in items]
    assert moments == sorted(moments, reverse=True)


async def test_the_feed_is_filtered_by_type(bot: Bot, integration: str) -> None:
    """Every type of the contract is one, anything else is refused."""
    await tell(bot, integration, "opened", 1)
    everything = (await bot.get(FEED)).items
    assert len(everything) == 3
    for type_ in TYPES:
        expected = [item for item in everything if item["type"] == type_]
        assert (await bot.get(f"{FEED}?type={type_}")).items == expected
    for wrong in ("pull_request", "", "null", "pull_request.renamed"):
        answer = await bot.get(f"{FEED}?type={wrong}")
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, "type")


async def test_filter_and_cursor_go_together(bot: Bot, integration: str) -> None:
    """A filtered walk sees each item of its type once."""
    for number in range(7):
        await tell(bot, integration, "opened", number, number=10 + number)
    whole = (await bot.get(f"{FEED}?type=pull_request.linked")).items
    assert len(whole) == 7
    assert await bot.walk(f"{FEED}?type=pull_request.linked", limit=2) == whole


async def test_feeds_are_apart(bot: Bot, integration: str) -> None:
    """An experiment hears nothing of another."""
    await bot.experiment("b")
    await tell(bot, integration, "opened", 1)
    items = (await bot.get("/api/v1/experiments/b/activity")).items
    assert [item["type"] for item in items] == ["experiment.created"]


async def test_items_arrive_live(bot: Bot, integration: str) -> None:
    """As the lists show them, in the order in which they were recorded, and at once."""
    async with following(bot) as stream:
        await tell(bot, integration, "opened", 1)
        await bot.patch("/api/v1/experiments/a", {"status": "active"})
        async with asyncio.timeout(5):
            items = await stream.items(3)
        assert {item["type"] for item in items[:2]} == {
            "pull_request.opened",
            "pull_request.linked",
        }
        assert items[2]["type"] == "experiment.status_changed"
        listed = {item["id"]: item for item in (await bot.get(FEED)).items}
        assert all(listed[item["id"]] == item for item in items)
        assert await stream.is_quiet()


async def test_a_stream_begins_now(bot: Bot, integration: str) -> None:
    """What was before is in the lists; without `Last-Event-ID` the stream does not repeat it."""
    await tell(bot, integration, "opened", 1)
    async with following(bot) as stream:
        await tell(bot, integration, "closed", 2, state="closed")
        assert (await stream.item())["type"] == "pull_request.closed"


async def test_a_stream_resumes_without_gap_or_repeat(bot: Bot, integration: str) -> None:
    """However often it breaks, and whatever happens in between."""
    seen: list[dict[str, Any]] = []
    async with following(bot) as stream:
        await tell(bot, integration, "opened", 1)
        seen += await stream.items(2)
    for number in range(3):
        for more in range(4):
            await tell(bot, integration, "opened", 5, number=100 + 10 * number + more)
        async with following(bot, seen[-1]["id"]) as stream:
            seen += await stream.items(3 if number < 2 else 12)
    await tell(bot, integration, "closed", 9, state="closed")
    async with following(bot, seen[-1]["id"]) as stream:
        while seen[-1]["type"] != "pull_request.closed":
            seen.append(await stream.item())
        assert await stream.is_quiet()
    everything = (await bot.get(f"{FEED}?limit=200")).items
    expected = sorted(item["id"] for item in everything if item["type"] != "experiment.created")
    assert [item["id"] for item in seen] == expected
    assert len(expected) == 2 + 3 * 8 + 1


async def test_a_stream_resumes_within_one_delivery(bot: Bot, integration: str) -> None:
    """Each item has a place of its own, also those that were recorded together."""
    async with following(bot) as stream:
        await tell(bot, integration, "opened", 1)
        first, second = await stream.items(2)
    async with following(bot, first["id"]) as stream:
        assert await stream.item() == second


async def test_a_long_absence_is_made_up_for(bot: Bot, integration: str) -> None:
    """More than fits one read of the database, in order."""
    (created,) = (await bot.get(FEED)).items
    messages = [f"Commit {number}\n\nExperiment-Key: a" for number in range(450)]
    await bot.deliver(integration, "push", payloads.push("main", messages, repo=REPO))
    async with following(bot, created["id"]) as stream:
        items = await stream.items(450)
        assert [item["summary"].split(": ")[1] for item in items] == [
            message.split("\n")[0] for message in messages
        ]
        assert await stream.is_quiet()


@sqlite_only
async def test_a_client_knows_when_to_come_back(bot: Bot) -> None:
    """The stream says so before anything else."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with bot.session.get(bot.url + STREAM, headers=headers) as response:
        line = await response.content.readline()
        assert 0 < int(line.removeprefix(b"retry: ")) <= 10_000


@sqlite_only
@pytest.mark.parametrize(
    "last",
    [
        "1",
        "null",
        "not-an-id",
        "00000000-0000-4000-8000-000000000000",
        "ac717171-0000-8000-8000-00000000000",
        "ac717171-0000-8000-8000-0000000000001",
        "ac717171-0000-8000-8000-00000000000g",
        "ac717171-0000-8000-8000--00000000001",
        "ac717171-0000-8000-8000-0_0000000001",
        "ac717171-0000-8000-8000-+00000000001",
        "ac717171-0000-8000-8000-ffffffffffff0",
        "ключ",
    ],
)
async def test_a_malformed_last_event_id_is_refused(bot: Bot, last: str) -> None:
    """Silently beginning anywhere else would be a gap."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Last-Event-ID": last}
    async with bot.session.get(bot.url + STREAM, headers=headers) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["error"] == "invalid Last-Event-ID"


@sqlite_only
@pytest.mark.parametrize("token", [None, "wrong"])
async def test_a_stream_needs_a_token(bot: Bot, token: str | None) -> None:
    """Like every list."""
    answer = await bot.get(STREAM, token=token)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@sqlite_only
async def test_a_stream_takes_no_parameter(bot: Bot) -> None:
    """A filter that is not there is not silently ignored."""
    assert (await bot.get(f"{STREAM}?type=issue.closed")).status == 422


@slow
async def test_many_streams_at_once(bot: Bot, integration: str) -> None:
    """Each gets everything, and the metrics know how many there are."""

    async def follow(ready: asyncio.Event) -> list[str]:
        async with following(bot) as stream:
            ready.set()
            return [item["id"] for item in await stream.items(20)]

    events = [asyncio.Event() for _ in range(50)]
    followers = [asyncio.create_task(follow(event)) for event in events]
    await asyncio.gather(*(event.wait() for event in events))
    metrics = (await bot.get("/metrics", token=None)).body
    assert "experiment_bot_activity_streams 50.0" in metrics
    for number in range(10):
        await tell(bot, integration, "opened", number, number=100 + number)
    found = await asyncio.gather(*followers)
    assert all(ids == found[0] for ids in found)
    assert len(set(found[0])) == 20


async def test_a_client_that_went_is_forgotten(bot: Bot, integration: str) -> None:
    """Streams that nobody reads do not pile up, and deliveries go on."""
    for _ in range(10):
        async with following(bot):
            pass
    await tell(bot, integration, "opened", 1)
    async with asyncio.timeout(PATIENCE):
        while bot.services.open_streams:
            await asyncio.sleep(0.02)


async def test_streams_end_at_shutdown(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quickly, so that a new version can take over; the client resumes there."""
    bot = await start(settings)
    await bot.experiment("a")
    async with following(bot) as stream:
        await bot.patch("/api/v1/experiments/a", {"status": "active"})
        last = await stream.item()
        monkeypatch.setattr("bot.listening._STOP_SECONDS", 2 * PATIENCE)  # if it waits for it
        async with asyncio.timeout(PATIENCE):
            await bot.runner.cleanup()
        with pytest.raises((AssertionError, aiohttp.ClientError)):
            await stream.item()
    await bot.close()

    again = await start(settings)
    try:
        await again.patch("/api/v1/experiments/a", {"status": "paused"})
        async with following(again, last["id"]) as stream:
            assert (await stream.item())["summary"] == "Status of a: active → paused"
    finally:
        await again.close()


@slow
async def test_a_stream_hears_of_every_process(settings: Settings) -> None:
    """Two processes on one database: whichever takes a delivery in, each follower gets it once."""
    one, other = await start(settings), await start(settings)
    try:
        await one.experiment("a")
        integrations = {id(bot): await bot.integration() for bot in (one, other)}
        async with following(one) as first, following(other) as second:
            await asyncio.gather(
                *(
                    tell(bot, integrations[id(bot)], "opened", 1, number=100 + number)
                    for number, bot in enumerate([one, other] * 30)
                )
            )
            found = await asyncio.gather(first.items(120), second.items(120))
        assert found[0] == found[1]
        assert len({item["id"] for item in found[0]}) == 120
    finally:
        await one.close()
        await other.close()
