"""What is taken out with a right, and what happens while GitHub is being asked for it."""

import asyncio

import pytest

from bot.demo import payloads
from tests.domain.speaking.world import ACME, KINDS, NOT_ALLOWED, RIVAL, World, token_of
from tests.github import Fault

pytestmark = pytest.mark.parametrize("kinds", KINDS[:1], indirect=True, ids="-".join)


@pytest.mark.parametrize("is_tried", [False, True])
@pytest.mark.parametrize("kind", ["issue", "pull_request"])
async def test_made_up_commands_leave_the_feed(world: World, kind: str, is_tried: bool) -> None:
    """Whether they still waited for GitHub's word or had been refused."""
    payload = payloads.issue("created", 3, world.now(), repo=world.repo(), body=None)
    if kind == "pull_request":
        payload["issue"]["pull_request"] = {}
    user = {"login": "mallory", "type": "User"}
    payload["comment"] = {"id": 555, "body": "/experiment complete a", "user": user}
    await world.passes(RIVAL, payload)
    if is_tried:
        await world.outbox.work_off()
    await world.passes(ACME, world.pull())
    assert await world.feed() == ["pull_request.linked", "pull_request.opened"]
    (told,) = await world.bot.walk("/api/v1/commands")
    assert (told["status"], told["kind"]) == ("refused", kind)


async def test_a_repository_may_be_forgotten_while_github_is_asked(world: World) -> None:
    """The answer is about nothing then, and brings nothing back."""
    await world.passes(ACME, world.pull())
    world.github.fail(Fault("slow", times=None, seconds=0.5))
    asking = asyncio.create_task(world.send(RIVAL, world.pull(8)))
    while not world.asked():
        await asyncio.sleep(0.01)
    assert (await world.bot.delete("/api/v1/repositories/acme/shop")).status == 204
    await asking
    world.github.heal()
    await world.passes(ACME, world.pull(9))
    told = await world.told()
    assert sum("acme/shop" in one for one in told["repositories"]) == 1
    assert [number for _, number, *_ in await world.pulls()] == [9]


async def test_what_github_said_of_a_credential_counts_for_no_other(world: World) -> None:
    """A token that was revoked is replaced while GitHub refuses it."""
    await world.passes(ACME, world.pull())
    new = f"{token_of(ACME)}-again"
    del world.github._tokens[token_of(ACME)]
    world.github.add_token(new, "acme-bot", pushes_to=["acme/shop"])
    world.github.fail(Fault("slow", times=None, seconds=0.5))
    asking = asyncio.create_task(world.send(RIVAL, world.pull(8)))
    while not world.asked():
        await asyncio.sleep(0.01)
    path = f"/api/v1/integrations/{world.integrations[ACME]}"
    assert (await world.bot.patch(path, {"config": {"token": new}})).status == 200
    assert (await asking).body == NOT_ALLOWED
    await world.passes(ACME, world.pull(9))
    assert [number for _, number, *_ in await world.pulls()] == [7, 9]
