"""A bot with one integration, and the GitHub that it belongs to, for the doctor to look at."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot import handlers
from bot.demo import payloads
from tests.github import REPO, Fault, GitHub, rsa_key
from tests.kit.outbound import PERMISSIONS
from tests.kit.running import SECRET, Bot

PUBLIC_URL = "https://bot.example.com"
TOKEN = "ghp_a-token-that-nobody-must-see"
APP, INSTALLATION = 4242, 55
SHOP = "acme/shop"
FINE_GRAINED = {
    "metadata": "read",
    "contents": "read",
    "deployments": "read",
    "issues": "write",
    "pull_requests": "write",
    "statuses": "write",
    "repository_hooks": "read",
}
EVENTS = handlers.registered().events.asked
HOOKS = f"GET {REPO}/hooks"
AT = "2026-03-02T10:00:00Z"
Finding = dict[str, Any]


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


Trouble = tuple[Callable[[Scene], Any], str, str, str, str]


def fails(fault: Fault) -> Callable[[Scene], Any]:
    return lambda scene: scene.github.fail(dataclasses.replace(fault))


def app_is(**changes: Any) -> Callable[[Scene], Any]:
    def change(scene: Scene) -> None:
        for name, value in changes.items():
            setattr(scene.app, name, value)

    return change
