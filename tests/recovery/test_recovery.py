"""What GitHub could not deliver is there afterwards, once, in order, as if it had come."""

import dataclasses
from pathlib import Path

from tests.kit import running
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.running import Bot
from tests.recovery import story
from tests.recovery.story import KEYS, Told
from tests.recovery.sweeping import recover

HOUR = 3600


async def twin_of(scene: Scene, folder: Path) -> tuple[Bot, str]:
    """Start another bot, which everything reaches."""
    settings = dataclasses.replace(
        scene.bot.services.settings, data_dir=folder, database_url=f"sqlite:///{folder / 'bot.db'}"
    )
    twin = await running.start(settings)
    config = {"api_url": scene.github.url, "repositories": [REPOSITORY]}
    integration = await twin.integration(config=config)
    for key in KEYS[:2]:
        await twin.experiment(key)
        await scene.bot.experiment(key)
    return twin, integration


@story.EACH
async def test_down_for_an_hour_and_unreachable_for_another(scene: Scene, tmp_path: Path) -> None:
    await set_to(scene, repositories=[REPOSITORY], **story.QUIET)
    twin, its = await twin_of(scene, tmp_path / "twin")
    hook = story.hook_of(scene)
    github, start = scene.github, scene.clock()
    named = story.headers_of(hook, github, is_app=scene.is_app)
    count = dict.fromkeys(("live", "missed", "attempts"), 0)

    async def live(one: Told) -> None:
        payload = story.with_installation(one.payload, is_app=scene.is_app)
        answer = await scene.bot.deliver(
            scene.integration, one.event, payload, guid=one.guid, headers=named
        )
        assert answer.status == 200
        github.add_delivery(hook, one.event, payload, guid=one.guid)
        count["live"] += 1

    for phase, (down, code) in enumerate((("no", 200), ("down", 0), ("shut", 502), ("no", 200))):
        begin = scene.clock()
        for at, one in story.told(100, begin, HOUR, seed=phase + 1):
            scene.clock.ahead += max(0.0, at + 0.3 - scene.clock())
            await twin.deliver(its, one.event, one.payload, guid=one.guid)
            if down == "no":
                await live(one)
                continue
            payload = story.with_installation(one.payload, is_app=scene.is_app)
            for _ in range(1 + count["attempts"] % 3 // 2):  # some are sent again, in vain
                github.add_delivery(hook, one.event, payload, guid=one.guid, status_code=code)
                count["attempts"] += 1
            count["missed"] += one.matters
        scene.clock.ahead += max(0.0, begin + HOUR - scene.clock())
    told = await recover(scene)
    calls = len(github.requests)
    assert told["taken_in"] == count["missed"] > 100
    assert told["listed"] == count["live"] + count["attempts"] == len(hook.deliveries)
    assert told["known"] == count["live"]
    assert told["lost"] == 0 and told["problems"] == []
    assert told["calls"] == calls
    await story.assert_same(scene.bot, twin)
    rows = await scene.bot.walk(f"/api/v1/integrations/{scene.integration}/deliveries", 200)
    recovered = [one for one in rows if one["recovered"]]
    assert len(recovered) == count["missed"]
    ats = [one["received_at"] for one in recovered]
    assert ats == sorted(ats, reverse=True) and ats[-1] >= "2026" and start
    assert len({one["id"] for one in rows}) == len(rows)
    again = await recover(scene)
    assert again["taken_in"] == 0
    await twin.close()
