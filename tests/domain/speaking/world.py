"""Two teams on one bot, each with its own credential and repository, and what they tell."""

from dataclasses import dataclass
from typing import Any

from bot import times
from bot.demo import payloads
from bot.outbox.loop import Outbox
from tests.github import GitHub, rsa_key
from tests.kit import running
from tests.kit.clock import Clock
from tests.kit.deliveries import PROCESSED
from tests.kit.outbound import PERMISSIONS
from tests.kit.running import SECRET, Answer, Bot, event_of

NOT_ALLOWED = {"processed": False, "reason": "repository not allowed"}
WAITING = {"processed": False, "reason": "will be retried"}
SHOP, TOOL = 1001, 2002
ACME, RIVAL = "acme", "rival"
APPS = {ACME: (4242, 55), RIVAL: (4343, 66)}
KINDS = (("token", "token"), ("app", "token"), ("token", "app"), ("app", "app"))


@dataclass
class World:
    """A GitHub with a public repository of each team, and a bot that serves both teams."""

    bot: Bot
    github: GitHub
    clock: Clock
    kinds: dict[str, str]
    integrations: dict[str, str]
    outbox: Outbox

    def repo(
        self, name: str = "acme/shop", github_id: int | None = SHOP, **more: Any
    ) -> dict[str, Any]:
        found = payloads.repository(name, github_id or 1, updated_at=self.now())
        if github_id is None:
            del found["id"]
        return {**found, **more}

    def now(self, seconds: int = 0) -> str:
        return times.render(self.clock.now() + seconds * times.SECOND) or ""

    def pull(
        self, number: int = 7, where: dict[str, Any] | None = None, key: str = "a", **more: Any
    ) -> dict[str, Any]:
        return payloads.pull_request(
            more.pop("action", "opened"),
            number,
            more.pop("at", self.now()),
            repo=where or self.repo(),
            body=f"experiment_key: {key}",
            **more,
        )

    async def send(self, team: str, payload: dict[str, Any], **options: Any) -> Answer:
        if self.kinds.get(team) == "app":
            payload = {**payload, "installation": {"id": APPS[team][1]}}
        return await self.bot.deliver(
            self.integrations[team], event_of(payload), payload, **options
        )

    async def passes(self, team: str, *told: dict[str, Any]) -> None:
        for payload in told:
            answer = await self.send(team, payload)
            assert (answer.status, answer.body) == (200, PROCESSED)

    async def is_refused(self, team: str, *told: dict[str, Any]) -> None:
        for payload in told:
            answer = await self.send(team, payload)
            assert (answer.status, answer.body) == (200, NOT_ALLOWED), payload

    async def pulls(self, key: str = "a") -> list[tuple[str, int, str, str]]:
        """Return repository, number, state and title of each pull request of an experiment."""
        found = await self.bot.walk(f"/api/v1/experiments/{key}/pull-requests")
        return sorted(
            (one["repository"], one["number"], one["state"], one["title"]) for one in found
        )

    async def commits(self, key: str = "a") -> list[str]:
        found = await self.bot.walk(f"/api/v1/experiments/{key}/commits")
        return sorted(one["message"] for one in found)

    async def feed(self, key: str = "a") -> list[str]:
        """Return what the feed of an experiment tells of, the newest first."""
        found = await self.bot.walk(f"/api/v1/experiments/{key}/activity")
        return [one["type"] for one in found if not one["type"].startswith("experiment.")]

    async def told(self) -> dict[str, Any]:
        """Return all that the bot knows of what is in repositories."""
        queries = {
            "repositories": "SELECT github_id, full_name, deleted_at FROM repositories",
            "items": "SELECT repository_id, kind, number, title, state, gone_at, head_repository_id"
            " FROM items",
            "links": "SELECT experiment_key, kind, target_id, linked_by FROM links",
            "commits": "SELECT repository_id, sha, message FROM commits",
            "activity": "SELECT type, experiment_key, summary FROM activity",
            "actions": "SELECT kind, integration_id, repository_id, status FROM actions",
        }
        return await self.bot.services.database.read(
            lambda tx: {
                name: sorted(repr(dict(row)) for row in tx.all(sql))
                for name, sql in queries.items()
            }
        )

    def asked(self) -> list[str]:
        """Return what GitHub has been asked so far, whoever asked."""
        return [f"{one.method} {one.path}" for one in self.github.requests]

    async def restart(self) -> None:
        """Stop the bot, and start it again on the same database."""
        await self.outbox.stop(1)
        await self.bot.close()
        self.bot = await running.start(self.bot.services.settings)
        self.outbox = Outbox(self.bot.services)

    def lose(self, team: str) -> None:
        """Take away a team's right to acme/shop; it can be read as ever."""
        if self.kinds[team] == "app":
            self.github.installations.pop(77, None)
            self.github.installations[APPS[team][1]].repositories = {"acme/other"}
        else:
            self.github._tokens[token_of(team)].pushes_to = set()

    def share(self, team: str) -> None:
        """Give another team a right to acme/shop as well."""
        if self.kinds[team] == "app":
            app, _ = APPS[team]
            self.github.add_installation(app, 77, "acme", repositories=["shop"])
        else:
            self.github._tokens[token_of(team)].pushes_to = {"acme/shop", f"{team}/tool"}


def token_of(team: str) -> str:
    return f"ghp_the-token-of-{team}"


async def integration(bot: Bot, github: GitHub, team: str, kind: str, **config: Any) -> str:
    """Make an integration with the credential of a team."""
    app, _ = APPS[team]
    credential: dict[str, Any] = {"token": token_of(team)}
    if kind == "app":
        credential = {"app_id": app, "private_key": rsa_key()}
    answer = await bot.post(
        "/api/v1/integrations",
        {
            "name": team,
            "integration_type": "GITHUB",
            "config": {
                **credential,
                "webhook_secret": SECRET,
                "backfill_days": 0,
                "code": "off",
                **config,
            },
        },
    )
    assert answer.status == 201, answer.body
    identifier: str = answer.body["id"]
    return identifier


def equip(github: GitHub, team: str, kind: str) -> None:
    """Give a team its credential in GitHub: it has a right to its own repository alone."""
    own = "acme/shop" if team == ACME else "rival/tool"
    if kind == "token":
        github.add_token(token_of(team), f"{team}-bot", pushes_to=[own])
        return
    app, installation = APPS[team]
    name = f"{team}-app"
    github.add_app(app, rsa_key(), name, permissions=PERMISSIONS, events=["push"], owner=team)
    github.add_installation(app, installation, team, repositories=[own])
