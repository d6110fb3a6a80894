"""Several webhooks of one integration: what one of them withholds keeps no other waiting."""

from typing import Any

from bot import storage as store
from bot import times, worker
from bot.demo import payloads
from tests.github import Fault
from tests.github.model import Hook
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import LOGIN, TOKEN, Scene, set_to
from tests.recovery.story import SHOP
from tests.recovery.sweeping import last_error, linked, miss, name, ready, recover, recover_in_time

TOOLS = payloads.repository("acme/tools")
LISTS = "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries"


async def named(
    scene: Scene, hook: Hook, kind: str, target_id: int, repo: dict[str, Any] = SHOP
) -> None:
    """Let a webhook of a repository or an organisation deliver something."""
    told = payloads.push("main", ["Nothing"], repo=repo)
    headers = {
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-Type": kind,
        "X-GitHub-Hook-Installation-Target-ID": str(target_id),
    }
    answer = await scene.bot.deliver(scene.integration, "push", told, headers=headers)
    assert answer.status == 200, answer.body


async def two_repositories(scene: Scene) -> tuple[Hook, Hook]:
    """Return the webhooks of two repositories, both known."""
    shop = await ready(scene)
    await set_to(scene, repositories=["acme/*"])
    scene.github.add_repository(TOOLS["full_name"]).id = TOOLS["id"]
    made = scene.github.add_hook(TOOLS["full_name"], shop.config["url"], ["*"])
    tools = scene.github.repository(TOOLS["full_name"]).hooks[made]
    await named(scene, tools, "repository", TOOLS["id"], TOOLS)
    return shop, tools


@sqlite_only
@token_only
async def test_one_that_may_not_be_read_keeps_no_other_waiting(scene: Scene) -> None:
    """And what it has is not lost: the permission may be given again."""
    shop, tools = await two_repositories(scene)
    miss(scene, shop, 1)
    miss(scene, tools, 2, repo=TOOLS)
    refused = {"message": "Resource not accessible by personal access token"}
    one = f"GET {LISTS}/{{delivery_id}}"
    scene.github.fail(Fault("status", one, status=403, body=refused))
    told = await recover(scene)
    assert "the webhook of acme/shop" in [one["where"] for one in told["problems"]]
    assert await linked(scene) == [2]
    scene.github.add_token(TOKEN, LOGIN, repositories=["acme/tools"])
    miss(scene, tools, 3, repo=TOOLS)
    told = await recover(scene)
    assert (told["taken_in"], told["lost"]) == (1, 0)
    assert await linked(scene) == [2, 3]
    scene.github.add_token(TOKEN, LOGIN, scopes=["repo", "admin:org_hook"])
    assert (await recover(scene))["problems"] == []
    assert await linked(scene) == [1, 2, 3]
    assert await last_error(scene) is None


@sqlite_only
@token_only
async def test_a_list_that_github_fails_to_give_keeps_no_other_waiting(scene: Scene) -> None:
    """It is left to the next sweep after a few attempts, and that is said."""
    shop = await ready(scene)
    scene.github.add_token(TOKEN, LOGIN, scopes=["repo", "admin:org_hook"])
    acme = scene.github.add_organization_hook("acme", shop.config["url"], ["*"])
    await named(scene, acme, "organization", 77)
    miss(scene, shop, 1)
    miss(scene, acme, 2)
    scene.github.fail(Fault("status", f"GET {LISTS}", times=None))
    told = await recover_in_time(scene, 4)
    assert (told["running"], told["taken_in"]) == (False, 1)
    (problem,) = told["problems"]
    assert (problem["where"], problem["permission"]) == ("the webhook of acme/shop", None)
    assert "502" in problem["reason"]
    scene.github.heal()
    assert (await recover(scene))["problems"] == []
    assert await linked(scene) == [1, 2]


@sqlite_only
@token_only
async def test_what_is_not_to_be_read_any_more_is_no_problem(scene: Scene) -> None:
    """A repository that was taken off the allow-list, and one that nobody has heard of for long."""
    await two_repositories(scene)
    scene.github.add_token(TOKEN, LOGIN, repositories=["acme/none"])
    assert len((await recover(scene))["problems"]) >= 2
    await set_to(scene, repositories=["acme/shop"])
    told = await recover(scene)
    assert not [one for one in told["problems"] if "tools" in one["where"]]
    scene.clock.ahead += 8 * 86_400
    await recover(scene)
    await scene.restart()
    problems = (await recover(scene))["problems"]
    assert not [one for one in problems if one["where"] == "the webhook of acme/shop"], problems


