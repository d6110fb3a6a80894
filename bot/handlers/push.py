"""`push`: commits on a branch; tags, deleted branches and those of merge queues link nothing.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

import re

from gidgethub.routing import Router

from bot import storage as store
from bot.code import experiments_yml
from bot.domain import code_maps, commits, keys, rules_reading
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import CONTENTS, Heard
from bot.handlers import merge_group
from bot.handlers.dispatch import Delivery

HEARS = Heard(
    "push",
    "commits link by their message or their branch",
    CONTENTS,
    webhook="Pushes",
    reads=payloads.PushEvent,
)
router = Router()
_MOST_COMMITS = 2_048  # that a push lists; of more it tells not all
_SHA = re.compile(r"[0-9A-Za-z]{1,64}")


@router.register("push")
async def pushed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.PushEvent)
    repository_id = delivery.repository(payload.repository)
    if payload.ref.startswith(merge_group.BRANCH):
        if payload.deleted:
            merge_group.end(delivery, repository_id, payload.ref)
        elif payload.created is not False:
            merge_group.check(delivery, repository_id, payload.after, payload.ref)
        return  # what comes of it is pushed to the base, and nothing if the group is thrown away
    if not payload.ref.startswith(payloads.BRANCHES) or payload.deleted:
        return
    pushed_at = delivery.time(payload.repository.pushed_at) or delivery.received_at
    actor = payload.sender.login if payload.sender else None
    if actor is None and payload.pusher:
        actor = payload.pusher.name
    about, ref = payload.repository, payload.ref.removeprefix(payloads.BRANCHES)
    page = (
        delivery.address(about.html_url, about, "") or f"https://{delivery.host}/{about.full_name}"
    ).rstrip("/")
    pushed_commits = payload.commits or []
    messages = [commit.message for commit in pushed_commits]
    named = event.once("keys of messages", lambda: keys.keys_in_messages(messages))
    found = []
    for commit, keys_of_message in zip(pushed_commits, named, strict=True):
        author = commit.author or payloads.Author()
        one = commits.Pushed(
            sha=commit.id,
            message=commit.message,
            author=author.username or author.name,
            html_url=delivery.address(commit.url, about, f"commit/{commit.id}")
            or f"{page}/commit/{commit.id}",
            committed_at=delivery.time(commit.timestamp) or pushed_at,
            is_new=commit.distinct if isinstance(commit.distinct, bool) else None,
            keys=keys_of_message,
        )
        found.append(one)
    push = commits.Push(
        repository_id,
        ref,
        actor,
        pushed_at,
        delivery.integration_id,
        delivery.guid,
        made_branch=payload.created is True,
        rewrite=_rewrite(payload),
    )
    commits.observe(delivery.tx, push, found)
    row = store.repositories.get(delivery.tx, repository_id)
    if ref != row.default_branch:
        return
    is_told = any(_touches(one, experiments_yml.PATH) for one in pushed_commits)
    if is_told or payload.forced is True or len(pushed_commits) >= _MOST_COMMITS:
        where = delivery.integration_id, repository_id
        rules_reading.may_have_changed(delivery.tx, *where, pushed=is_told)
    if payload.after:
        code_maps.pushed(delivery.tx, row, delivery.integration_id, _files(payload, push))


def _files(payload: payloads.PushEvent, push: commits.Push) -> store.FilesPushed:
    """Return which files a push may have changed, as far as it tells of all of its commits.

    GitHub lists 2,048 at most. What one of them has removed another may have put back.
    """
    before, after, told = payload.before or "", payload.after or "", payload.commits or []
    is_forced, at = payload.forced not in (False, None), push.pushed_at
    is_whole = bool(told) and told[-1].id == after and len(told) < _MOST_COMMITS
    is_told = all(None not in (one.added, one.modified, one.removed) for one in told)
    if not is_whole or push.made_branch or not is_told:
        return store.FilesPushed(before, after, at, is_forced, push.actor)
    changed = {path for one in told for path in (*(one.added or ()), *(one.modified or ()))}
    removed = {path for one in told for path in one.removed or ()} - changed
    files = tuple(sorted(changed)), tuple(sorted(removed))
    return store.FilesPushed(before, after, at, is_forced, push.actor, *files)


def _touches(commit: payloads.Commit, path: str) -> bool:
    """Tell whether a commit changes a file, as far as it says so."""
    return any(path in (files or ()) for files in (commit.added, commit.removed, commit.modified))


def _rewrite(payload: payloads.PushEvent) -> tuple[str, str] | None:
    """Return the heads of the branch before and after a force push, None if it is none."""
    before, after = payload.before, payload.after
    if payload.forced is not True or not before or not after or before == after:
        return None
    is_sha = _SHA.fullmatch(after) and before.strip("0") and after.strip("0")
    return (before, after) if is_sha else None
