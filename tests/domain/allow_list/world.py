"""A GitHub with three repositories, of which one is listed."""

from dataclasses import dataclass
from typing import Any

import pytest

from bot.demo import payloads
from tests.github import GitHub
from tests.kit import outbound
from tests.kit.clock import Clock
from tests.kit.deliveries import PROCESSED, at
from tests.kit.running import Answer, Bot, event_of

NOT_ALLOWED = {"processed": False, "reason": "repository not allowed"}
SHOP, VAULT, FORK = 1001, 1002, 1003
both_credentials = pytest.mark.parametrize("credential", ["token", "app"], indirect=True)


def repo(name: str, github_id: int | None, minute: int = 0) -> dict[str, Any]:
    found = payloads.repository(name, github_id or 1, updated_at=at(minute))
    if github_id is None:
        del found["id"]
    return found


def pull(number: int, minute: int, where: dict[str, Any], **more: Any) -> dict[str, Any]:
    return payloads.pull_request(
        "edited", number, at(minute), repo=where, **{"body": "experiment_key: a", **more}
    )


def renamed(old: str, new: dict[str, Any]) -> dict[str, Any]:
    changes = {"repository": {"name": {"from": old.split("/")[1]}}}
    return payloads.repository_event("renamed", new, changes)


@dataclass
class World:
    """A GitHub with three repositories, and a bot of which two integrations hear of them."""

    bot: Bot
    github: GitHub
    wide: str
    narrow: str
    clock: Clock

    async def send(self, payload: dict[str, Any], through: str | None = None) -> Answer:
        return await self.bot.deliver(through or self.narrow, event_of(payload), payload)

    async def passes(self, payload: dict[str, Any], through: str | None = None) -> None:
        answer = await self.send(payload, through)
        assert (answer.status, answer.body) == (200, PROCESSED)

    async def is_refused(self, payload: dict[str, Any], through: str | None = None) -> None:
        answer = await self.send(payload, through)
        assert (answer.status, answer.body) == (200, NOT_ALLOWED)

    async def known(self) -> dict[str, Any]:
        """Return what the bot knows of repositories and what is in them."""
        queries = {
            "repositories": "SELECT host, github_id, full_name, deleted_at FROM repositories",
            "items": "SELECT repository_id, kind, number, title, state, gone_at FROM items",
            "links": "SELECT experiment_key, kind, target_id, linked_by FROM links",
        }
        return await self.bot.services.database.read(
            lambda tx: {
                name: sorted(repr(dict(row)) for row in tx.all(sql))
                for name, sql in queries.items()
            }
        )

    async def names(self) -> set[str]:
        rows = await self.bot.services.database.read(
            lambda tx: tx.all("SELECT full_name FROM repositories")
        )
        return {row["full_name"] for row in rows}

    async def places(self) -> set[tuple[str, int]]:
        """Repository and number of each pull request of experiment `a`."""
        items = await self.bot.walk("/api/v1/experiments/a/pull-requests")
        return {(item["repository"], item["number"]) for item in items}

    def asked(self, name: str | None = None) -> int:
        """Return how often GitHub was asked what a repository is."""
        path = None if name is None else f"/repos/{name}"
        return len(self.github.calls("GET /repos/{owner}/{repo}", path))


async def integration(bot: Bot, credential: str = "token", **config: Any) -> str:
    answer = await bot.post(
        "/api/v1/integrations",
        {
            "name": "Tests",
            "integration_type": "GITHUB",
            "config": {**outbound.credentials(credential), **config},
        },
    )
    assert answer.status == 201, answer.body
    identifier: str = answer.body["id"]
    return identifier
