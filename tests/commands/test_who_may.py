"""Who may use which command, as stories: somebody comments, and is let or refused."""

import pytest

from tests.commands.audit import KEY, PERMISSION, commands, feed, linked, status_of
from tests.github import Fault
from tests.kit.golden import Golden
from tests.kit.marks import app_only, slow, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene

WHO = {
    "a reader of a private repository": ("read", True, {"status", "help"}),
    "triage": ("triage", True, {"status", "help"}),
    "a stranger on a public repository": (None, False, set()),
    "triage on a public repository": ("triage", False, set()),
    "nobody on a private repository": (None, True, set()),
    "a maintainer": ("maintain", False, {"status", "help", "link", "pause"}),
    "a role of the organisation's own": ("write", False, {"status", "help", "link", "pause"}),
}


@sqlite_only
@pytest.mark.parametrize("who", WHO)
@slow
async def test_who_may_what(scene: Scene, golden: Golden, who: str) -> None:
    role, is_private, may = WHO[who]
    repository = scene.github.repository(REPOSITORY)
    repository.private = is_private
    scene.github.add_user("sam")
    if role is not None:
        repository.collaborators["sam"] = role
    await scene.bot.experiment(KEY, status="active")
    number = await scene.open("")
    for text in (f"status {KEY}", "help", f"link {KEY}", f"pause {KEY}"):
        comment = await scene.say(number, f"/experiment {text}", "sam")
        allowed = text.split()[0] in may
        assert scene.reactions(comment) == ["eyes", "rocket" if allowed else "confused"], text
        command = (await commands(scene))[0]
        assert command["allowed"] is allowed
        assert command["permission"] == (role or ("none" if is_private else "read"))
    golden(scene, number, f"commands/who may/{who}")
    done = "link" in may
    assert await linked(scene) == ([(number, "command")] if done else [])
    assert await status_of(scene) == ("paused" if done else "active")
    if not done:
        assert "command.refused" in await feed(scene)


@sqlite_only
@token_only
async def test_the_author_of_a_fork_may_not(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    scene.github.add_repository("sam/shop")
    number = await scene.open("", author="sam", head_repo="sam/shop")
    await scene.say(number, f"/experiment link {KEY}", "sam")
    golden(scene, number, "commands/who may/the author of a fork")
    assert await linked(scene) == []


@sqlite_only
@token_only
async def test_an_integration_may_ask_for_another_permission(scene: Scene) -> None:
    path = f"/api/v1/integrations/{scene.integration}"
    wanted = {"link": "triage", "pause": "admin"}
    answer = await scene.bot.patch(path, {"config": {"commands": wanted}})
    assert answer.body["config"]["commands"] == wanted
    scene.github.add_user("sam")
    scene.github.repository(REPOSITORY).collaborators["sam"] = "triage"
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    assert "rocket" in scene.reactions(await scene.say(number, f"/experiment link {KEY}", "sam"))
    comment = await scene.say(number, f"/experiment pause {KEY}", "jane")
    assert "confused" in scene.reactions(comment)
    assert "needs `admin`" in scene.replies(number)[0]
    answer = await scene.bot.patch(path, {"config": {"commands": None}})
    assert answer.body["config"]["commands"] == {}
    for wrong in ({"lnik": "read"}, {"link": "owner"}):
        answer = await scene.bot.patch(path, {"config": {"commands": wrong}})
        assert answer.status == 422
        assert answer.body["errors"][0]["field"].startswith("config.commands")


@sqlite_only
@token_only
async def test_github_down_delays_a_command_and_lets_nothing_through(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    fault = Fault("status", PERMISSION, times=None, status=500)
    scene.github.fail(fault)
    comment = await scene.say(number, f"/experiment link {KEY}")
    await scene.pass_time(1800, 60)
    assert scene.reactions(comment) == ["eyes"]
    assert await linked(scene) == []
    assert (await commands(scene))[0]["status"] == "pending"
    scene.github.heal()
    await scene.pass_time(3600, 120)
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert await linked(scene) == [(number, "command")]


@sqlite_only
@token_only
async def test_github_will_not_say_who_may(scene: Scene, golden: Golden) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    body = {"message": "Must have push access to view collaborator permission."}
    scene.github.fail(Fault("status", PERMISSION, times=None, status=403, body=body))
    await scene.say(number, f"/experiment link {KEY}")
    golden(scene, number, "commands/who may/GitHub will not say")
    assert await linked(scene) == []
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert "push access" in answer.body["last_error"]


@sqlite_only
@app_only
@pytest.mark.parametrize("action", ["suspend", "deleted"])
async def test_a_suspended_installation_runs_nothing(scene: Scene, action: str) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    calls = len(scene.github.requests)
    installation = {"id": INSTALLATION, "account": {"login": "acme"}}
    await scene.bot.deliver(
        scene.integration, "installation", {"action": action, "installation": installation}
    )
    await scene.say(number, f"/experiment pause {KEY}")
    assert len(scene.github.requests) == calls
    (command,) = await commands(scene)
    assert (command["status"], command["allowed"]) == ("refused", False)
    assert ("suspended" if action == "suspend" else "no longer installed") in command["result"]
    assert await status_of(scene) == "draft"
    assert "command.refused" in await feed(scene)


@sqlite_only
@app_only
async def test_an_installation_suspended_meanwhile_runs_nothing(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    await scene.say(number, f"/experiment link {KEY}", work=False)
    installation = {"id": INSTALLATION, "account": {"login": "acme"}}
    told = {"action": "suspend", "installation": installation}
    await scene.bot.deliver(scene.integration, "installation", told)
    await scene.work()
    await scene.bot.deliver(scene.integration, "installation", {**told, "action": "unsuspend"})
    await scene.pass_time(3600, 600)
    (command,) = await commands(scene)
    assert command["status"] == "refused" and "suspended" in command["result"]
    assert await linked(scene) == []
