"""What a repository had before the bot heard of it is read, newest first, and told when it was."""

from typing import Any

from tests.github import REPO
from tests.kit.outbound import REPOSITORY, Scene

DAY = 86_400
PULLS, ISSUES = f"GET {REPO}/pulls", f"GET {REPO}/issues"
COMMITS = f"GET {REPO}/pulls/{{pull_number}}/commits"


def pull(scene: Scene, days: float, key: str | None, **more: Any) -> int:
    """Let there be a pull request that was last changed so many days ago, and made a day before."""
    body = f"experiment_key: {key}" if key else "Nothing to see."
    number = scene.github.open_pull(REPOSITORY, title=f"Pull {key}", body=body, **more).number
    return aged(scene, number, days)


def issue(scene: Scene, days: float, key: str, **more: Any) -> int:
    title = f"Track experiment: {key}"
    return aged(scene, scene.github.open_issue(REPOSITORY, title=title, **more).number, days)


def aged(scene: Scene, number: int, days: float) -> int:
    """Let a pull request or issue be so many days older than it is."""
    item = scene.github.repository(REPOSITORY).issues[number]
    now = int(scene.clock())
    item.updated_at = now - days * DAY
    item.created_at = item.updated_at - DAY
    if item.closed_at is not None:
        item.closed_at = item.updated_at
    if item.merged_at is not None:
        item.merged_at = item.updated_at
    return number


async def start(scene: Scene, **order: Any) -> dict[str, Any]:
    """Start a backfill by hand, and let it come to its end; return how far it is then."""
    answer = await scene.bot.post(path(scene), order)
    assert answer.status == 202, answer.body
    await scene.work()
    return await progress(scene)


def path(scene: Scene) -> str:
    return f"/api/v1/integrations/{scene.integration}/backfill"


async def progress(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = (await scene.bot.get(path(scene))).body
    return found


async def feed(scene: Scene, key: str) -> list[tuple[str, bool]]:
    """Return what the feed of an experiment tells, the oldest first, and whether that is late."""
    found = await scene.bot.walk(f"/api/v1/experiments/{key}/activity")
    return [
        (one["type"], one["backfilled"])
        for one in found[::-1]
        if not one["type"].startswith("experiment.")
    ]


async def test_the_past_of_a_repository(scene: Scene) -> None:
    """Read, linked and told at its times; only what is open is written on."""
    for key in ("open", "merged", "closed", "tracked"):
        await scene.bot.experiment(key)
    is_open = pull(scene, 3, "open", head_ref="one")
    merged = pull(scene, 5, "merged", head_ref="two", state="closed", merged_at=scene.clock())
    closed = pull(scene, 6, "closed", head_ref="three", state="closed")
    other = pull(scene, 7, None, head_ref="four")
    old = pull(scene, 40, "open", head_ref="five")
    tracked = issue(scene, 8, "tracked")
    scene.github.repository(REPOSITORY).issues[tracked].state = "open"
    done = await start(scene, repositories=[REPOSITORY])
    assert (done["status"], done["error"]) == ("done", None)
    assert done["repositories"] == {"done": 1, "total": 1}
    assert (done["pull_requests"], done["issues"], done["linked"]) == (4, 1, 4)
    late = [("pull_request.opened", True), ("pull_request.linked", True)]
    assert await feed(scene, "open") == late
    assert await feed(scene, "merged") == [*late, ("pull_request.merged", True)]
    assert await feed(scene, "closed") == [*late, ("pull_request.closed", True)]
    assert await feed(scene, "tracked") == [("issue.linked", True)]
    news = await scene.bot.walk("/api/v1/experiments/merged/activity?type=pull_request.merged")
    item = scene.github.pull_payload(REPOSITORY, merged)
    assert (news[0]["occurred_at"], news[0]["delivery_id"]) == (item["merged_at"], None)
    (linked,) = await scene.bot.walk("/api/v1/experiments/merged/pull-requests")
    assert linked["linked_at"] == item["created_at"]
    (commit,) = await scene.bot.walk("/api/v1/experiments/merged/commits")
    assert (commit["sha"], commit["linked_by"]) == (item["head"]["sha"], "branch")
    assert commit["author"] == "jane"
    assert not await scene.bot.walk("/api/v1/activity?type=commit.pushed")
    assert len(scene.github.calls(COMMITS)) == 2
    await scene.pass_time(120, 10)
    written = {number: len(scene.comments(number)) for number in (is_open, merged, closed, other)}
    assert written == {is_open: 1, merged: 0, closed: 0, other: 0}
    assert scene.check(is_open) == "success" and scene.check(merged) is None
    missing = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{old}")
    assert missing.status == 404
    again = await start(scene)
    assert (again["status"], again["pull_requests"]) == ("done", 4)
    assert await feed(scene, "merged") == [*late, ("pull_request.merged", True)]
    await scene.pass_time(120, 10)
    assert len(scene.comments(is_open)) == 1
