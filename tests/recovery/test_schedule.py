"""When sweeps are made by themselves, and what the pages show of them."""

from bot import times, worker
from tests.kit.browsing import Browser
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.recovery import story
from tests.recovery.sweeping import linked, miss, ready

MINUTE = 60


async def sweeps(scene: Scene) -> int:
    """Let the outbox work, and return how many sweeps there have been."""
    await scene.work()
    return len(await scene.actions("?kind=recovery"))


@story.EACH
async def test_at_the_start_and_every_quarter_of_an_hour(scene: Scene) -> None:
    """Of several processes and restarts one makes it."""
    hook = await ready(scene)
    services, began = scene.bot.services, times.now()
    miss(scene, hook, 1)
    for _ in range(3):
        await worker.order_sweeps(services, began)
    assert await sweeps(scene) == 1
    assert await linked(scene) == [1]
    left = await worker.order_sweeps(services, began)
    assert left is not None and left <= MINUTE
    scene.clock.ahead += 14 * MINUTE
    await worker.order_sweeps(services, began)
    assert await sweeps(scene) == 1
    scene.clock.ahead += 2 * MINUTE
    miss(scene, hook, 2)
    for _ in range(2):
        await worker.order_sweeps(services, began)
    assert await sweeps(scene) == 2
    assert await linked(scene) == [1, 2]
    await worker.order_sweeps(services, times.now())
    await worker.order_sweeps(services, times.now())
    assert await sweeps(scene) == 3, "a process that has just begun"
    await scene.bot.patch(f"/api/v1/integrations/{scene.integration}", {"is_active": False})
    scene.clock.ahead += 20 * MINUTE
    await worker.order_sweeps(services, began)
    assert await sweeps(scene) == 3
    scene.clock.ahead += 25 * 60 * MINUTE
    while await worker.clear_some(services):
        pass
    assert await sweeps(scene) == 0, "they are kept for a day"


@sqlite_only
@token_only
async def test_a_sweep_that_waits_is_not_hastened(scene: Scene) -> None:
    """While GitHub is down it is asked less and less often, whoever looks what is due."""
    hook = await ready(scene)
    miss(scene, hook, 1)
    services, began = scene.bot.services, times.now()
    scene.github.down = 503
    await worker.order_sweeps(services, began)
    await scene.work()
    (action,) = await scene.actions("?kind=recovery")
    scene.clock.ahead += 20 * MINUTE
    await worker.order_sweeps(services, began)
    (waiting,) = await scene.actions("?kind=recovery")
    assert waiting["status"] == "pending"
    assert waiting["next_attempt_at"] == action["next_attempt_at"]
    scene.github.heal()
    assert await sweeps(scene) == 1
    assert await linked(scene) == [1]


@sqlite_only
@token_only
async def test_switched_off(scene: Scene) -> None:
    await ready(scene)
    await scene.restart(recovery_minutes=0)
    assert await worker.order_sweeps(scene.bot.services, times.now()) is None
    assert await sweeps(scene) == 0
    path = f"/api/v1/integrations/{scene.integration}/recover"
    assert (await scene.bot.get(path)).body["next_at"] is None
    assert (await scene.bot.post(path)).status == 202
    assert await sweeps(scene) == 1


@sqlite_only
@token_only
async def test_a_webhook_that_is_silent_is_asked_once_an_hour(scene: Scene) -> None:
    await ready(scene)
    services, began = scene.bot.services, times.now()

    async def asked() -> int:
        await worker.order_sweeps(services, began)
        await scene.work()
        return sum(one.path.endswith("/deliveries") for one in scene.github.requests)

    assert await asked() == 1
    scene.clock.ahead += 25 * 60 * MINUTE
    counts = []
    for _ in range(8):
        counts.append(await asked())
        scene.clock.ahead += 15 * MINUTE + 1
    assert counts == [2, 2, 2, 2, 3, 3, 3, 3] or counts == [2, 2, 2, 3, 3, 3, 3, 4]


@sqlite_only
@token_only
async def test_on_the_pages(scene: Scene) -> None:
    hook = await ready(scene)
    one = miss(scene, hook, 1)
    miss(scene, hook, 2, is_kept=False)
    browser = await Browser.sign_in(scene.bot, "developer")
    here = f"/integrations/{scene.integration}"
    page = await browser.get(here)
    assert "GitHub has not been asked yet" in page.words
    scene.github.down = 503
    await browser.post(f"{here}/recover")
    await scene.work()
    page = await browser.get(here)
    assert "Nothing was missed" not in page.words
    scene.github.heal()
    await scene.pass_time(60)
    page = await browser.get(here)
    assert "1 missed delivery" in page.words and "1 lost" in page.words
    assert "recovered" in (await browser.get(f"{here}/deliveries")).words
    assert "recovered from GitHub" in (await browser.get(f"{here}/deliveries/{one['guid']}")).words
