"""Tracking issues: what they say, and how one that was created is recognised and linked, once."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import actions, activity, commands, items, keys
from bot.domain.story import Decision
from bot.storage import Snapshot

ISSUE = actions.Kind("tracking_issue", title="Tracking issue", priority=0)
CREATED = activity.Type("issue.created", 2, "+", "Created tracking issue #{number}: {title}")
_MARKER = re.compile(r"<!-- experiment-bot:issue ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) -->")


@dataclass(frozen=True, slots=True)
class Created:
    """What GitHub says of an issue that was created. Times in microseconds."""

    number: int
    html_url: str
    title: str
    state: str
    labels: list[str]
    author: str | None
    created_at: int
    updated_at: int

    @classmethod
    def of(cls, issue: Any) -> "Created":
        """Return what an answer of GitHub's says; raises KeyError, TypeError or ValueError."""
        created_at = times.parse(issue["created_at"])
        updated_at = times.parse(issue.get("updated_at") or issue["created_at"])
        if created_at is None or updated_at is None:
            raise ValueError("no time")
        user = issue.get("user")
        return cls(
            number=int(issue["number"]),
            html_url=str(issue["html_url"]),
            title=str(issue["title"]),
            state=str(issue.get("state") or "open"),
            labels=[
                str(label["name"] if isinstance(label, dict) else label)
                for label in issue.get("labels") or ()
            ],
            author=user.get("login") if isinstance(user, dict) else None,
            created_at=times.not_ahead(created_at, times.now()),
            updated_at=times.not_ahead(updated_at, times.now()),
        )

    @property
    def result(self) -> dict[str, Any]:
        return {"number": self.number, "html_url": self.html_url}


def enqueue_issue(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    request: Mapping[str, Any],
    idempotency_key: str | None = None,
) -> str:
    """Create an issue in a repository; return the action's id, which the issue will carry."""
    action_id = str(uuid.uuid4())
    return actions.enqueue(
        tx,
        ISSUE,
        integration,
        store.facts.get_repository(tx, repository_id),
        ordering_key=action_id,
        request=request,
        idempotency_key=idempotency_key,
        action_id=action_id,
    )


def marker(action_id: str) -> str:
    """Return what tells the issue of an action, invisible to those who read it."""
    return f"<!-- experiment-bot:issue {action_id} -->"


def action_of(body: str | None) -> str | None:
    """Return the action that the marker in a body names, None if there is no marker."""
    match = _MARKER.search(body or "")
    return match[1] if match else None


def body_of(request: Mapping[str, Any], action_id: str) -> str:
    """Return the body of an issue: what was asked for, and the marker."""
    text = request.get("body") or ""
    return f"{text}\n\n{marker(action_id)}".strip()


def created(tx: store.Transaction, action_id: str, repository_id: int, issue: Created) -> bool:
    """The issue of an action exists: keep it, link it, tell the feed. False if that was known."""
    action = store.actions.unfinished_of_marker(tx, action_id)
    if action is None or action.repository_id != repository_id:
        return False
    request = action.request
    snapshot = Snapshot(
        guid=f"action:{action_id}",
        at=issue.updated_at,
        action="",
        integration_id=action.integration_id,
        keys=keys.keys_of_issue(request.get("body"), issue.title),
        title=issue.title,
        html_url=issue.html_url,
        state=issue.state,
        author=issue.author,
        actor=issue.author,
        labels=issue.labels,
        created_at=issue.created_at,
    )
    item = items.observe(tx, repository_id, "issue", issue.number, snapshot)
    for key in request["experiment_keys"]:
        decision = Decision(
            guid=f"action:{action_id}:{key}",
            verb="link",
            key=key,
            made_by=request["made_by"],
            actor=request["actor"],
            integration_id=action.integration_id,
            made_at=times.now(),
        )
        items.decide(tx, item, decision)
        news = activity.News(
            type=CREATED,
            experiment_key=key,
            occurred_at=issue.created_at,
            actor=request["actor"],
            summary=CREATED.says(number=issue.number, title=issue.title),
            html_url=issue.html_url,
            repository_id=repository_id,
            item_id=item.id,
        )
        activity.record(tx, [news])
    store.actions.set_error(tx, action_id, None)
    store.actions.change(
        tx,
        action_id,
        number=issue.number,
        status="done",
        result=issue.result,
        next_attempt_at=None,
        finished_at=times.now(),
    )
    commands.action_ended(tx, action.request, None, f"created #{issue.number}")
    return True
