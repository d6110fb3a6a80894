"""The check of an integration: what is well, what is wrong, and what to do about it."""

import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bot import handlers, times
from bot import storage as store
from bot.demo import payloads
from bot.doctor import examination
from bot.doctor.credential import expiry_of
from bot.github.reach import unreachable
from bot.settings import Settings
from tests.github import REPO, Fault, GitHub, rsa_key, secondary_limit
from tests.kit import processes
from tests.kit.marks import slow
from tests.kit.running import SECRET, Bot, start

PUBLIC_URL = "https://bot.example.com"
TOKEN = "ghp_a-token-that-nobody-must-see"
APP, INSTALLATION = 4242, 55
SHOP = "acme/shop"
PERMISSIONS = {
    "metadata": "read",
    "contents": "read",
    "pull_requests": "write",
    "issues": "write",
    "checks": "write",
    "merge_queues": "read",
    "deployments": "read",
}
FINE_GRAINED = {
    "metadata": "read",
    "issues": "write",
    "pull_requests": "write",
    "statuses": "write",
    "repository_hooks": "read",
}
EVENTS = handlers.registered().events.asked
HOOKS = f"GET {REPO}/hooks"
AT = "2026-03-02T10:00:00Z"
Finding = dict[str, Any]

only_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@dataclass
class Scene:
    """A bot with one integration, and the GitHub that it belongs to; all is well at first."""

    bot: Bot
    github: GitHub
    id: str = ""

    @property
    def hook_url(self) -> str:
        return f"{PUBLIC_URL}/api/v1/integrations/{self.id}/webhook/github"

    @property
    def hook(self) -> Any:
        (found,) = self.github.repository(SHOP).hooks.values()
        return found

    @property
    def app(self) -> Any:
        return self.github.apps[APP]

    def set_token(self, **options: Any) -> None:
        self.github.add_token(TOKEN, "octocat", **options)

    async def with_token(self, **options: Any) -> "Scene":
        self.set_token(**options)
        self.id = await self.bot.integration(config={"token": TOKEN, "repositories": [SHOP]})
        self.github.add_hook(SHOP, self.hook_url, EVENTS, secret=SECRET)
        await self.ping()
        return self

    async def with_app(self) -> "Scene":
        config = {
            "app_id": APP,
            "private_key": rsa_key(),
            "installation_id": INSTALLATION,
            "webhook_secret": SECRET,
            "repositories": [SHOP],
        }
        answer = await self.bot.post(
            "/api/v1/integrations",
            {"name": "Acme App", "integration_type": "GITHUB", "config": config},
        )
        self.id = answer.body["id"]
        self.github.add_app(
            APP,
            rsa_key(),
            "acme-bot",
            permissions=PERMISSIONS,
            events=EVENTS,
            hook_url=self.hook_url,
            hook_secret=SECRET,
        )
        self.github.add_installation(APP, INSTALLATION, "acme")
        await self.ping()
        return self

    async def ping(self) -> None:
        payload = payloads.ping(1, AT)
        answer = await self.bot.deliver(self.id, "ping", payload)
        assert answer.body["processed"] is True

    async def change(self, **config: Any) -> None:
        answer = await self.bot.patch(f"/api/v1/integrations/{self.id}", {"config": config})
        assert answer.status == 200, answer.body

    async def check(self) -> list[Finding]:
        answer = await self.bot.post(f"/api/v1/integrations/{self.id}/check")
        assert answer.status == 200, answer.body
        assert answer.body["integration_id"] == self.id
        findings: list[Finding] = answer.body["findings"]
        assert answer.body["ok"] == (not any(one["status"] == "problem" for one in findings))
        for one in findings:
            assert (one["remedy"] is None) == (one["status"] == "ok"), one
            assert not one["message"].endswith(".."), one
        for secret in (TOKEN, SECRET, rsa_key().splitlines()[1]):
            assert secret not in str(answer.body)
        assert self.github.writes() == []
        assert self.github.violations == []
        return findings

    async def expect(self, check: str, status: str, message: str, remedy: str) -> list[Finding]:
        """Check, and find one finding that says this; return all."""
        findings = await self.check()
        fitting = [
            one
            for one in findings
            if (one["check"], one["status"]) == (check, status)
            and message in one["message"]
            and remedy in (one["remedy"] or "")
        ]
        assert len(fitting) == 1, findings
        return findings


