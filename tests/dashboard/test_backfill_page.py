"""An integration's page shows how far a backfill is, starts and stops it."""

from tests.github import Fault
from tests.kit.browsing import Browser
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.test_backfill import PULLS, progress, pull


@token_only
@sqlite_only
async def test_it_is_started_followed_and_stopped(scene: Scene) -> None:
    await scene.bot.experiment("a")
    await scene.open("experiment_key: a", head_ref="now")
    pull(scene, 3, "a")
    developer = await Browser.sign_in(scene.bot, "developer")
    path = f"/integrations/{scene.integration}"
    page = await developer.get(path)
    assert "What was before" in page.words and "<progress" not in page.text
    scene.github.fail(Fault("status", PULLS))
    page = await developer.post(f"{path}/backfill")
    await scene.work()
    page = await developer.get(path)
    assert "Reading: 0 of 1 repository" in page.words
    assert "It waits: GitHub answered 502" in page.words
    assert '<progress aria-labelledby="backfill-title" max="1" value="0"' in page.text
    page = await developer.post(f"{path}/backfill/stop")
    assert "Not all could be read" in page.words and "it was stopped" in page.words
    page = await developer.post(f"{path}/backfill")
    await scene.pass_time(60, 20)
    assert (await progress(scene))["status"] == "done"
    page = await developer.get(path)
    assert "Read: 1 of 1 repository, 2 pull requests and 0 issues" in page.words
    feed = await developer.get("/experiments/a")
    assert "read later" in feed.words
    viewer = await Browser.sign_in(scene.bot, "viewer")
    assert (await viewer.get(path)).status == 403
    assert REPOSITORY in feed.words
