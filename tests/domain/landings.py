"""Pushes, force pushes and merges of a repository, and what is shown of its commits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.demo import payloads
from tests.kit.deliveries import at
from tests.kit.running import Bot

Payload = dict[str, Any]
NEW, OLD = True, False  # what a push says of a commit as `distinct`
BRANCH, MESSAGE = "branch", "message"
COUNTED, REPLACED = False, True
KEYED = "Named\n\nExperiment-Key: KEY"
SQUASHED = "Squashed (#7)\n\nExperiment-Key: KEY"


@dataclass
class Place:
    """A repository of a story's own, and the experiment that it is about."""

    repo: Payload
    key: str

    def sha(self, message: str) -> str:
        return payloads.sha_of(f"{self.repo['full_name']} {self.text(message)}")

    def text(self, message: str) -> str:
        return message.replace("KEY", self.key)


Story = list[Callable[[Place], Payload]]


def push(
    branch: str,
    minute: int,
    *commits: tuple[str, bool],
    force: tuple[str, str] | None = None,
) -> Callable[[Place], Payload]:
    """A push of commits, each a message and whether it is new; `force` has the heads around it."""

    def build(place: Place) -> Payload:
        moment = int(datetime.fromisoformat(at(minute)).timestamp())
        messages = [place.text(message) for message, _ in commits]
        made = payloads.push(branch, messages, repo=place.repo, pushed_at=moment, at=at(minute))
        for commit, (_, distinct) in zip(made["commits"], commits, strict=True):
            commit["distinct"] = distinct
        if force is not None:
            before, after = map(place.sha, force)
            made.update(forced=True, before=before, after=after)
        return made

    return build


def gone(branch: str, minute: int) -> Callable[[Place], Payload]:
    """The deletion of a branch."""

    def build(place: Place) -> Payload:
        moment = int(datetime.fromisoformat(at(minute)).timestamp())
        return payloads.push(branch, [], repo=place.repo, pushed_at=moment, deleted=True)

    return build


def pull(action: str, minute: int, *, merge: str | None = None, **values: Any) -> Any:
    """A version of pull request 7 from `feature`; `merge` names the commit as which it landed."""

    def build(place: Place) -> Payload:
        body = f"experiment_key: {place.key}"
        known = {"repo": place.repo, "body": body, "created_at": at(1), **values}
        if merge is not None and action == "closed":
            known.update(state="closed", merged=True)
        made = payloads.pull_request(action, 7, at(minute), **known)
        if merge is not None:
            made["pull_request"]["merge_commit_sha"] = place.sha(merge)
        return made

    return build


async def shown(bot: Bot, place: Place) -> dict[str, tuple[str, str, bool]]:
    """Return what is shown of the commits; those that are not replaced are counted."""
    found = await bot.walk(f"/api/v1/experiments/{place.key}/commits")
    experiment = await bot.get(f"/api/v1/experiments/{place.key}")
    assert experiment.body["counts"]["commits"] == sum(not one["replaced"] for one in found)
    return {
        one["sha"]: (one["ref"].removeprefix("refs/heads/"), one["linked_by"], one["replaced"])
        for one in found
    }