def troubles(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one["status"] != "ok"]


def steps(findings: list[Finding]) -> set[str]:
    return {one["check"] for one in findings}


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    running = await GitHub.start()
    running.add_repository(SHOP, private=True)
    yield running
    await running.close()


@pytest.fixture
def settings(settings: Settings, github: GitHub) -> Settings:
    return dataclasses.replace(settings, github_api_urls=(github.url,), public_url=PUBLIC_URL)


@pytest.fixture
async def scene(bot: Bot, github: GitHub) -> Scene:
    return Scene(bot, github)


# --- All is well


async def test_a_token_with_all_that_it_needs(scene: Scene) -> None:
    """Every step says so, and names who the credential is and what it reaches."""
    await scene.with_token()
    findings = await scene.check()
    assert troubles(findings) == []
    assert steps(findings) == {
        "integration",
        "address",
        "credential",
        "permissions",
        "repositories",
        "webhook",
        "rate_limit",
        "clock",
        "deliveries",
        "actions",
    }
    said = {one["check"]: one["message"] for one in findings}
    assert "octocat" in said["credential"] and "classic" in said["credential"]
    assert SHOP in said["repositories"] and SHOP in said["webhook"]
    assert "of 5000 calls" in said["rate_limit"]


async def test_an_app_with_all_that_it_needs(scene: Scene) -> None:
    """The same for an App; it gets the events of checks without a subscription."""
    await scene.with_app()
    findings = await scene.check()
    assert troubles(findings) == []
    assert {"credential", "permissions", "events", "installation", "webhook"} <= steps(findings)
    said = {one["check"]: one["message"] for one in findings}
    assert "acme-bot" in said["credential"] and "acme (55)" in said["installation"]


@only_sqlite
async def test_a_fine_grained_token(scene: Scene) -> None:
    """What it may read is tried; what it may write cannot be, and is said to be needed."""
    await scene.with_token(fine_grained=FINE_GRAINED)
    findings = await scene.check()
    assert troubles(findings) == []
    said = {one["check"]: one["message"] for one in findings}
    assert "fine-grained" in said["credential"]
    assert "Commit statuses: read and write" in said["permissions"]


@only_sqlite
async def test_what_a_fine_grained_token_may_not_read(scene: Scene) -> None:
    """GitHub's own word for the permission is passed on."""
    await scene.with_token(fine_grained={**FINE_GRAINED, "issues": "none"})
    await scene.expect("permissions", "problem", "issues=read", "Issues")


@only_sqlite
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


# --- Who may ask


@only_sqlite
async def test_who_may_check(scene: Scene) -> None:
    """A developer may, a viewer may not; what is unknown or deleted is 404."""
    await scene.with_token()
    await processes_token(scene.bot, "viewer", "viewer-token-of-the-tests")
    await processes_token(scene.bot, "developer", "developer-token-of-the-tests")
    path = f"/api/v1/integrations/{scene.id}/check"
    assert (await scene.bot.post(path, token=None)).status == 401
    assert (await scene.bot.post(path, token="viewer-token-of-the-tests")).status == 403
    assert (await scene.bot.post(path, token="developer-token-of-the-tests")).status == 200
    assert (await scene.bot.post(path.replace(scene.id, scene.id.upper()))).status == 200
    unknown = path.replace(scene.id, "00000000-0000-4000-8000-000000000000")
    assert (await scene.bot.post(unknown)).status == 404
    await scene.bot.delete(f"/api/v1/integrations/{scene.id}")
    assert (await scene.bot.post(path)).status == 404


async def processes_token(bot: Bot, role: str, secret: str) -> None:

    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, f"id of {role}", role, role, store.hash_token(secret), times.now()
        )
    )


# --- What is wrong with a token

Trouble = tuple[Callable[[Scene], Any], str, str, str, str]


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


def fails(fault: Fault) -> Callable[[Scene], Any]:
    return lambda scene: scene.github.fail(dataclasses.replace(fault))


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
        *("repositories", "problem", f"Not reached: {SHOP}", "for the token"),
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


@only_sqlite
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


