"""What failed for a permission or for access is tried again once it is given, with a new token."""

from typing import Any

import pytest

from bot import times
from bot.outbox.loop import Outbox
from tests.github import Fault
from tests.kit import outbound, running
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import APP, INSTALLATION, REPOSITORY, Scene
from tests.outbox.lag import last_error
from tests.outbox.stories import COMMENTS, KEY, LINE, change, open_one

ISSUES = "POST /repos/{owner}/{repo}/issues"


def with_id(scene: Scene) -> dict[str, Any]:
    told = scene.github.repository_payload(REPOSITORY)
    return {"id": told["id"], "full_name": REPOSITORY}


async def tell(
    scene: Scene, action: str, event: str = "installation", number: int = INSTALLATION, **more: Any
) -> None:
    scene.clock.ahead += 1
    installation = {"id": number, "account": {"login": "acme"}, **more.pop("fields", {})}
    installation.setdefault("repository_selection", "selected")
    payload = {"action": action, "installation": installation, **more}
    answer = await scene.bot.deliver(scene.integration, event, payload)
    assert answer.body == {"processed": True}


async def take(scene: Scene) -> None:
    """Take the repository from the installation, and deliver that."""
    scene.github.installations[INSTALLATION].repositories = set()
    removed: dict[str, Any] = {"repositories_removed": [with_id(scene)], "repositories_added": []}
    await tell(scene, "removed", "installation_repositories", **removed)


async def give(scene: Scene) -> None:
    scene.github.installations[INSTALLATION].repositories = {REPOSITORY}
    added: dict[str, Any] = {"repositories_removed": [], "repositories_added": [with_id(scene)]}
    await tell(scene, "added", "installation_repositories", **added)


def permit(scene: Scene, **levels: str) -> None:
    scene.github.installations[INSTALLATION].permissions.update(levels)


@app_only
async def test_accepted_permissions_are_used_at_once(scene: Scene) -> None:
    """The token that was minted before does not know of them."""
    permit(scene, pull_requests="read")
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    (action,) = await scene.actions()
    assert action["status"] == "failed" and "Resource not accessible" in action["last_error"]
    assert "Resource not accessible" in await last_error(scene)
    permit(scene, pull_requests="write")
    await tell(scene, "new_permissions_accepted")
    await scene.work()
    assert len(scene.comments(number)) == 1
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
    (action,) = await scene.actions()
    assert action["status"] == "done" and await last_error(scene) is None
    assert len(scene.github.mints) == 2


@app_only
async def test_every_process_mints_its_token_anew(scene: Scene) -> None:
    """A second one has a token of its own, and hears of permissions by the database alone."""
    await scene.bot.experiment(KEY, status="draft")
    number = await scene.open(LINE)
    other = await running.start(scene.bot.services.settings)
    second = Outbox(other.services)
    try:
        await second.work_off()
        permit(scene, checks="read")
        scene.github.revoke_tokens(INSTALLATION)
        await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
        await second.work_off()
        assert (await scene.actions())[0]["status"] == "failed"
        permit(scene, checks="write")
        await tell(scene, "new_permissions_accepted")
        await second.work_off()
    finally:
        await second.stop(1)
        await other.close()
    assert {one["status"] for one in await scene.actions()} == {"done"}
    assert len(scene.comments(number)) == 1


@app_only
@sqlite_only
async def test_only_what_failed_for_it_is_tried_again(scene: Scene) -> None:
    scene.github.fail(Fault("status", COMMENTS, status=422, times=None, body={"message": "No."}))
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    before = len(scene.github.requests)
    await tell(scene, "new_permissions_accepted")
    await scene.work()
    assert len(scene.github.requests) == before
    assert "422 No." in await last_error(scene)


@app_only
async def test_without_access_nothing_is_tried(scene: Scene) -> None:
    number = await open_one(scene)
    await take(scene)
    before = len(scene.github.requests)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.pass_time(7200, 900)
    assert len(scene.github.requests) == before
    action = (await scene.actions())[0]
    assert (action["status"], action["attempts"]) == ("pending", 0)
    assert "no access to acme/shop" in action["last_error"]
    await give(scene)
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert {one["status"] for one in await scene.actions()} == {"done"}


@app_only
@sqlite_only
async def test_by_hand_a_lost_repository_is_tried(scene: Scene) -> None:
    """The delivery that gave it back was missed."""
    number = await open_one(scene)
    await take(scene)
    await change(scene, "active")
    scene.github.installations[INSTALLATION].repositories = {REPOSITORY}
    action = (await scene.actions())[0]
    await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    await scene.work()
    assert "active" in scene.comments(number)[0]


@app_only
@sqlite_only
@pytest.mark.parametrize("action", ["suspend", "deleted"])
async def test_by_hand_it_is_tried_whatever_deliveries_told(scene: Scene, action: str) -> None:
    """The event that took it back was missed, or came the wrong way round."""
    number = await open_one(scene)
    await tell(scene, action)
    before = len(scene.github.requests)
    await change(scene, "active")
    assert len(scene.github.requests) == before
    owed = (await scene.actions())[0]
    await scene.bot.post(f"/api/v1/actions/{owed['id']}/retry")
    await scene.work()
    assert "active" in scene.comments(number)[0]


