"""An owner was renamed, and somebody has taken the old name: what is written where then."""

import pytest

from bot.demo import payloads
from tests.github import Fault
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.outbox.stories import COMMENTS, KEY

NEW = "acme-inc/shop"


async def renamed(scene: Scene) -> int:
    """Let an owner with a linked pull request be renamed, and another take the name.

    Return the owner's id. No delivery has told of it yet.
    """
    await scene.bot.experiment(KEY)
    await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    owner_id = scene.github.rename_owner("acme", "acme-inc")
    scene.github.add_repository(REPOSITORY, id=9009)
    scene.github.open_pull(REPOSITORY, title="Another's", body=f"experiment_key: {KEY}")
    scene.github.requests.clear()
    return owner_id


async def tell(scene: Scene, owner_id: int, way: str) -> None:
    """Let a delivery tell of the rename."""
    if way == "next":
        told = scene.payload("edited", 1)
        told["pull_request"] = scene.github.pull_payload(NEW, 1)
        told["repository"] = scene.github.repository_payload(NEW)
        event = "pull_request"
    elif scene.is_app:
        told = payloads.installation_target("acme", "acme-inc", owner_id, INSTALLATION)
        event = "installation_target"
    else:
        told, event = payloads.organization("acme", "acme-inc", owner_id), "organization"
    answer = await scene.bot.deliver(scene.integration, event, told)
    assert (answer.status, answer.body) == (200, {"processed": True})


@pytest.mark.parametrize("way", ["told", "next"])
async def test_what_is_owed_is_written_under_the_new_name(scene: Scene, way: str) -> None:
    """Nobody who has taken the old one is called at all."""
    await tell(scene, await renamed(scene), way)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.pass_time(600, step=60)
    (comment,) = scene.github.comments(NEW, 1)
    assert "active" in comment["body"]
    assert scene.github.comments(REPOSITORY, 1) == []
    assert not [one.path for one in scene.github.requests if one.path.startswith("/repos/acme/")]


async def test_an_old_name_that_leads_on_is_not_written_to(scene: Scene) -> None:
    """GitHub tells the new one, which counts from then on, whoever takes the old one then."""
    await scene.bot.experiment(KEY)
    await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    scene.github.rename_owner("acme", "acme-inc")
    scene.github.requests.clear()
    for status in ("active", "paused"):
        await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})
        await scene.pass_time(60, step=5)
        (comment,) = scene.github.comments(NEW, 1)
        assert status in comment["body"]
        if status == "active":
            scene.github.add_repository(REPOSITORY, id=9009)
            scene.github.open_pull(REPOSITORY, title="Another's", body="")
    called = [one for one in scene.github.writes() if one.path.startswith("/repos/acme/")]
    assert called == [] and scene.github.comments(REPOSITORY, 1) == []
    found = await scene.bot.get(f"/api/v1/pull-requests/{NEW}/1")
    assert found.body["repository"] == NEW


async def test_an_error_goes_once_it_works_under_the_new_name(scene: Scene) -> None:
    """It is told of the repository, whatever that is called by then."""
    await scene.bot.experiment(KEY)
    scene.github.fail(Fault("status", COMMENTS, status=403, body={"message": "No."}))
    await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    path = f"/api/v1/integrations/{scene.integration}"
    assert REPOSITORY in (await scene.bot.get(path)).body["last_error"]
    owner_id = scene.github.rename_owner("acme", "acme-inc")
    await tell(scene, owner_id, "told")
    for action in await scene.actions("?status=failed"):
        await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    await scene.work()
    assert len(scene.github.comments(NEW, 1)) == 1
    assert (await scene.bot.get(path)).body["last_error"] is None


async def test_what_is_owed_before_anybody_tells_waits(scene: Scene) -> None:
    """It is done once the new name is told."""
    owner_id = await renamed(scene)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    assert [one.path for one in scene.github.writes() if one.path.startswith("/repos/")] == []
    assert scene.github.comments(REPOSITORY, 1) == []
    await tell(scene, owner_id, "told")
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await scene.pass_time(3600, step=600)
    (comment,) = scene.github.comments(NEW, 1)
    assert "paused" in comment["body"]
    assert scene.github.comments(REPOSITORY, 1) == []
