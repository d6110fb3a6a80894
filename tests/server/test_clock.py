"""A clock that is set: nothing waits for it, nothing is cleared away or given up because of it."""

import asyncio
import uuid

import pytest

from bot import storage as store
from bot import times, worker
from bot.outbox.loop import Outbox
from bot.settings import Settings
from tests.github import Fault
from tests.kit.breakage import broken
from tests.kit.browsing import Browser
from tests.kit.clock import Clock
from tests.kit.deliveries import pull_request
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.kit.running import Bot, eventually, start
from tests.outbox.stories import COMMENTS, KEY, LINE

DAY, YEAR = 86_400, 365 * 86_400
STANDS = times.STANDS / times.SECOND + 1


def step(clock: Clock, seconds: float) -> None:
    """Set the bot's clock, and let that stand until it is followed."""
    clock.stepped += seconds
    times.now()
    clock.ahead += STANDS
    times.now()


def begin_anew(clock: Clock) -> None:
    """Let the clock be that of a process that starts."""
    times.Clock.__init__(clock)


@pytest.mark.parametrize("seconds", [-YEAR, -3600, 3600, YEAR])
def test_a_step_is_followed_once_it_has_stood(clock: Clock, seconds: float) -> None:
    before = times.now()
    clock.stepped += seconds
    for _ in range(3):
        assert 0 <= times.now() - before < 60 * times.SECOND
        clock.ahead += STANDS / 4
    clock.ahead += STANDS
    assert abs(times.now() - before - seconds * times.SECOND) < 90 * times.SECOND
    assert clock.went_back == (seconds < 0)


def test_a_step_that_is_taken_back_never_was(clock: Clock) -> None:
    for seconds in (-YEAR, YEAR):
        before = times.now()
        clock.stepped = seconds
        times.now()
        clock.ahead += STANDS / 2
        times.now()
        clock.stepped = 0
        clock.ahead += STANDS
        assert 0 <= times.now() - before < 120 * times.SECOND
    assert clock.went_back == 0


def test_a_clock_that_is_adjusted_little_by_little_is_followed_at_once(clock: Clock) -> None:
    for _ in range(10):
        clock.stepped -= 1
        assert times.now() // times.SECOND == clock.wall_ns() // 1_000_000_000
        assert times.now() // times.SECOND == int(clock()) - round(-clock.stepped)


async def kept(bot: Bot, integration: str) -> dict[str, bool]:
    """Return which deliveries are kept, and whether with their payload."""
    path = f"/api/v1/integrations/{integration}/deliveries"
    found = {}
    for one in await bot.walk(path):
        found[one["id"]] = (await bot.get(f"{path}/{one['id']}")).body["payload"] is not None
    return found


async def deliver(bot: Bot, integration: str, number: int) -> str:
    guid = str(uuid.uuid4())
    assert (
        await bot.deliver(integration, "pull_request", pull_request(number), guid=guid)
    ).status == 200
    return guid


async def clear(bot: Bot) -> None:
    while await worker.clear_some(bot.services):
        pass


async def test_a_clock_a_year_ahead_clears_nothing_away(clock: Clock, settings: Settings) -> None:
    """Neither in a running service nor after a restart, and what is old goes all the same."""
    bot = await start(settings)
    integration = await bot.integration()
    guids = {await deliver(bot, integration, number) for number in range(1, 4)}
    await clear(bot)
    step(clock, YEAR)
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, True)
    await bot.close()
    begin_anew(clock)
    bot = await start(settings)
    for _ in range(5):
        clock.ahead += DAY
        await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, True)
    await bot.close()
    clock.stepped = 0
    begin_anew(clock)
    bot = await start(settings)
    times.now()
    clock.ahead += 24 * DAY  # 29 in all
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, True)
    clock.ahead += 2 * DAY
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, False)
    await bot.close()


async def test_what_came_while_the_clock_was_set_back_is_not_old(bot: Bot, clock: Clock) -> None:
    """Each has its days, whichever time it bears; then all that bears such a time goes."""
    integration, outbox = await bot.integration(), Outbox(bot.services)
    await clear(bot)
    guids = {await deliver(bot, integration, 1)}
    step(clock, -YEAR)
    await outbox.work_off()
    guids |= {await deliver(bot, integration, number) for number in (2, 3)}
    await clear(bot)
    step(clock, YEAR)
    clock.ahead += 29 * DAY
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, True)
    clock.ahead += 2 * DAY
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, False)


async def test_a_service_that_was_off_makes_up_for_it(clock: Clock, settings: Settings) -> None:
    bot = await start(settings)
    integration = await bot.integration()
    guids = {await deliver(bot, integration, number) for number in range(1, 3)}
    await clear(bot)
    await bot.close()
    clock.ahead += 60 * DAY
    bot = await start(settings)
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, True)
    findings = (await bot.post(f"/api/v1/integrations/{integration}/check")).body["findings"]
    (found,) = [one for one in findings if one["check"] == "clearing"]
    assert found["status"] == "warning" and "60 days" in found["message"]
    for _ in range(31):
        clock.ahead += DAY
        await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, False)
    await bot.close()


