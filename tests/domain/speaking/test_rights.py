"""Several integrations speak for one repository: who is asked, how often, and who has to go."""

import asyncio
import dataclasses
import re

import pytest

from bot.deliveries.life import retry_due
from bot.demo import payloads
from bot.outbox.loop import Outbox
from tests.domain.speaking.world import (
    ACME,
    APPS,
    KINDS,
    NOT_ALLOWED,
    RIVAL,
    TOOL,
    WAITING,
    World,
    integration,
)
from tests.github import Fault, rsa_key
from tests.kit.breakage import broken
from tests.kit.deliveries import PROCESSED
from tests.kit.marks import sqlite_only
from tests.kit.outbound import PERMISSIONS
from tests.kit.running import eventually, start


async def test_nobody_is_asked_while_one_alone_speaks(world: World) -> None:
    await world.passes(
        ACME, world.pull(), world.pull(8), payloads.push("x", ["y"], repo=world.repo())
    )
    assert world.asked() == []


async def test_integrations_of_one_credential_never_notice(world: World) -> None:
    """As with a webhook of the organisation beside one of the repository."""
    kind = world.kinds[ACME]
    world.integrations["twin"] = await integration(world.bot, world.github, ACME, kind)
    world.kinds["twin"] = "token"  # its deliveries name no installation
    for number in range(3):
        await world.passes(ACME, world.pull(number + 1))
        await world.passes("twin", world.pull(number + 1, action="edited"), world.pull(number + 11))
    assert world.asked() == []
    await world.is_refused(RIVAL, world.pull(99))
    await world.passes("twin", world.pull(77))


async def test_both_may_speak_who_have_a_right(world: World) -> None:
    """They make one pull request, one link, one entry of the feed; GitHub is asked once an hour."""
    world.share(RIVAL)
    await world.passes(ACME, world.pull())
    await world.passes(RIVAL, world.pull(), world.pull(8))
    assert await world.pulls() == [
        ("acme/shop", number, "open", "Try the new checkout") for number in (7, 8)
    ]
    assert len(await world.feed()) == 4
    asked = len(world.asked())
    await world.passes(ACME, world.pull(7, action="edited"), world.pull(8, action="edited"))
    await world.passes(RIVAL, world.pull(9))
    assert len(world.asked()) == asked
    world.clock.ahead += 3601
    await world.passes(RIVAL, world.pull(9, action="edited"))
    assert len(world.asked()) > asked


async def test_what_one_alone_told_goes_with_its_right(world: World) -> None:
    """What both told of stays, and is the other's."""
    world.share(RIVAL)
    push, other = (payloads.push("feature", [one], repo=world.repo()) for one in ("One", "Two"))
    await world.passes(RIVAL, world.pull(), world.pull(8), push, other)
    await world.passes(ACME, world.pull(action="edited"), push, world.pull(9))
    world.lose(RIVAL)
    world.clock.ahead += 3601
    await world.is_refused(RIVAL, world.pull(8, action="edited"))
    assert [number for _, number, _, _ in await world.pulls()] == [7, 9]
    assert await world.commits() == ["One"]
    found = await world.bot.get("/api/v1/pull-requests/acme/shop/7")
    assert found.body["integration_id"] == world.integrations[ACME]
    listed = await world.bot.walk("/api/v1/experiments/a/commits")
    assert {one["integration_id"] for one in listed} == {world.integrations[ACME]}


async def test_who_stays_brings_up_to_date_what_the_other_showed(world: World) -> None:
    """With its own credential, in a comment of its own: the other's it may not edit."""
    world.share(RIVAL)
    pull = world.github.open_pull("acme/shop", title="T", body="experiment_key: a")
    sha = world.github.pull_payload("acme/shop", pull.number)["head"]["sha"]
    await world.passes(RIVAL, world.pull(pull.number, sha=sha))
    await world.outbox.work_off()
    await world.passes(ACME, world.pull(pull.number, sha=sha, action="edited"))
    world.lose(RIVAL)
    world.clock.ahead += 3601
    await world.is_refused(RIVAL, world.pull(8))
    before = len(world.github.writes())
    await world.bot.patch("/api/v1/experiments/a", {"status": "active"})
    await world.outbox.work_off()
    bodies = [str(one["body"]) for one in world.github.comments("acme/shop", pull.number)]
    assert "active" in bodies[-1]
    since = world.github.writes()[before:]
    assert since and all(re.search("acme|:55", one.credential) for one in since)


@sqlite_only
@pytest.mark.parametrize("kinds", KINDS[:1], indirect=True, ids="-".join)
async def test_who_is_not_asked_has_not_lost_its_right(world: World) -> None:
    """Its GitHub is not listed any more, so nothing is called there."""
    await world.passes(ACME, world.pull())
    settings = world.bot.services.settings
    elsewhere = dataclasses.replace(settings, github_api_urls=("https://x.example",))
    await world.outbox.stop(1)
    await world.bot.close()
    world.bot = await start(elsewhere)
    world.outbox = Outbox(world.bot.services)
    answer = await world.send(RIVAL, world.pull(8))
    assert (answer.status, answer.body) == (202, WAITING)
    assert [number for _, number, *_ in await world.pulls()] == [7]


