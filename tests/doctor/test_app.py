"""What is well and what is wrong with an App, its installations and its webhook."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.doctor.scene import (
    APP,
    INSTALLATION,
    Scene,
    Trouble,
    app_is,
    fails,
    steps,
    troubles,
)
from tests.github import Fault
from tests.kit.marks import sqlite_only
from tests.kit.outbound import PERMISSIONS


async def test_an_app_with_all_that_it_needs(scene: Scene) -> None:
    """The same for an App; it gets the events of checks without a subscription."""
    await scene.with_app()
    findings = await scene.check()
    assert troubles(findings) == []
    assert [one["check"] for one in findings] == [
        "integration",
        "address",
        "credential",
        "permissions",
        "events",
        "installation",
        "repositories",
        "webhook",
        "rate_limit",
        "api_version",
        "clock",
        "deliveries",
        "actions",
    ]
    said = {one["check"]: one["message"] for one in findings}
    assert "acme-bot" in said["credential"] and "acme (55)" in said["installation"]


def app_hook_is(**changes: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.app.hook.config.update(changes)


def installation_is(**changes: Any) -> Callable[[Scene], Any]:
    def change(scene: Scene) -> None:
        for name, value in changes.items():
            setattr(scene.github.installations[INSTALLATION], name, value)

    return change


def failed_delivery(scene: Scene) -> None:
    hook = scene.app.hook
    scene.github.add_delivery(hook, "issues", {}, guid="mended", status_code=500)
    scene.github.add_delivery(hook, "issues", {}, guid="mended", redelivery=True)
    scene.github.add_delivery(hook, "push", {}, status_code=401)


OF_APPS: dict[str, Trouble] = {
    "not known": (
        lambda scene: scene.github.apps.clear(),
        *("credential", "problem", "401", "app_id and private_key"),
    ),
    "lacks permissions": (
        app_is(permissions={**PERMISSIONS, "checks": "read", "issues": "read"}),
        *("permissions", "problem", "issues: write, checks: write", "accept"),
    ),
    "lacks events": (app_is(events=["push"]), "events", "problem", "issues, pull_request", "App"),
    "lacks checks": (
        app_is(permissions={**PERMISSIONS, "checks": "none"}),
        *("permissions", "problem", ": checks: write.", "Permissions & events"),
    ),
    "not installed": (
        lambda scene: scene.github.installations.clear(),
        *("installation", "problem", "not installed anywhere", "acme-bot/installations/new"),
    ),
    "another default": (
        lambda scene: scene.github.installations.update(
            {56: dataclasses.replace(scene.github.installations.pop(INSTALLATION), id=56)}
        ),
        *("installation", "problem", "installation 55 does not exist", "acme (56)"),
    ),
    "suspended": (
        lambda scene: scene.github.suspend_installation(INSTALLATION),
        *("installation", "problem", "acme (55) is suspended", "unsuspend"),
    ),
    "not accepted": (
        installation_is(permissions={**PERMISSIONS, "checks": "read"}),
        *("installation", "problem", "lacks checks: write", "accepted by the account's owner"),
    ),
    "not installed there": (
        installation_is(repositories={"acme/other"}),
        *("repositories", "problem", "not installed there", "install the App there"),
    ),
    "webhook elsewhere": (
        app_hook_is(url="https://smee.io/abc?token=hidden"),
        *("webhook", "problem", "https://smee.io/abc?…", "/webhook/github"),
    ),
    "no webhook": (app_hook_is(url=None), "webhook", "problem", "is not set", "/webhook/github"),
    "form": (app_hook_is(content_type="form"), "webhook", "warning", "form", "application/json"),
    "insecure": (app_hook_is(insecure_ssl=1), "webhook", "warning", "certificates", "Enable"),
    "failed": (
        failed_delivery,
        *("webhook", "warning", "Of the last 2 deliveries that GitHub tried, 1 failed", "secrets"),
    ),
    "clock behind": (
        lambda scene: setattr(scene.github, "clock", lambda: time.time() + 300),
        *("clock", "problem", "seconds behind GitHub's: more than", "NTP"),
    ),
    "clock a little ahead": (
        lambda scene: setattr(scene.github, "clock", lambda: time.time() - 45),
        *("clock", "warning", "seconds ahead of GitHub's", "NTP"),
    ),
    "limit nearly spent": (
        lambda scene: scene.github.set_limit(40, 600),
        *("rate_limit", "warning", "of 5000", "one of its own"),
    ),
    "no token to be had": (
        fails(
            Fault(
                "status",
                "POST /app/installations/{installation_id}/access_tokens",
                times=None,
                status=500,
            )
        ),
        *("repositories", "problem", "GitHub answered 500", "later"),
    ),
}


@sqlite_only
@pytest.mark.parametrize("what", OF_APPS)
async def test_what_is_wrong_with_an_app(scene: Scene, what: str) -> None:
    """The same as for tokens."""
    await scene.with_app()
    trouble, *expected = OF_APPS[what]
    trouble(scene)
    findings = await scene.expect(*expected)
    assert {"integration", "address", "deliveries", "actions"} <= steps(findings)
    if expected[0] != "credential":
        assert {"installation", "repositories", "webhook", "rate_limit"} <= steps(findings)


@sqlite_only
async def test_an_app_that_posts_less_needs_less(scene: Scene) -> None:
    """Without checks, comments and labels, nothing but issues must be writable."""
    await scene.with_app()
    scene.app.permissions = {**PERMISSIONS, "checks": "none", "pull_requests": "read"}
    scene.github.installations[INSTALLATION].permissions = scene.app.permissions
    assert "pull_requests: write, checks: write" in str(troubles(await scene.check()))
    await scene.change(comments="off", label=None, check="off")
    assert troubles(await scene.check()) == []


@sqlite_only
async def test_an_app_on_several_accounts(scene: Scene) -> None:
    """Without an allow-list, what all its installations reach is counted."""
    await scene.with_app()
    scene.github.add_repository("globex/web")
    scene.github.add_installation(APP, 56, "globex")
    scene.github.add_installation(APP, 57, "initech", suspended=True)
    await scene.change(repositories=None)
    findings = await scene.expect("repositories", "ok", "2 repositories: acme/shop, globex", "")
    (suspended,) = troubles(findings)
    assert (suspended["check"], suspended["status"]) == ("installation", "warning")
    assert "initech" in suspended["message"]
    for n in range(100, 200):
        scene.github.add_installation(APP, n, f"account-{n}", suspended=n > 101)
    await scene.change(installation_id=199)
    await scene.expect("installation", "problem", "account-199 (199) is suspended", "unsuspend")