async def test_a_database_of_the_version_before_is_cleared_at_once(
    clock: Clock, settings: Settings
) -> None:
    """Which kept no time: that GitHub was silent for long does not mean that nobody was there."""
    bot = await start(settings)
    integration = await bot.integration()
    guids = {await deliver(bot, integration, number) for number in range(1, 4)}

    def as_before(tx: store.Transaction) -> None:
        tx.run("DELETE FROM clock")
        ago = 40 * DAY * times.SECOND
        tx.run("UPDATE deliveries SET received_at = received_at - :ago", {"ago": ago})

    await bot.services.database.write(as_before)
    await bot.close()
    bot = await start(settings)
    await clear(bot)
    assert await kept(bot, integration) == dict.fromkeys(guids, False)
    await bot.close()


async def test_a_delivery_is_retried_though_the_clock_was_set_back_and_all_is_quiet(
    bot: Bot, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody commits anything meanwhile, and the outbox has nothing to do."""
    monkeypatch.setattr(worker, "_LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(worker, "_PAUSE", 0.1)
    integration = await bot.integration()
    with broken() as breakage:
        answer = await bot.deliver(integration, "pull_request", pull_request())
        assert answer.status == 202
        working = worker.Worker(bot.services)
        await asyncio.sleep(0.5)  # by now it waits
        breakage.is_mended = True
        step(clock, -3600)

        async def is_done() -> bool:
            return await bot.services.database.read(store.deliveries.next_due) is None

        try:
            await eventually(is_done)
        finally:
            await working.stop()


async def waiting(scene: Scene) -> int:
    """Let GitHub fail, so that a comment has to wait; return its pull request."""
    await scene.bot.experiment(KEY)
    scene.github.fail(Fault("status", template=COMMENTS, status=500))
    number = await scene.open(LINE)
    await scene.work()
    assert scene.comments(number) == []
    return number


@token_only
@pytest.mark.parametrize("seconds", [-YEAR, -7200, -600])
async def test_the_outbox_goes_on_when_the_clock_is_set_back(scene: Scene, seconds: int) -> None:
    number = await waiting(scene)
    scene.clock.stepped += seconds
    await scene.pass_time(20, 5)  # no longer than without a step
    assert len(scene.comments(number)) == 1
    scene.github.fail(Fault("status", template=COMMENTS, status=500))
    other = await scene.open(LINE)
    await scene.work()
    await scene.pass_time(STANDS, 5)  # by now the step is followed
    assert len(scene.comments(other)) == 1
    assert scene.clock.went_back == 1
    last = await scene.open(LINE)
    await scene.work()
    assert len(scene.comments(last)) == 1


@token_only
async def test_what_waits_when_a_step_back_is_followed_is_due(scene: Scene) -> None:
    """A process that notices last may have set something to wait for the time as it was."""
    number = await waiting(scene)
    step(scene.clock, -YEAR)
    await scene.work()
    assert len(scene.comments(number)) == 1
    future = times.now() + YEAR * times.SECOND
    scene.github.fail(Fault("status", template=COMMENTS, status=500))
    other = await scene.open(LINE)
    await scene.work()
    await scene.bot.services.database.write(
        lambda tx: [
            tx.run(
                "UPDATE actions SET next_attempt_at = :at WHERE status = 'pending'", {"at": future}
            ),
            tx.run(
                "UPDATE queues SET due_at = :at, not_before = :at, leased_until = :at",
                {"at": future},
            ),
        ]
    )
    await scene.pass_time(2 * STANDS, 10)
    assert len(scene.comments(other)) == 1


@token_only
async def test_the_outbox_goes_on_after_a_restart_with_an_earlier_clock(scene: Scene) -> None:
    await worker.clear_some(scene.bot.services)  # which keeps the time
    number = await waiting(scene)
    scene.clock.stepped -= 7200
    begin_anew(scene.clock)
    await scene.restart()
    assert times.now() > scene.clock.wall_ns() // 1_000
    await scene.pass_time(20, 5)
    assert len(scene.comments(number)) == 1


@sqlite_only
@token_only
async def test_nothing_is_given_up_for_a_clock_that_is_put_forward(scene: Scene) -> None:
    number = await waiting(scene)
    scene.github.fail(Fault("status", template=COMMENTS, status=500))
    step(scene.clock, YEAR)
    await scene.work()
    (action,) = await scene.actions()
    assert action["status"] == "pending" and action["attempts"] == 2
    await scene.pass_time(3600, 600)
    assert len(scene.comments(number)) == 1


@sqlite_only
async def test_a_clock_that_is_set_back_lengthens_no_session_without_end(
    bot: Bot, clock: Clock
) -> None:
    step(clock, YEAR)
    browser = await Browser.sign_in(bot)
    assert (await browser.get("/experiments", follow=False)).status == 200
    step(clock, -YEAR)
    assert (await browser.get("/experiments", follow=False)).status == 303
