"""Where one of two integrations of a repository is out of service the other one does its work."""

from tests.github import Fault
from tests.kit.marks import token_only
from tests.kit.outbound import Scene
from tests.kit.running import SECRET
from tests.outbox.lag import last_error
from tests.outbox.stories import COMMENTS, KEY, LINE

TOKEN = "ghp_another-token"


async def another(scene: Scene) -> str:
    """Add a second integration, with a credential of its own; return its id."""
    scene.github.add_token(TOKEN, "other-bot")
    config = {"token": TOKEN, "webhook_secret": SECRET}
    body = {"name": "Other", "integration_type": "GITHUB", "config": config}
    answer = await scene.bot.post("/api/v1/integrations", body)
    return str(answer.body["id"])


async def switch(scene: Scene, *, on: bool) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    assert (await scene.bot.patch(path, {"is_active": on})).status == 200


@token_only
async def test_what_one_has_failed_at_the_other_one_does(scene: Scene) -> None:
    """And the error of the first goes, though it was not the first that has done it."""
    second = await another(scene)
    scene.github.fail(Fault("status", COMMENTS, status=403, body={"message": "No"}))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.bot.deliver(second, "pull_request", scene.payload("opened", number))
    await scene.work()
    assert "403 No" in await last_error(scene)
    await switch(scene, on=False)
    scene.clock.ahead += 1
    scene.github.edit_pull("acme/shop", number, body=f"{LINE}, another")
    await scene.bot.deliver(second, "pull_request", scene.payload("edited", number))
    await scene.work()
    assert len(scene.comments(number)) == 1
    assert await last_error(scene) is None


@token_only
async def test_what_waits_for_one_is_done_by_the_other(scene: Scene) -> None:
    """Nor does anything else on the pull request wait for it."""
    second = await another(scene)
    await scene.bot.experiment(KEY, status="draft")
    number = await scene.open("")
    await scene.bot.deliver(second, "pull_request", scene.payload("opened", number))
    scene.clock.ahead += 1
    scene.github.edit_pull("acme/shop", number, body=LINE)
    await scene.tell("edited", number)
    await switch(scene, on=False)
    await scene.work()
    comment = scene.comment_payload(number, f"/experiment start {KEY}")
    await scene.bot.deliver(second, "issue_comment", comment)
    await scene.work()
    found = await scene.bot.get(f"/api/v1/experiments/{KEY}")
    assert found.body["status"] == "active"
    scene.clock.ahead += 1
    scene.github.edit_pull("acme/shop", number, body=f"{LINE}, another")
    await scene.bot.deliver(second, "pull_request", scene.payload("edited", number))
    await scene.work()
    assert [one for one in scene.comments(number) if "How to link" in one]