@sqlite_only
@token_only
async def test_an_organisations_webhook_of_others_is_not_read(scene: Scene) -> None:
    """Which webhook has delivered is in a header, which nobody signs."""
    await ready(scene)
    scene.github.add_token(TOKEN, LOGIN, scopes=["repo", "admin:org_hook"])
    another = scene.github.add_organization_hook("acme", "https://another.example/", ["*"])
    await named(scene, another, "organization", 77)
    miss(scene, another, 1)
    assert (await recover(scene))["taken_in"] == 0
    assert not any(f"{another.id}/deliveries" in one.path for one in scene.github.requests)


@sqlite_only
@token_only
async def test_the_doctor_takes_nothing_from_what_is_known(scene: Scene) -> None:
    """It finds a webhook by name; of which repository it is by id, a delivery has told."""
    shop = await ready(scene)
    await scene.bot.post(f"/api/v1/integrations/{scene.integration}/check")
    known = await scene.bot.services.database.read(
        lambda tx: store.hooks.find(tx, scene.integration, shop.id)
    )
    assert known is not None and known.target_id == SHOP["id"]
    assert known.confirmed_at is not None


@sqlite_only
async def test_what_was_lost_is_tried_again_when_github_tries_again(scene: Scene) -> None:
    """Somebody has had it redelivered, again in vain, and now the list has a payload of it."""
    hook = await ready(scene)
    first = miss(scene, hook, 1, is_kept=False)
    assert (await recover(scene))["lost"] == 1
    miss(scene, hook, 1, guid=first["guid"], redelivery=True)
    told = await recover(scene)
    assert (told["taken_in"], told["problems"]) == (1, [])
    assert await linked(scene) == [1]


@sqlite_only
@token_only
async def test_pages_that_lead_in_a_circle(scene: Scene) -> None:
    """What stands there is taken in, and that they have no end is said."""
    hook = await ready(scene)
    for number in range(1, 4):
        miss(scene, hook, number)
    here = f"{scene.github.url}/repos/acme/shop/hooks/{hook.id}/deliveries?cursor="
    for round_ in range(60):
        link = {"Link": f'<{here}{("v1_a", "v1_b")[round_ % 2]}>; rel="next"'}
        rows = [{**one} for one in hook.deliveries]
        scene.github.fail(Fault("status", f"GET {LISTS}", status=200, headers=link, body=rows))
    told = await recover_in_time(scene, 4)
    assert (told["running"], told["taken_in"]) == (False, 3)
    assert "no end" in told["problems"][0]["reason"]


@sqlite_only
async def test_a_repository_that_is_new_while_another_of_its_owner_is_known(scene: Scene) -> None:
    """The entry `acme/*` lets any of them in, whatever has come under it before."""
    hook = await ready(scene)
    await set_to(scene, repositories=["acme/*"])
    await name(scene, hook)
    miss(scene, hook, 1, repo=TOOLS)
    told = await recover(scene)
    assert (told["taken_in"], told["not_allowed"]) == (1, 0)


@sqlite_only
async def test_a_repository_that_comes_under_the_allow_list_meanwhile(scene: Scene) -> None:
    """What was before is not allowed; what tells of its name, and all that came later, is read."""
    hook = await ready(scene)
    await set_to(scene, repositories=["acme/shop", "acme/tools"])
    before = payloads.repository("acme/old", TOOLS["id"])
    changes = {"repository": {"name": {"from": "old"}}}
    told_of = payloads.repository_event("renamed", TOOLS, changes)
    scene.github.add_repository(TOOLS["full_name"]).id = TOOLS["id"]
    start = scene.clock() - 600
    for number in (1, 2):
        miss(scene, hook, number, repo=before, at=start + number)
    miss(scene, hook, event="repository", payload=told_of, at=start + 3)
    miss(scene, hook, 3, repo=TOOLS, at=start + 4)
    told = await recover(scene)
    assert (told["taken_in"], told["not_allowed"]) == (2, 2)
    assert await linked(scene) == [3]