@only_sqlite
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
    assert scene.hook_url in found["remedy"] and "pull_request" in found["remedy"]


@only_sqlite
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


@only_sqlite
async def test_an_allow_list_of_owners(scene: Scene) -> None:
    """An owner of whom nothing is reached is named; without anything to look at, that is said."""
    await scene.with_token()
    await scene.change(repositories=["acme/*", "globex/*"])
    await scene.expect("repositories", "warning", "fits globex/*", "give octocat access")
    await scene.change(repositories=["globex/*"])
    await scene.expect("webhook", "warning", "not known of which", "config.repositories")
    await scene.change(repositories=None)
    scene.github.repositories.clear()
    await scene.expect("repositories", "problem", "reaches no repository", "access")


@only_sqlite
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


@only_sqlite
async def test_a_webhook_of_the_organization(scene: Scene) -> None:
    """Deliveries that come although the repository has no webhook make it a warning."""
    await scene.with_token()
    scene.github.repository(SHOP).hooks.clear()
    payload = payloads.issue("opened", 1, AT, repo=payloads.repository(SHOP))
    await scene.bot.deliver(scene.id, "issues", payload)
    await scene.expect("webhook", "warning", "yet a delivery came", "the organization has one")


# --- What is wrong with an App


def app_is(**changes: Any) -> Callable[[Scene], Any]:
    def change(scene: Scene) -> None:
        for name, value in changes.items():
            setattr(scene.app, name, value)

    return change


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


@only_sqlite
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


@only_sqlite
async def test_an_app_that_posts_less_needs_less(scene: Scene) -> None:
    """Without checks, comments and labels, nothing but issues must be writable."""
    await scene.with_app()
    scene.app.permissions = {**PERMISSIONS, "checks": "none", "pull_requests": "read"}
    scene.github.installations[INSTALLATION].permissions = scene.app.permissions
    assert "pull_requests: write, checks: write" in str(troubles(await scene.check()))
    await scene.change(comments="off", label=None, check="off")
    assert troubles(await scene.check()) == []


@only_sqlite
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


# --- GitHub does not answer


@pytest.mark.parametrize("kind", ["token", "app"])
@only_sqlite
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


@only_sqlite
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


