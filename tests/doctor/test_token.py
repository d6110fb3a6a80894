"""What is well and what is wrong with a token, the repositories it reaches and their webhooks."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from bot import times
from bot.demo import payloads
from bot.doctor.credential import expiry_of
from tests.doctor.scene import (
    APP,
    AT,
    EVENTS,
    FINE_GRAINED,
    HOOKS,
    INSTALLATION,
    SHOP,
    TOKEN,
    Scene,
    Trouble,
    fails,
    steps,
    troubles,
)
from tests.github import REPO, Fault, rsa_key, secondary_limit
from tests.kit.marks import sqlite_only
from tests.kit.outbound import PERMISSIONS
from tests.kit.running import SECRET


async def test_a_token_with_all_that_it_needs(scene: Scene) -> None:
    """Every look says so in its turn, and names who the credential is and what it reaches."""
    await scene.with_token()
    findings = await scene.check()
    assert troubles(findings) == []
    assert [one["check"] for one in findings] == [
        "integration",
        "address",
        "credential",
        "permissions",
        "repositories",
        "webhook",
        "rate_limit",
        "api_version",
        "clock",
        "deliveries",
        "actions",
    ]
    said = {one["check"]: one["message"] for one in findings}
    assert "octocat" in said["credential"] and "classic" in said["credential"]
    assert SHOP in said["repositories"] and SHOP in said["webhook"]
    assert "of 5000 calls" in said["rate_limit"]


@sqlite_only
async def test_a_fine_grained_token(scene: Scene) -> None:
    """What it may read is tried; what it may write cannot be, and is said to be needed."""
    await scene.with_token(fine_grained=FINE_GRAINED)
    findings = await scene.check()
    assert troubles(findings) == []
    said = {one["check"]: one["message"] for one in findings}
    assert "fine-grained" in said["credential"]
    assert "Commit statuses, read and write" in said["permissions"]


@sqlite_only
async def test_what_a_fine_grained_token_may_not_read(scene: Scene) -> None:
    """GitHub's own word for the permission is passed on."""
    await scene.with_token(fine_grained={**FINE_GRAINED, "issues": "none"})
    await scene.expect("permissions", "problem", "issues=read", "Issues")
    scene.github.repository(SHOP).shas.add("a" * 40)
    scene.set_token(fine_grained={**FINE_GRAINED, "contents": "none", "deployments": "none"})
    await scene.expect("permissions", "problem", "contents: read commits are not", "Contents")
    await scene.expect("permissions", "warning", "deployments of acme/shop", "Deployments, read")


@sqlite_only
async def test_a_pasted_installation_token(scene: Scene) -> None:
    """It may not ask who it is, works all the same, and is gone within the hour."""
    await scene.with_token()
    scene.github.remove_token(TOKEN)
    permissions = {**PERMISSIONS, "repository_hooks": "read"}
    scene.github.add_app(APP, rsa_key(), "acme-bot", permissions=permissions, events=EVENTS)
    scene.github.add_installation(APP, INSTALLATION, "acme")
    scene.github.add_installation_token(TOKEN, INSTALLATION)
    findings = await scene.expect("credential", "warning", "an hour after", "app_id")
    assert [one["check"] for one in troubles(findings)] == ["credential"]
    await scene.change(repositories=None)
    await scene.expect("repositories", "ok", "1 repository: acme/shop", "")


def repository_is(**changes: Any) -> Callable[[Scene], Any]:
    """Have GitHub describe the repository with these changes."""

    def change(scene: Scene) -> None:
        body = {**scene.github.repository_payload(SHOP), **changes}
        template = f"GET {REPO}"
        scene.github.fail(Fault("status", template, times=None, status=200, body=body))

    return change