@pytest.mark.parametrize("kinds", [("app", "token")], indirect=True, ids="-".join)
async def test_a_suspended_installation_has_not_lost_its_right(world: World) -> None:
    """It cannot look which repository that is, so nothing is known against it."""
    await world.passes(ACME, world.pull())
    world.github.installations[APPS[ACME][1]].suspended_at = world.clock()
    await world.is_refused(RIVAL, world.pull(8))
    assert [number for _, number, *_ in await world.pulls()] == [7]


async def test_a_refusal_holds_for_an_hour_also_after_a_restart(world: World) -> None:
    await world.passes(ACME, world.pull())
    await world.is_refused(RIVAL, world.pull(8))
    asked = len(world.asked())
    await world.restart()
    await world.is_refused(RIVAL, world.pull(8), world.pull(9))
    assert len(world.asked()) == asked
    world.share(RIVAL)
    await world.is_refused(RIVAL, world.pull(8))
    world.clock.ahead += 3601
    path = f"/api/v1/integrations/{world.integrations[RIVAL]}"
    assert "no right to acme/shop" in (await world.bot.get(path)).body["last_error"]
    findings = (await world.bot.post(f"{path}/check")).body["findings"]
    (found,) = [one for one in findings if one["check"] == "rights"]
    assert found["status"] == "warning" and "no right to acme/shop" in found["message"]
    await world.passes(RIVAL, world.pull(8))
    assert (await world.bot.get(path)).body["last_error"] is None
    await world.passes(ACME, world.pull(9))


async def test_what_nobody_handles_is_refused_too(world: World) -> None:
    """Of that repository; of others it is told that nobody handles it."""
    star = {"action": "created", "starred_at": world.now()}
    no_handler = {"processed": False, "reason": "no handler"}
    rivals = world.integrations[RIVAL]
    await world.passes(ACME, world.pull())
    for repository, before, after in (
        (world.repo(), no_handler, NOT_ALLOWED),
        (world.repo("rival/tool", TOOL), no_handler, no_handler),
    ):
        payload = {**star, "repository": repository}
        if before != after:
            assert (await world.bot.deliver(rivals, "star", payload)).body == before
            await world.is_refused(RIVAL, world.pull(8))
        assert (await world.bot.deliver(rivals, "star", payload)).body == after
        assert (await world.bot.deliver(world.integrations[ACME], "star", payload)).body == before


async def test_a_newcomer_waits_while_github_cannot_be_asked(world: World) -> None:
    await world.passes(ACME, world.pull())
    world.github.fail(Fault("status", times=None, status=502))
    answer = await world.send(RIVAL, world.pull(8, key="b"), guid="waits")
    assert (answer.status, answer.body) == (202, WAITING)
    await world.passes(ACME, world.pull(9))
    page = f"/api/v1/integrations/{world.integrations[RIVAL]}/deliveries"
    (waiting,) = (await world.bot.get(page)).items
    assert (waiting["status"], waiting["error"]) == ("retrying", "waiting for GitHub")
    world.github.heal()
    world.share(RIVAL)
    await world.restart()
    again = await world.bot.post(f"{page}/{waiting['id']}/replay")
    assert again.status == 200
    assert [number for _, number, _, _ in await world.pulls("b")] == [8]


@sqlite_only
@pytest.mark.parametrize("kinds", [("token", "token")], indirect=True)
async def test_what_waits_for_github_holds_up_no_retries_of_others(world: World) -> None:
    await world.passes(ACME, world.pull())
    world.github.fail(Fault("status", times=None, status=502))
    assert (await world.send(RIVAL, world.pull(8))).body == WAITING
    with broken():
        assert (await world.send(ACME, world.pull(9))).status == 202
    world.github.heal()
    world.github.fail(Fault("timeout_before", times=None, seconds=60))
    await world.restart()  # and so forgets that GitHub could not be asked
    world.clock.ahead += 60
    retrying = asyncio.create_task(retry_due(world.bot.services))

    async def is_retried() -> bool:
        return 9 in {number for _, number, _, _ in await world.pulls("a")}

    try:
        await eventually(is_retried)
        assert not retrying.done()
    finally:
        retrying.cancel()
        world.github.heal()


