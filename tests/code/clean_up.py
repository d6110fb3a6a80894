"""A repository in whose code an experiment stands, and the issue that lists what is left of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot import storage as store
from bot.domain import clean_ups
from tests.github import REPO
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.project import Project
from tests.kit.running import Answer

KEY = "checkout-flow-v2"
ISSUES = f"POST {REPO}/issues"
ISSUE = f"{REPO}/issues/{{issue_number}}"
Code = Mapping[str, Collection[int]]  # the lines of each file in which the experiment is named
CODE: Code = {"src/checkout/page.tsx": (12, 40), "src/checkout/steps.ts": (7,), "flags.yml": (3,)}
LESS: Code = {"src/checkout/page.tsx": (12,)}


@dataclass
class Shop(Scene):
    """A scene whose repository is one of git's."""

    project: Project
    named: set[str] = field(default_factory=set)  # files that the experiment is in


async def shop_of(scene: Scene, folder: Path) -> Shop:
    await scene.restart(github_archive_hosts=(scene.github.codeload.url,))
    return Shop(**vars(scene), project=Project.of(scene, folder))


async def push(shop: Shop, code: Code, key: str = KEY) -> None:
    """Push to the default branch, so that an experiment stands where `code` says alone."""
    files: dict[str, str | None] = dict.fromkeys(shop.named - {*code} if key == KEY else ())
    for path, lines in code.items():
        files[path] = "".join(
            f'"{key}"\n' if number in lines else "\n" for number in range(1, max(lines) + 1)
        )
    shop.named = {*code} if key == KEY else shop.named
    shop.project.git.commit({"README.md": f"{shop.clock.ahead}", **files})
    await shop.project.tell()


async def begin(shop: Shop, code: Code = CODE, **config: Any) -> None:
    """Let an active experiment stand in the code of the repository."""
    await shop.bot.experiment(KEY, name="One page checkout", owner="growth", status="active")
    path = f"/api/v1/integrations/{shop.integration}"
    answer = await shop.bot.patch(path, {"config": {"code": "on", "cleanup": "on", **config}})
    assert answer.status == 200, answer.body
    await push(shop, code)
    await shop.pass_time(10)


async def set_status(shop: Scene, status: str) -> None:
    await shop.bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})
    await shop.work()


async def change(shop: Shop, code: Code, key: str = KEY) -> None:
    """Let the code change, a minute later."""
    shop.clock.ahead += 60
    await push(shop, code, key)
    await shop.work()


async def read_in_part(shop: Shop, *, of: str | None) -> None:
    """Let a file of the default branch be one that could not be read; None for none."""

    def job(tx: store.Transaction) -> None:
        repository = store.repositories.find(tx, REPOSITORY)
        assert repository is not None
        unread = () if of is None else (store.Unread("it is larger than 2 MB", of),)
        status = "partial" if unread else "read"
        store.code_maps.change(tx, repository.id, status=status, unread=unread)
        clean_ups.follow(tx, repository.id)

    await shop.bot.services.database.write(job, locks=())
    await shop.work()


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


def calls(shop: Scene) -> list[str]:
    """Return the calls to GitHub that are about issues."""
    found = [one.template or "" for one in shop.github.requests]
    return [one for one in found if "/issues" in one]


def transfer(shop: Scene, full_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let somebody transfer the issue; return it as it was, and as it is there."""
    leaves = issue_of(shop)
    shop.github.add_repository(full_name)
    shop.github.open_issue(full_name, title="Another")
    shop.github.repository(full_name).issues.clear()
    item = shop.github.open_issue(
        full_name, title=leaves["title"], body=leaves["body"], author=leaves["user"]["login"]
    )
    shop.github.delete_issue(REPOSITORY, leaves["number"])
    return leaves, shop.github.issue_payload(full_name, item.number)


def moved(shop: Scene, issue: dict[str, Any]) -> dict[str, str]:
    """Return with what GitHub leads on to an issue."""
    return {"Location": issue["url"]}
