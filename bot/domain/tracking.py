"""Tracking issues: what they say, and how one that was created is recognised and linked, once."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions, activity, audit, commands, items, keys, sizes, snapshots, texts
from bot.domain.actors import Actor
from bot.domain.snapshots import Told
from bot.github import payloads

ISSUE = actions.Kind("tracking_issue", title="Tracking issue", priority=0, writes=True)
CREATED = activity.Type("issue.created", 2, "+", "Created tracking issue #{number}: {title}")
_MARKER = re.compile(r"<!-- experiment-bot:issue ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) -->")


def enqueue_issue(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    request: Mapping[str, Any],
    by: Actor,
    idempotency_key: str | None = None,
) -> str:
    """Create an issue in a repository; return the action's id, which the issue will carry."""
    wanted = actions.Wanted(kind=ISSUE, request=request, idempotency_key=idempotency_key)
    actions.enqueue(tx, integration, repository_id, wanted)
    asked = {name: request[name] for name in ("title", "experiment_keys", "labels", "assignees")}
    if request.get("type"):
        asked["type"] = request["type"]
    asked["repository"] = store.repositories.get(tx, repository_id).full_name
    target = audit.Target("action", wanted.id, request["title"])
    audit.record(tx, by, audit.ISSUE_ORDERED, target, None, asked)
    return wanted.id


def marker(action_id: str) -> str:
    """Return what tells the issue of an action, invisible to those who read it."""
    return f"<!-- experiment-bot:issue {action_id} -->"


def action_of(body: str | None) -> str | None:
    """Return the action that the marker in a body names, None if there is no marker."""
    match = _MARKER.search(body or "")
    return match[1] if match else None


def body_of(request: Mapping[str, Any], action_id: str) -> str:
    """Return the body of an issue: what was asked for, and the marker."""
    note = "… and {left} more lines, for which an issue has no room."
    text = sizes.cut(request.get("body") or "", sizes.BODY - 200, note)
    return f"{text}\n\n{marker(action_id)}".strip()


def delivered(source: Told, repository_id: int, issue: payloads.Issue) -> None:
    """An issue that the bot itself creates may be delivered before GitHub answers the bot.

    Everybody may copy the marker of one, so it has to be by the account that the bot creates it as.
    """
    action_id = action_of(issue.body)
    if action_id is None or issue.user is None or issue.user.login is None:
        return
    action = store.actions.unfinished_of_marker(source.tx, action_id)
    if action is not None and action.request.get("author") == issue.user.login.lower():
        created(source, action_id, repository_id, issue)


def creating_as(tx: store.Transaction, action: store.Action, login: str) -> None:
    """Note as whom the issue of an action is about to be created."""
    request = {**action.request, "author": login.lower()}
    store.actions.change(tx, action.id, request=request)


def created(source: Told, action_id: str, repository_id: int, issue: payloads.Issue) -> bool:
    """The issue of an action exists: keep it, link it, tell the feed. False if that was known."""
    tx = source.tx
    action = store.actions.unfinished_of_marker(tx, action_id)
    if action is None or action.repository_id != repository_id:
        return False
    request = action.request
    snapshot = msgspec.structs.replace(
        snapshots.of_issue(source, issue, actor=issue.user.login if issue.user else None),
        guid=f"action:{action_id}",
        integration_id=action.integration_id,
        keys=keys.keys_of_issue(request.get("body"), issue.title),
    )
    item = items.observe(tx, repository_id, "issue", issue.number, snapshot)
    for key in request["experiment_keys"]:
        guid = f"action:{action_id}:{key}"
        hand = items.Hand(guid, request["made_by"], request["actor"], action.integration_id)
        items.link(tx, item, key, hand)
        news = activity.News(
            type=CREATED,
            experiment_key=key,
            occurred_at=snapshot.created_at or snapshot.at,
            actor=request["actor"],
            summary=CREATED.says(number=issue.number, title=issue.title or ""),
            html_url=issue.html_url,
            repository_id=repository_id,
            item_id=item.id,
        )
        activity.record(tx, [news])
    store.actions.set_error(tx, action_id, None)
    about = actions.about(action, action.kind)
    store.integrations.clear_last_error(tx, action.integration_id, about)
    store.actions.change(
        tx,
        action_id,
        number=issue.number,
        status="done",
        result=result_of(issue, request),
        next_attempt_at=None,
        finished_at=times.now(),
    )
    untyped = dropped_type(request, issue)
    commands.action_ended(tx, request, None, f"created #{issue.number}", untyped)
    return True


def result_of(issue: payloads.Issue, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the action says of an issue that was created, as it was asked for."""
    result: dict[str, Any] = {"number": issue.number, "html_url": issue.html_url or ""}
    if request.get("type"):
        result["type"] = issue.type.name if issue.type is not None else None
    if warning := dropped_type(request, issue):
        result["warning"] = warning
    return result


def dropped_type(request: Mapping[str, Any], issue: payloads.Issue) -> str | None:
    """Say it if an issue has not the type that was asked for; GitHub itself drops it in silence."""
    asked = request.get("type")
    got = issue.type.name if issue.type is not None else None
    if not asked or (got is not None and got.casefold() == asked.casefold()):
        return None
    has = f"has the type {texts.code(got)} and not" if got is not None else "was created without"
    return (
        f"The issue {has} the type {texts.code(asked)}: GitHub drops the type where the "
        "organization has none for the repository, or the credential may not write there."
    )