@sqlite_only
@token_only
async def test_asked_for_by_hand_while_a_sweep_waits(scene: Scene) -> None:
    """The webhooks of which no delivery has told are looked for then."""
    hook = await ready(scene)
    scene.github.add_token(TOKEN, LOGIN, scopes=["repo", "admin:org_hook"])
    scene.github.fail(Fault("status", f"GET {LISTS}"))
    await worker.order_sweeps(scene.bot.services, times.now())
    await scene.work()
    await set_to(scene, repositories=["acme/shop", "acme/tools"])
    scene.github.add_repository(TOOLS["full_name"]).id = TOOLS["id"]
    made = scene.github.add_hook(TOOLS["full_name"], hook.config["url"], ["*"])
    miss(scene, scene.github.repository(TOOLS["full_name"]).hooks[made], 1, repo=TOOLS)
    path = f"/api/v1/integrations/{scene.integration}/recover"
    await scene.bot.post(path)
    await scene.pass_time(60)
    told = (await scene.bot.get(path)).body
    assert (told["running"], told["taken_in"]) == (False, 1)


@sqlite_only
async def test_a_repository_that_is_renamed_into_the_allow_list(scene: Scene) -> None:
    """The list has its id alone, which is outside until its new name is told: then it is read."""
    hook = await ready(scene)
    await set_to(scene, repositories=None)
    old = payloads.repository("acme/old", TOOLS["id"])
    await name(scene, hook, payloads.push("main", ["Nothing"], repo=old))
    await set_to(scene, repositories=["acme/shop", "acme/tools"])
    scene.github.add_repository(TOOLS["full_name"]).id = TOOLS["id"]
    start = scene.clock() - 1200
    told_of = payloads.repository_event("renamed", TOOLS, {"repository": {"name": {"from": "old"}}})
    miss(scene, hook, event="repository", payload=told_of, at=start)
    miss(scene, hook, 1, repo=TOOLS, at=start + 60)
    miss(scene, hook, 2, at=start + 1100)
    assert (await recover(scene))["taken_in"] == 2
    assert (await recover(scene))["taken_in"] == 1
    assert await linked(scene) == [1, 2]
    assert (await recover(scene))["listed"] == 1, "and no more than once"


@sqlite_only
@token_only
async def test_a_credential_that_github_does_not_take(scene: Scene) -> None:
    """One answer tells that; what could not be had of many webhooks is told of a few."""
    await two_repositories(scene)
    for number in range(6):
        repo = payloads.repository(f"acme/more-{number}")
        scene.github.add_repository(repo["full_name"]).id = repo["id"]
        made = scene.github.add_hook(repo["full_name"], "https://x.example", ["*"])
        hook = scene.github.repository(repo["full_name"]).hooks[made]
        await named(scene, hook, "repository", repo["id"], repo)
    scene.github.fail(Fault("status", status=401, body={"message": "Bad credentials"}, times=None))
    await worker.order_sweeps(scene.bot.services, times.now())
    await scene.work()
    assert len(scene.github.requests) == 1
    assert "401" in (await last_error(scene) or "")
    scene.github.heal()
    scene.github.add_token(TOKEN, LOGIN, repositories=["acme/none"])
    assert len((await recover(scene))["problems"]) > 8
    assert "more" in (error := await last_error(scene) or "") and len(error) < 1500


@sqlite_only
async def test_a_page_that_tells_no_times(scene: Scene) -> None:
    """What stands on the pages behind it is read."""
    hook = await ready(scene)
    miss(scene, hook, 1)
    for _ in range(100):
        miss(scene, hook, 2)["delivered_at"] = "lately"
    assert (await recover(scene))["taken_in"] == 1
    assert await linked(scene) == [1]


@sqlite_only
@token_only
async def test_nothing_is_left_of_an_integration_that_was_deleted(scene: Scene) -> None:
    """Not even by a delivery that was taken in at that moment, and names its webhook then."""
    await ready(scene)
    database = scene.bot.services.database
    assert (await scene.bot.delete(f"/api/v1/integrations/{scene.integration}")).status == 204
    hook = store.Hook(scene.integration, 9, "repository", 9, "acme/shop")
    assert await database.write(lambda tx: store.hooks.keep(tx, hook)) is False
    assert await database.read(lambda tx: store.hooks.of_integration(tx, scene.integration)) == []
