"""A repository at GitHub whose pull requests are merged and deployed, with the bot told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bot.demo import payloads
from tests.github.values import sha_of, stamp
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.kit.running import Answer

KEY = "checkout-flow-v2"
COMPARE = "GET /repos/{owner}/{repo}/compare/{basehead}"
LIST = f"/api/v1/experiments/{KEY}"


@dataclass
class Shipping:
    """What is on main, the newest last; time passes with all that happens."""

    scene: Scene
    main: list[str] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def commit(self, name: str, *parents: str) -> str:
        """Add a commit to main, behind what is there."""
        parents = parents or tuple(self.main[-1:])
        self.main.append(self.scene.github.commit(REPOSITORY, sha_of(name), *parents))
        return self.main[-1]

    def now(self) -> str:
        self.scene.clock.ahead += 60
        found = stamp(self.scene.clock())
        assert found is not None
        return found

    async def merge(
        self, how: str = "squash", *, key: str = KEY, tell: bool = True, body: str | None = None
    ) -> int:
        """Open a pull request and merge it in one of GitHub's three ways; return its number."""
        self.now()
        text = f"experiment_key: {key}" if body is None else body
        number = await self.scene.open(text, tell=tell)
        pull = self.scene.github.repository(REPOSITORY).pulls[number]
        if how == "merge":
            before = self.main[-1]
            own = self.scene.github.commit(REPOSITORY, pull.head_sha, before)
            pull.merge_sha = self.commit(f"merge {number}", before, own)
        else:
            for part in range(3 if how == "rebase" else 1):
                pull.merge_sha = self.commit(f"{how} {number} {part}")
        self.scene.github.edit_pull(REPOSITORY, number, merged_at=self.now())
        if tell:
            await self.scene.tell("closed", number)
        return number

    def deployment(
        self, sha: str, environment: str = "production", at: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return the delivery of a deployment that has succeeded."""
        repo = self.scene.github.repository_payload(REPOSITORY)
        found = payloads.deployment_status(
            sha,
            at or self.now(),
            repo=repo,
            number=next(self.numbers),
            environment=environment,
            **more,
        )
        return {**found, **({"installation": {"id": INSTALLATION}} if self.scene.is_app else {})}

    async def deliver(self, payload: dict[str, Any], **more: Any) -> Answer:
        answer = await self.scene.bot.deliver(
            self.scene.integration, "deployment_status", payload, **more
        )
        assert (answer.status, answer.body["processed"]) == (200, True), answer.body
        return answer

    async def deploy(self, sha: str, environment: str = "production", **more: Any) -> int:
        """Deploy a commit, let the outbox work, and return how many comparisons it took."""
        before = self.compared
        await self.deliver(self.deployment(sha, environment, **more))
        await self.scene.work()
        return self.compared - before

    @property
    def compared(self) -> int:
        return sum(one.template == COMPARE for one in self.scene.github.requests)

    async def live(self, number: int) -> list[str]:
        """Return the environments in which a pull request is live, however it is asked."""
        scene = self.scene
        single = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
        assert single.status == 200, single.body
        for path in (f"{LIST}/pull-requests", "/api/v1/shipped"):
            rows = await scene.bot.walk(path)
            assert [one["live"] for one in rows if one["number"] == number] in (
                [],
                [single.body["live"]],
            )
        return [one["environment"] for one in single.body["live"]]

    async def told(self) -> Sequence[str]:
        """Return what the feed has of what is live, the oldest first."""
        rows = await self.scene.bot.walk(f"{LIST}/activity?type=pull_request.live")
        return [one["summary"].partition(": pull request #")[0] for one in reversed(rows)]


async def shipping(scene: Scene) -> Shipping:
    """Begin with an experiment and two commits on main."""
    await scene.bot.experiment(KEY, status="active")
    found = Shipping(scene)
    found.commit("first")
    found.commit("second")
    return found