def config_is(**changes: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.hook.config.update(changes)


def hook_is(**changes: Any) -> Callable[[Scene], Any]:
    def change(scene: Scene) -> None:
        for name, value in changes.items():
            setattr(scene.hook, name, value)

    return change


def token_is(**options: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.set_token(**options)


def answered(code: int, message: str) -> Callable[[Scene], Any]:
    return hook_is(last_response={"code": code, "status": "x", "message": message})


OF_TOKENS: dict[str, Trouble] = {
    "not valid": (
        lambda scene: scene.github.remove_token(TOKEN),
        *("credential", "problem", "401 Bad credentials", "PATCH config.token"),
    ),
    "not known why": (
        fails(Fault("status", times=None, status=403, body={"message": "Suspended account"})),
        *("credential", "problem", "403 Suspended account", "store a new one"),
    ),
    "no scope": (
        token_is(scopes=["gist"]),
        *("permissions", "problem", ": gist.", "`public_repo`"),
    ),
    "no scope at all": (token_is(scopes=[]), "permissions", "problem", ": none.", "`repo`"),
    "expires soon": (
        token_is(expires_at=time.time() + 3 * 86_400),
        *("expiry", "warning", "soon", "PATCH config.token"),
    ),
    "not its repository": (
        token_is(repositories=["acme/other"]),
        *("repositories", "problem", f"Not reached: {SHOP}", "give octocat access"),
    ),
    "a fine-grained token's choice": (
        token_is(fine_grained=FINE_GRAINED, repositories=["acme/other"]),
        *("repositories", "problem", f"Not reached: {SHOP}", "serves one owner"),
    ),
    "single sign-on": (
        fails(
            Fault(
                "status",
                f"GET {REPO}",
                times=None,
                status=403,
                body={"message": "Resource protected by organization SAML enforcement."},
                headers={"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso"},
            )
        ),
        *("repositories", "problem", "SAML enforcement", "single sign-on"),
    ),
    "renamed": (
        repository_is(full_name="acme/store"),
        *("repositories", "warning", "acme/store", "Write acme/store into config.repositories"),
    ),
    "archived": (
        repository_is(archived=True),
        *("repositories", "warning", "archived", "Unarchive"),
    ),
    "may not write": (
        repository_is(permissions={"pull": True, "push": False}),
        *("repositories", "warning", "octocat may not write", "role Write"),
    ),
    "no issues": (
        repository_is(has_issues=False),
        *("repositories", "warning", "Issues are switched off", "Switch them on"),
    ),
    "may not see webhooks": (
        fails(Fault("status", HOOKS, times=None, status=404, body={"message": "Not Found"})),
        *("webhook", "warning", SHOP, "read:repo_hook"),
    ),
    "no webhook": (
        lambda scene: scene.github.repository(SHOP).hooks.clear(),
        *("webhook", "problem", f"No webhook of {SHOP}", "/webhook/github, content type"),
    ),
    "webhook elsewhere": (
        lambda scene: config_is(url=scene.hook_url.replace("bot.", "old."))(scene),
        *("webhook", "problem", "points to https://old.example.com/api", "PUBLIC_URL"),
    ),
    "webhook off": (hook_is(active=False), "webhook", "problem", "not active", "Check Active"),
    "form": (config_is(content_type="form"), "webhook", "warning", "form", "application/json"),
    "insecure": (config_is(insecure_ssl="1"), "webhook", "warning", "certificates", "Enable SSL"),
    "no secret": (config_is(secret=None), "webhook", "warning", "no secret", "webhook_secret"),
    "too few events": (
        hook_is(events=["push", "issues"]),
        *("webhook", "problem", "not send: issue_comment, pull_request", "Select these events"),
    ),
    "other secret": (
        answered(401, "Invalid HTTP Response: 401"),
        *("webhook", "problem", "got 401", "The secrets differ"),
    ),
    "not found": (
        answered(404, "Invalid HTTP Response: 404"),
        *("webhook", "problem", "got 404", "webhook_url"),
    ),
    "no connection": (
        answered(0, "failed to connect to host"),
        *("webhook", "problem", "no answer for its last delivery: failed to", "firewall"),
    ),
    "two webhooks": (
        lambda scene: scene.github.add_hook(SHOP, scene.hook_url, EVENTS, secret=SECRET),
        *("webhook", "warning", "2 webhooks", "Delete the others"),
    ),
    "limit nearly spent": (
        lambda scene: scene.github.set_limit(40, 600),
        *("rate_limit", "warning", "of 5000 calls an hour are left, until 20", "one of its own"),
    ),
    "limit spent": (
        lambda scene: scene.github.set_limit(0, 600),
        *("credential", "problem", "rate limit", "Wait for 6"),
    ),
    "a pause asked for": (
        fails(secondary_limit(77, template=HOOKS, times=None)),
        *("webhook", "problem", "secondary rate limit", "Wait for 77 seconds"),
    ),
    "clock behind": (
        lambda scene: setattr(scene.github, "clock", lambda: time.time() + 45.5),
        *("clock", "warning", "seconds behind GitHub's", "NTP"),
    ),
    "clock ahead": (
        lambda scene: setattr(scene.github, "clock", lambda: time.time() - 300),
        *("clock", "warning", "seconds ahead of GitHub's", "NTP"),
    ),
    "garbage": (
        fails(Fault("garbage", "GET /user", times=None)),
        *("credential", "problem", "not JSON", "config.api_url"),
    ),
    "an answer of another shape": (
        fails(Fault("status", HOOKS, times=None, status=200, body={"hooks": [1]})),
        *("webhook", "problem", "not what it should be", "later"),
    ),
    "a time that cannot be": (
        fails(
            Fault(
                "status",
                "GET /rate_limit",
                times=None,
                status=200,
                body={"resources": {"core": {"limit": 5000, "remaining": 0, "reset": 10**20}}},
            )
        ),
        *("rate_limit", "problem", "not what it should be", "later"),
    ),
    "not well": (
        fails(Fault("status", HOOKS, times=None, status=502)),
        *("webhook", "problem", "GitHub answered 502", "later"),
    ),
    "huge": (
        fails(Fault("huge", f"GET {REPO}", times=None)),
        *("github", "problem", "larger than any", "config.api_url"),
    ),
}


@sqlite_only
@pytest.mark.parametrize("what", OF_TOKENS)
async def test_what_is_wrong_with_a_token(scene: Scene, what: str) -> None:
    """Each is a finding that says what to do; the other steps go on."""
    await scene.with_token()
    trouble, *expected = OF_TOKENS[what]
    trouble(scene)
    findings = await scene.expect(*expected)
    assert {"integration", "address", "deliveries", "actions"} <= steps(findings)
    if expected[0] not in ("credential", "github"):
        assert {"credential", "repositories", "webhook", "rate_limit", "clock"} <= steps(findings)


@sqlite_only
@pytest.mark.parametrize(
    ("kind", "remedy"),
    [({"scopes": ["public_repo"]}, "`read:repo_hook`"), ({"fine_grained": {}}, "Webhooks: read")],
)
async def test_webhooks_that_a_token_may_not_see(
    scene: Scene, kind: dict[str, Any], remedy: str
) -> None:
    """What to give it depends on its kind; the webhook can also be looked at by hand."""
    scene.github.add_repository(SHOP, private=False)
    if "fine_grained" in kind:
        kind = {"fine_grained": {**FINE_GRAINED, "repository_hooks": "none"}}
    await scene.with_token(**kind)
    findings = await scene.expect("webhook", "warning", "may not look", remedy)
    (found,) = troubles(findings)
    assert "cannot be recovered" in found["message"]
    assert scene.hook_url in found["remedy"] and "pull_request" in found["remedy"]


@sqlite_only
async def test_without_an_allow_list(scene: Scene) -> None:
    """Repositories are counted, and the webhooks are those of repositories that were heard of."""
    await scene.with_token()
    scene.github.add_repository("acme/web")
    await scene.change(repositories=None)
    findings = await scene.expect("repositories", "ok", "2 repositories", "")
    # Two are few enough to look at all of them, as nothing else is known.
    assert "No webhook of acme/web" in str(troubles(findings))
    payload = payloads.issue("opened", 1, AT, repo=payloads.repository(SHOP))
    assert (await scene.bot.deliver(scene.id, "issues", payload)).status == 200
    assert troubles(await scene.check()) == []
    for n in range(350):
        scene.github.add_repository(f"acme/number-{n}")
    await scene.expect("repositories", "ok", "more than 300 repositories", "")


@sqlite_only
async def test_an_allow_list_of_owners(scene: Scene) -> None:
    """An owner of whom nothing is reached is named; without anything to look at, that is said."""
    await scene.with_token()
    await scene.change(repositories=["acme/*", "globex/*"])
    await scene.expect("repositories", "warning", "fits globex/*", "give octocat access")
    await scene.change(repositories=["globex/*"])
    await scene.expect("webhook", "warning", "not known which", "config.repositories")
    await scene.change(repositories=None)
    scene.github.repositories.clear()
    await scene.expect("repositories", "problem", "reaches no repository", "access")


@sqlite_only
async def test_a_long_allow_list(scene: Scene) -> None:
    """Twenty are looked at, their refusals told together; of five the webhooks."""
    await scene.with_token()
    names = [f"acme/number-{n}" for n in range(30)]
    for name in names[:10]:
        scene.github.add_repository(name)
    await scene.change(repositories=names)
    findings = await scene.check()
    (refused,) = [one for one in troubles(findings) if one["check"] == "repositories"]
    assert "acme/number-10, acme/number-11" in refused["message"]
    assert "The other 10 of the allow-list" in str(findings)
    assert len(scene.github.calls(f"GET {REPO}")) == 20
    assert len(scene.github.calls(HOOKS)) == 5


@sqlite_only
async def test_a_webhook_of_the_organization(scene: Scene) -> None:
    """Deliveries that come although the repository has no webhook make it a warning."""
    await scene.with_token()
    scene.github.repository(SHOP).hooks.clear()
    payload = payloads.issue("opened", 1, AT, repo=payloads.repository(SHOP))
    await scene.bot.deliver(scene.id, "issues", payload)
    await scene.expect("webhook", "warning", "yet a delivery came", "`admin:org_hook`")
    scene.set_token(scopes=["repo", "admin:org_hook"])
    await scene.expect("webhook", "warning", "yet a delivery came", "organization has one; if")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02 10:00:00 UTC", "2026-03-02T10:00:00Z"),
        ("2026-03-02 10:00:00 +0200", "2026-03-02T08:00:00Z"),
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"),
        ("never", None),
        ("", None),
    ],
)
def test_when_a_token_expires(text: str, moment: str | None) -> None:
    """GitHub's header comes in several forms; one that cannot be read says nothing."""
    headers = {"github-authentication-token-expiration": text}
    assert times.render(expiry_of(headers)) == moment
