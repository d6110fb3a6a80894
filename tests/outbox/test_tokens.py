"""Tokens: opaque, of any length, and what is remembered of GitHub's answers goes with them."""

import secrets
from typing import Any

import pytest

from tests.github.model import Request
from tests.kit.logs import captured
from tests.kit.marks import app_only, sqlite_only
from tests.kit.outbound import INSTALLATION, LOGIN, Scene
from tests.outbox.stories import KEY

PERMISSION = "GET /repos/{owner}/{repo}/collaborators/{username}/permission"


def asked(scene: Scene) -> list[Request]:
    return scene.github.calls(PERMISSION)


@sqlite_only
@app_only
async def test_an_etag_lives_as_long_as_its_token(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    for text in ("/experiment status", "/experiment pause", "/experiment status"):
        await scene.say(number, text)
    assert [one.status for one in asked(scene)] == [200, 304, 304]
    scene.clock.ahead += 3600
    for text in ("/experiment status", "/experiment status"):
        await scene.say(number, text)
    first, second = asked(scene)[3:]
    assert "If-None-Match" not in first.headers and first.status == 200
    assert second.status == 304
    # One that GitHub no longer takes is replaced within the call, and what it had remembered too.
    scene.github.revoke_tokens(INSTALLATION)
    await scene.say(number, "/experiment status")
    refused = [one for one in scene.github.requests if one.status == 401]
    assert len(refused) == 1
    again = scene.github.requests[scene.github.requests.index(refused[0]) + 2]
    assert (again.path, again.status) == (refused[0].path, 200)
    assert "If-None-Match" not in again.headers
    assert asked(scene)[-1].status == 200


@sqlite_only
@pytest.mark.parametrize("length", [520, 1_000, 4_000])
async def test_tokens_of_any_length(scene: Scene, length: int) -> None:
    """Stored, sent and never shown, be they given or minted."""
    with captured() as log:
        secret = await long_token(scene, length)
        await scene.bot.experiment(KEY)
        number = await scene.open(f"experiment_key: {KEY}")
        await scene.work()
        assert scene.check(number) == "success" and len(scene.comments(number)) == 1
        answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
        assert secret is None or answer.body["config"]["token"] == "********"
        checked = await scene.bot.post(f"/api/v1/integrations/{scene.integration}/check")
    for shown in (log.getvalue(), str(answer.body), str(checked.body)):
        assert "x" * 100 not in shown and (secret is None or secret[:40] not in shown)


async def long_token(scene: Scene, length: int) -> str | None:
    """Let the bot act with a token so long; return it, None if it mints its own."""
    if scene.is_app:
        scene.github.token_length = length
        return None
    secret = f"ghp_{secrets.token_hex(40)}".ljust(length, "x")
    scene.github.add_token(secret, LOGIN)
    changed: dict[str, Any] = {"config": {"token": secret}}
    answer = await scene.bot.patch(f"/api/v1/integrations/{scene.integration}", changed)
    assert answer.status == 200, answer.body
    return secret
