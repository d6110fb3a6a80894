"""A GitHub that does not answer, or not in time."""

import time

import pytest

from bot.doctor import examination
from tests.doctor.scene import HOOKS, Scene, steps, troubles
from tests.github import Fault
from tests.kit.marks import slow, sqlite_only


@pytest.mark.parametrize("kind", ["token", "app"])
@sqlite_only
async def test_a_github_that_is_down(scene: Scene, kind: str) -> None:
    """One problem names the address; what needs no GitHub is looked at all the same."""
    await (scene.with_app() if kind == "app" else scene.with_token())
    scene.github.down = True
    findings = await scene.expect("github", "problem", scene.github.url, "githubstatus.com")
    assert len(troubles(findings)) == 1
    assert steps(findings) == {"integration", "address", "github", "deliveries", "actions"}
    assert {one.template for one in scene.github.requests} <= {"GET /user", "GET /app"}
    scene.github.down = 503
    findings = await scene.expect("credential", "problem", "GitHub answered 503", "later")
    assert len(troubles(findings)) == 1


@sqlite_only
@pytest.mark.parametrize("kind", ["token", "app"])
async def test_a_github_that_goes_silent(scene: Scene, kind: str) -> None:
    """What was found until then stays, and soon nothing more is asked."""
    await (scene.with_app() if kind == "app" else scene.with_token())
    # An App has its own call, its installations, who serves the repository, and a token by then.
    fault = scene.github.fail(Fault("drop_before", times=None, after=4 if kind == "app" else 1))
    findings = await scene.expect("github", "problem", "cannot be reached", "config.api_url")
    assert "credential" in steps(findings) and "clock" in steps(findings)
    assert not {"webhook", "rate_limit"} & steps(findings)
    assert fault.used <= 2 * 2, "each is tried twice at most"


@sqlite_only
@slow
async def test_a_github_that_is_slow(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it is asked has a common end."""
    monkeypatch.setattr(examination, "GITHUB_SECONDS", 0.5)
    await scene.with_token()
    scene.github.fail(Fault("slow", HOOKS, times=None, seconds=60))
    began = time.monotonic()
    findings = await scene.expect("github", "problem", "took longer", "githubstatus.com")
    assert time.monotonic() - began < 30
    assert {"credential", "repositories", "deliveries"} <= steps(findings)


@sqlite_only
async def test_an_enterprise_server_without_limits(scene: Scene) -> None:
    """It answers 404, which is no trouble."""
    await scene.with_token()
    body = {"message": "Rate limiting is not enabled."}
    scene.github.fail(Fault("status", "GET /rate_limit", times=None, status=404, body=body))
    findings = await scene.expect("rate_limit", "ok", "no rate limit", "")
    assert troubles(findings) == []
