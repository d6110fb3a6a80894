"""A repository in whose code an experiment stands, and the issue that asks for it to be cleaned up."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import code_maps
from tests.github import REPO
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Answer

KEY = "checkout-flow-v2"
ISSUES = f"POST {REPO}/issues"
ISSUE = f"{REPO}/issues/{{issue_number}}"
Code = Mapping[str, Collection[int]]  # the lines of each file in which the experiment is named
CODE: Code = {"src/checkout/page.tsx": (12, 40), "src/checkout/steps.ts": (7,), "flags.yml": (3,)}


async def stands(
    scene: Scene, code: Code, *, status: store.MapStatus = "read", key: str = KEY
) -> None:
    """Let an experiment stand where `code` says in the default branch, as its map has it."""

    def job(tx: store.Transaction) -> None:
        repository = store.repositories.find(tx, REPOSITORY)
        assert repository is not None
        version, now = store.vocabulary.version(tx), times.now()
        if store.code_maps.find(tx, repository.id) is None:
            store.code_maps.add(tx, repository.id, scene.integration, version, now)
        sha = hashlib.sha1(f"{code}".encode()).hexdigest()  # noqa: S324 - no secret
        read = {"status": status, "version": version, "wanted_version": version}
        store.code_maps.change(
            tx, repository.id, sha=sha, branch="main", is_wanted=False, anew=False, **read
        )
        tx.run("DELETE FROM code_references WHERE experiment_key = :key", {"key": key})
        rows = [
            store.CodeReference(repository.id, path, line, key, "")
            for path, lines in code.items()
            for line in lines
        ]
        store.code_references.put(tx, repository.id, (), rows)
        code_maps.references_changed(tx, repository.id, {key})

    await scene.bot.services.database.write(job, locks=())


async def begin(scene: Scene, code: Code = CODE, **config: Any) -> None:
    """Let an active experiment stand in the code of the repository."""
    await scene.bot.experiment(KEY, name="One page checkout", owner="growth", status="active")
    path = f"/api/v1/integrations/{scene.integration}"
    answer = await scene.bot.patch(path, {"config": {"code": "on", "cleanup": "on", **config}})
    assert answer.status == 200, answer.body
    await scene.open("-")  # by which the repository is heard of
    await stands(scene, code)
    await scene.work()


async def set_status(scene: Scene, status: str) -> None:
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})
    await scene.work()


async def change(scene: Scene, code: Code, **more: Any) -> None:
    """Let the code change, a minute later."""
    scene.clock.ahead += 60
    await stands(scene, code, **more)
    await scene.work()


def issue_of(scene: Scene) -> dict[str, Any]:
    """Return the one issue that there is."""
    (issue,) = scene.github.issues(REPOSITORY)
    return issue


async def tell(scene: Scene, action: str, issue: dict[str, Any], **more: Any) -> None:
    """Deliver what has become of an issue."""
    payload = {
        "action": action,
        "issue": issue,
        "repository": scene.github.repository_payload(REPOSITORY),
        "sender": {"login": "jane", "type": "User"},
        **more,
    }
    answer = await scene.bot.deliver(scene.integration, "issues", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})


async def close(scene: Scene, reason: str) -> None:
    """Let somebody close the issue, and deliver it."""
    scene.clock.ahead += 60
    number = issue_of(scene)["number"]
    item = scene.github.repository(REPOSITORY).issues[number]
    item.state, item.state_reason, item.updated_at = "closed", reason, scene.github.clock()
    await tell(scene, "closed", issue_of(scene))


async def ask(scene: Scene, **body: Any) -> Answer:
    """Order the clean-up over the API."""
    body = {"integration_id": scene.integration, **body}
    return await scene.bot.post(f"/api/v1/experiments/{KEY}/clean-up", body)


async def told(scene: Scene, type_: str) -> list[str]:
    """Return what the feed says of a type, the newest first."""
    feed = await scene.bot.walk(f"/api/v1/experiments/{KEY}/activity?type={type_}")
    return [one["summary"] for one in feed]


def state_of(scene: Scene) -> tuple[str, str | None]:
    issue = issue_of(scene)
    return issue["state"], issue["state_reason"]