@app_only
@sqlite_only
async def test_an_installation_that_is_given_all_has_what_it_lost(scene: Scene) -> None:
    number = await open_one(scene)
    await take(scene)
    await change(scene, "active")
    scene.github.installations[INSTALLATION].repositories = "all"
    fields = {"repository_selection": "all", "updated_at": times.render(times.now() + 1_000_000)}
    await tell(scene, "added", "installation_repositories", fields=fields)
    await scene.work()
    assert "active" in scene.comments(number)[0]


@app_only
async def test_what_a_missed_removal_made_fail_goes_on(scene: Scene) -> None:
    """GitHub answered 404, and no delivery had told of the removal."""
    number = await open_one(scene)
    scene.github.installations[INSTALLATION].repositories = set()
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.pass_time(120, 30)
    assert (await scene.actions())[0]["status"] == "failed"
    assert "404" in await last_error(scene)
    await give(scene)
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert await last_error(scene) is None


@app_only
@sqlite_only
async def test_an_app_that_is_installed_again_goes_on(scene: Scene) -> None:
    """It has another installation then, which serves what the one before did."""
    number = await open_one(scene)
    scene.github.remove_installation(INSTALLATION)
    await tell(scene, "deleted")
    before = len(scene.github.requests)
    await change(scene, "active")
    assert len(scene.github.requests) == before
    assert "install it again" in await last_error(scene)
    scene.github.add_installation(APP, INSTALLATION + 1, "acme", repositories="all")
    fields = {"repository_selection": "all"}
    await tell(scene, "created", number=INSTALLATION + 1, fields=fields)
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert await last_error(scene) is None


@app_only
async def test_a_permission_that_comes_while_it_fails(scene: Scene) -> None:
    """The event is delivered while the call that GitHub refuses is under way."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    permit(scene, pull_requests="read")
    fault = Fault("slow", COMMENTS, seconds=0.5)
    scene.github.fail(fault)

    async def is_called() -> bool:
        return fault.used > 0

    async def is_there() -> bool:
        return bool(scene.comments(number))

    working = scene.work_on()
    try:
        await running.eventually(is_called)
        permit(scene, pull_requests="write")
        await tell(scene, "new_permissions_accepted")
        await running.eventually(is_there)
    finally:
        working.cancel()


@token_only
@sqlite_only
async def test_a_new_token_makes_up_for_missing_permissions(scene: Scene) -> None:
    scene.github.fail(Fault("status", COMMENTS, status=403, body={"message": "Not accessible"}))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert (await scene.actions())[0]["status"] == "failed"
    await outbound.set_to(scene, comments="on")
    await scene.work()
    assert len(scene.comments(number)) == 1 and await last_error(scene) is None


@app_only
@sqlite_only
async def test_what_could_not_be_asked_is_forgotten_with_the_permission(scene: Scene) -> None:
    """The command was refused; the next one is asked about anew."""
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    asking = "GET /repos/{owner}/{repo}/collaborators/{username}/permission"
    scene.github.fail(Fault("status", asking, status=403, body={"message": "Not accessible"}))
    await scene.say(number, f"/experiment link {KEY}")
    assert "asking who may use commands" in await last_error(scene)
    await tell(scene, "new_permissions_accepted")
    assert await last_error(scene) is None
    await scene.say(number, f"/experiment link {KEY}")
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]


@app_only
@sqlite_only
async def test_a_delivery_tells_that_the_app_is_installed_again(scene: Scene) -> None:
    """The event was missed. What comes late through the installation before changes nothing."""
    number = await open_one(scene)
    late = scene.payload("edited", number)
    scene.github.remove_installation(INSTALLATION)
    await tell(scene, "deleted")
    await change(scene, "active")
    assert "install it again" in await last_error(scene)
    scene.github.add_installation(APP, INSTALLATION + 1, "acme", repositories="all")
    told = {"ref": "refs/heads/main", "commits": [], "installation": {"id": INSTALLATION + 1}}
    told["repository"] = scene.github.repository_payload(REPOSITORY)
    assert (await scene.bot.deliver(scene.integration, "push", told)).status == 200
    await scene.bot.deliver(scene.integration, "pull_request", late)
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert await last_error(scene) is None


@app_only
@sqlite_only
async def test_a_command_without_access_is_answered_with_it(scene: Scene) -> None:
    """It does not run so late. What the integration shows of it goes."""
    await scene.bot.experiment(KEY, status="draft")
    number = await scene.open("")
    await take(scene)
    await scene.say(number, f"/experiment start {KEY}")
    assert "no access" in await last_error(scene)
    await give(scene)
    await scene.work()
    (reply,) = scene.replies(number)
    assert "no access" in reply and await last_error(scene) is None
    found = await scene.bot.get(f"/api/v1/experiments/{KEY}")
    assert found.body["status"] == "draft"


@app_only
@pytest.mark.parametrize("in_order", [True, False])
async def test_what_is_owed_goes_through_the_new_installation(scene: Scene, in_order: bool) -> None:
    """Both events come before the outbox has its turn, in either order."""
    number = await open_one(scene)
    scene.github.remove_installation(INSTALLATION)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    scene.github.add_installation(APP, INSTALLATION + 1, "acme", repositories="all")
    added: dict[str, Any] = {"number": INSTALLATION + 1, "repositories": [with_id(scene)]}
    if in_order:
        await tell(scene, "deleted")
    await tell(scene, "created", **added)
    if not in_order:
        await tell(scene, "deleted")
    await scene.work()
    assert "active" in scene.comments(number)[0]
    assert await last_error(scene) is None