@only_sqlite
async def test_a_github_that_is_slow(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it is asked has a common end."""
    monkeypatch.setattr(examination, "GITHUB_SECONDS", 0.5)
    await scene.with_token()
    scene.github.fail(Fault("slow", HOOKS, times=None, seconds=5))
    began = time.monotonic()
    findings = await scene.expect("github", "problem", "took longer", "githubstatus.com")
    assert time.monotonic() - began < 3
    assert {"credential", "repositories", "deliveries"} <= steps(findings)


@only_sqlite
async def test_an_enterprise_server_without_limits(scene: Scene) -> None:
    """It answers 404, which is no trouble."""
    await scene.with_token()
    body = {"message": "Rate limiting is not enabled."}
    scene.github.fail(Fault("status", "GET /rate_limit", times=None, status=404, body=body))
    findings = await scene.expect("rate_limit", "ok", "no rate limit", "")
    assert troubles(findings) == []


# --- What the bot's own database tells


async def test_no_delivery_yet(scene: Scene) -> None:
    """It says where the webhook has to point."""
    scene.set_token()
    scene.id = await scene.bot.integration(config={"token": TOKEN, "repositories": [SHOP]})
    await scene.expect("deliveries", "warning", "No delivery", scene.hook_url)


async def test_deliveries_that_failed(scene: Scene) -> None:
    """The latest reason is told, and how to replay them."""
    await scene.with_token()

    def add(tx: store.Transaction, guid: str, status: str, error: str | None) -> None:
        integration = tx.one("SELECT seq FROM integrations")
        assert integration is not None
        now = times.now()
        values = {
            "integration_seq": integration["seq"],
            "guid": guid,
            "event": "push",
            "action": None,
            "repository": SHOP,
            "status": status,
            "received_at": now,
            "processed_at": None,
            "attempts": 1,
            "next_attempt_at": None,
            "error": error,
            "headers": "{}",
            "payload": None,
        }
        assert store.deliveries.add(tx, values)

    write = scene.bot.services.database.write
    await write(lambda tx: add(tx, "1", "failed", "KeyError: first."))
    await write(lambda tx: add(tx, "2", "failed", "KeyError: second."))
    await write(lambda tx: add(tx, "3", "retrying", "the database is locked"))
    findings = await scene.expect("deliveries", "problem", "2 failed; the latest", "replay")
    assert "KeyError: second" in str(findings)
    await scene.expect("deliveries", "warning", "the database is locked", "worker")


@only_sqlite
async def test_deliveries_that_are_all_ignored(scene: Scene) -> None:
    """They come from other repositories, or are of other events."""
    scene.set_token()
    scene.id = await scene.bot.integration(config={"token": TOKEN, "repositories": [SHOP]})
    payload = payloads.issue("opened", 1, AT, repo=payloads.repository("acme/other"))
    answer = await scene.bot.deliver(scene.id, "issues", payload)
    assert answer.body["reason"] == "repository not allowed"
    await scene.expect("deliveries", "warning", "were ignored", "config.repositories")


async def test_actions_that_failed_and_that_wait(scene: Scene) -> None:
    """Failed ones of three days count, and one that waits for long."""
    await scene.with_token()
    day = 86_400 * times.SECOND

    def add(tx: store.Transaction, name: str, status: str, age: int, error: str | None) -> None:
        at = times.now() - age
        values: dict[str, Any] = {
            "id": name,
            "kind": "check",
            "queue": "token:x",
            "lane": name,
            "collapse": None,
            "priority": 1,
            "integration_id": scene.id,
            "installation_id": None,
            "repository_id": 1,
            "item_id": None,
            "number": 1,
            "request": {},
            "idempotency_key": None,
            "status": status,
            "attempts": 1,
            "next_attempt_at": at,
            "give_up_at": at + 3 * day,
            "created_at": at,
        }
        assert store.actions.add(tx, values)
        finished_at = at if status == "failed" else None
        store.actions.change(tx, name, last_error=error, finished_at=finished_at)

    write = scene.bot.services.database.write
    await write(lambda tx: add(tx, "old", "failed", 4 * day, "long ago"))
    await write(lambda tx: add(tx, "young", "pending", 0, None))
    findings = await scene.expect("actions", "ok", "1 waiting", "")
    assert troubles(findings) == []
    await write(lambda tx: add(tx, "new", "failed", day, "403 Forbidden"))
    await write(lambda tx: add(tx, "stuck", "pending", day, None))
    await scene.expect("actions", "problem", "1 action failed", "/retry")
    await scene.expect("actions", "warning", "2 actions waiting", "worker")


@only_sqlite
async def test_an_integration_that_is_not_active(scene: Scene) -> None:
    """That is a warning: somebody may want it so."""
    await scene.with_token()
    await scene.bot.patch(f"/api/v1/integrations/{scene.id}", {"is_active": False})
    findings = await scene.expect("integration", "warning", "not active", "is_active")
    assert len(troubles(findings)) == 1


@only_sqlite
async def test_secrets_that_cannot_be_read(scene: Scene) -> None:
    """A key that is gone is a finding, not a 500."""
    await scene.with_token()
    scene.bot.services.vault = store.Vault([Fernet.generate_key().decode()])
    findings = await scene.expect("integration", "problem", "secrets cannot be read", "SECRET_KEY")
    assert len(findings) == 1


# --- What must not be said


@only_sqlite
async def test_secrets_stay_secret(scene: Scene) -> None:
    """Also where a strange GitHub repeats them, or an address holds a password."""
    await scene.with_token()
    path = f"/api/v1/integrations/{scene.id}/webhook/github"
    scene.hook.config["url"] = f"https://user:password@old.example.com{path}?key=hidden"
    findings = await scene.expect("webhook", "problem", "https://old.example.com/api", "PUBLIC_URL")
    assert "password" not in str(findings) and "hidden" not in str(findings)
    body = {"message": f"No such token: {TOKEN}\x1b[31m\n{SECRET}"}
    scene.github.fail(Fault("status", times=None, status=401, body=body))
    findings = await scene.expect("credential", "problem", "No such token: ********", "new token")
    assert "\x1b" not in str(findings) and "\\x1b" not in str(findings)


@pytest.mark.parametrize(
    ("public_url", "api_url", "reason"),
    [
        ("https://bot.example.com", "https://api.github.com", None),
        ("http://127.0.0.1:8000", "https://api.github.com", "this machine"),
        ("http://localhost:8000", "https://api.github.com", "this machine"),
        ("http://bot.localhost", "https://api.acme.ghe.com", "this machine"),
        ("http://0.0.0.0:8000", "https://api.github.com", "this machine"),
        ("http://[::1]:8000", "https://api.github.com", "this machine"),
        ("http://127.0.0.1:8000", "https://ghe.corp.example/api/v3", "this machine"),
        ("http://10.1.2.3", "https://api.github.com", "private network"),
        ("http://192.168.1.7:8000", "https://api.acme.ghe.com", "private network"),
        ("http://bot", "https://api.github.com", "private network"),
        ("http://bot.internal", "https://api.github.com", "private network"),
        ("http://10.1.2.3", "https://ghe.corp.example/api/v3", None),
        ("http://bot", "https://ghe.corp.example/api/v3", None),
        ("https://8.8.8.8", "https://api.github.com", None),
    ],
)
def test_addresses_that_github_cannot_reach(
    public_url: str, api_url: str, reason: str | None
) -> None:
    """This machine never; a private network only from an Enterprise Server in it."""
    found = unreachable(public_url, api_url)
    assert (found is None) if reason is None else reason in (found or "")


@only_sqlite
async def test_a_public_url_of_this_machine(settings: Settings, github: GitHub) -> None:
    """The warning says what to set."""
    bot = await start(dataclasses.replace(settings, public_url="http://127.0.0.1:8000"))
    try:
        scene = Scene(bot, github)
        scene.set_token()
        scene.id = await bot.integration(config={"token": TOKEN})
        await scene.expect("address", "warning", "http://127.0.0.1:8000", "Set PUBLIC_URL")
    finally:
        await bot.close()


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


# --- The command line


@pytest.fixture
def env(tmp_path: Path, github: GitHub) -> dict[str, str]:
    return processes.environment(
        tmp_path / "data",
        GITHUB_API_URLS=github.url,
        PUBLIC_URL=PUBLIC_URL,
        LOG_LEVEL="info",
    )


@only_sqlite
@slow
async def test_the_command(scene: Scene, env: dict[str, str]) -> None:
    """All integrations unless one is named; each with its findings; 1 if there is a problem."""
    await scene.with_token()
    code, out, errors = await processes.app("doctor", env=env)
    assert (code, errors) == (0, ""), out
    assert f"Tests ({scene.id})\n  ok       integration: It is active.\n" in out
    assert out.endswith("\nProblems: 0. Warnings: 0.\n")
    second = await scene.bot.integration(
        name="Second", config={"token": f"{TOKEN}-2", "repositories": [SHOP]}
    )
    code, out, errors = await processes.app("doctor", env=env)
    assert (code, errors) == (1, "")
    assert out.index(f"Tests ({scene.id})") < out.index(f"Second ({second})")
    assert "\n  PROBLEM  credential: GitHub does not take the token: 401 " in out
    assert "\n           Make a new token in GitHub" in out
    assert "\n  warn     deliveries: No delivery" in out
    assert out.endswith("\nProblems: 1. Warnings: 1.\n")
    assert TOKEN not in out and SECRET not in out
    for one in ("Tests", scene.id, scene.id.upper()):
        code, out, errors = await processes.app("doctor", one, env=env)
        assert (code, errors) == (0, "") and second not in out
    code, out, errors = await processes.app("doctor", "tests", env=env)
    assert (code, out) == (1, "")
    assert errors == "Error: no integration has the id or name 'tests'\n"


@slow
async def test_the_command_without_an_integration(env: dict[str, str]) -> None:
    """It says what to do, on a new database as well."""
    code, _, errors = await processes.app("token", "create", "ci", "--role", "viewer", env=env)
    assert code == 0, errors
    for arguments in (("doctor",), ("doctor", "Tests")):
        code, out, errors = await processes.app(*arguments, env=env)
        assert (code, out) == (1, "")
        assert errors.startswith("Error: there is no integration yet; create one")