async def test_who_was_first_goes_on_while_github_cannot_be_asked(world: World) -> None:
    """Of a forger, too, nothing goes before GitHub has said so."""
    await world.passes(RIVAL, world.pull(8, key="b"))
    world.github.fail(Fault("status", times=None, status=502))
    answer = await world.send(ACME, world.pull(), guid="waits")
    assert (answer.status, answer.body) == (202, WAITING)
    await world.passes(RIVAL, world.pull(9, key="b"))
    world.github.heal()
    world.clock.ahead += 120
    await world.restart()
    await world.passes(ACME, world.pull(7))
    assert await world.pulls("b") == []


@pytest.mark.parametrize("kinds", KINDS[:2], indirect=True, ids="-".join)
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_github_is_asked_again_after_a_call_that_fails(world: World, status: int) -> None:
    world.share(RIVAL)
    await world.passes(RIVAL, world.pull(8))
    await world.passes(ACME, world.pull())
    world.lose(RIVAL)
    await world.passes(RIVAL, world.pull(8, action="edited"))  # it is not known yet
    world.github.fail(Fault("status", times=None, status=status))
    await world.outbox.work_off()
    world.github.heal()
    world.clock.ahead += 60
    await world.is_refused(RIVAL, world.pull(8, action="edited"))


async def test_github_is_asked_again_after_installation_events(world: World) -> None:
    await world.passes(ACME, world.pull())
    await world.is_refused(RIVAL, world.pull(8))
    world.share(RIVAL)
    await world.is_refused(RIVAL, world.pull(8))
    event = payloads.installation("created", 77, world.now(), repos=[])
    told = await world.bot.deliver(world.integrations[RIVAL], "installation", event)
    assert (told.status, told.body) == (200, PROCESSED)
    await world.passes(RIVAL, world.pull(8))


@sqlite_only
@pytest.mark.parametrize("kinds", [("token", "token")], indirect=True, ids="-".join)
async def test_a_new_credential_is_asked_of(world: World) -> None:
    await world.passes(ACME, world.pull())
    await world.is_refused(RIVAL, world.pull(8))
    world.github.add_token("ghp_with-a-right", "rival-bot")
    path = f"/api/v1/integrations/{world.integrations[RIVAL]}"
    assert (await world.bot.patch(path, {"config": {"token": "ghp_with-a-right"}})).status == 200
    await world.passes(RIVAL, world.pull(8))


@pytest.mark.parametrize("kinds", KINDS[:1], indirect=True, ids="-".join)
async def test_an_installation_token_has_a_right_to_what_it_was_given(world: World) -> None:
    """GitHub lists that; its answer about a repository has no permissions."""
    github, path = world.github, f"/api/v1/integrations/{world.integrations[RIVAL]}"
    github.add_app(1, rsa_key(), "pasted", permissions=PERMISSIONS, events=["push"])
    github.add_installation(1, 91, "acme", repositories=["other"])
    github.add_installation_token("ghs_pasted", 91, permissions=PERMISSIONS, repositories=None)
    assert (await world.bot.patch(path, {"config": {"token": "ghs_pasted"}})).status == 200
    await world.passes(ACME, world.pull())
    await world.is_refused(RIVAL, world.pull(8))
    github.installations[91].repositories = {"acme/shop"}
    world.clock.ahead += 3601
    github.add_installation_token("ghs_next", 91, permissions=PERMISSIONS, repositories=None)
    assert (await world.bot.patch(path, {"config": {"token": "ghs_next"}})).status == 200
    await world.passes(RIVAL, world.pull(8))


async def test_a_deleted_integration_speaks_no_longer(world: World) -> None:
    """What it told of stays, and the next one is the first."""
    await world.passes(RIVAL, world.pull(8))
    path = f"/api/v1/integrations/{world.integrations[RIVAL]}"
    assert (await world.bot.delete(path)).status == 204
    await world.passes(ACME, world.pull())
    assert world.asked() == []
    assert len(await world.pulls()) == 2


async def test_where_none_has_a_right_none_speaks(world: World) -> None:
    world.lose(ACME)
    await world.passes(ACME, world.pull())
    await world.is_refused(RIVAL, world.pull(8))
    await world.is_refused(ACME, world.pull(9))
    assert (await world.pulls(), await world.feed()) == ([], [])


async def test_the_api_links_nothing_for_who_has_no_right(world: World) -> None:
    await world.passes(ACME, world.pull())
    await world.is_refused(RIVAL, world.pull(8))
    world.github.open_pull("acme/shop", title="T", body="")
    body = {"integration_id": world.integrations[RIVAL], "repository": "acme/shop", "number": 1}
    answer = await world.bot.post("/api/v1/experiments/b/pull-requests", body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "repository")


async def test_many_deliveries_ask_once(world: World) -> None:
    await world.passes(ACME, world.pull())
    told = [world.send(RIVAL, world.pull(number + 10)) for number in range(12)]
    answers = await asyncio.gather(*told)
    assert {str(one.body) for one in answers} == {str(NOT_ALLOWED)}
    asked = [one for one in world.asked() if one.startswith("GET /repos/acme/shop")]
    assert len(asked) <= 4, asked
