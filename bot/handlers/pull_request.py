"""`pull_request`: every action carries the whole pull request, so every action is a version.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
"""

import json
import uuid
from typing import Any

import msgspec
from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot import jsontext, times
from bot import storage as store
from bot.domain import items, keys
from bot.domain.integrations import Integration
from bot.domain.repositories import NotAllowed
from bot.domain.story import Item, Snapshot
from bot.github import payloads
from bot.github.events import PULL_REQUESTS, Heard
from bot.handlers.dispatch import Delivery, repository_told

HEARS = Heard(
    "pull_request",
    "pull requests link by the key line in their text",
    PULL_REQUESTS,
    webhook="Pull requests",
)
router = Router()

_STATES = {"opened": "open", "reopened": "open", "closed": "closed"}


@router.register("pull_request")
async def observed(event: Event, delivery: Delivery) -> None:
    take_in(delivery, payloads.read(event.data, payloads.PullRequestEvent))


def take_in(delivery: Delivery, payload: payloads.PullRequestEvent) -> Item:
    """Take in what a payload says of its pull request; raises InvalidPayload, NotAllowed."""
    pull = payload.pull_request
    number = payload.number or pull.number
    if number is None:
        raise payloads.InvalidPayload("`number` is missing or cannot be read")
    about = repository_told(payload.repository, pull.html_url)
    _belongs_to(delivery, about, pull.base)
    repository_id = delivery.repository(about)
    action = payload.action or ""
    head = pull.head or payloads.Branch()
    head_repository_id = _head_repository(delivery, head, about, repository_id)
    merged_at = delivery.time(pull.merged_at)
    state = pull.state or _STATES.get(action)
    if state == "closed" and (pull.merged or merged_at):
        state = "merged"
    snapshot = Snapshot(
        guid=delivery.guid,
        at=delivery.time(pull.updated_at) or delivery.received_at,
        action=action,
        integration_id=delivery.integration_id,
        keys=dict.fromkeys(keys.keys_in_markdown(pull.body), "body"),
        title=pull.title,
        html_url=delivery.address(pull.html_url, about, f"pull/{number}"),
        state=state,
        draft=pull.draft,
        author=pull.user.login if pull.user else None,
        actor=payload.sender.login if payload.sender else None,
        author_writes=_author_writes(pull, head, is_own=head_repository_id == repository_id),
        head_repository_id=head_repository_id,
        head_ref=head.ref,
        head_sha=head.sha,
        base_ref=pull.base.ref if pull.base else None,
        created_at=delivery.time(pull.created_at),
        closed_at=delivery.time(pull.closed_at),
        merged_at=merged_at,
    )
    return items.observe(delivery.tx, repository_id, "pull_request", number, snapshot)


def _belongs_to(
    delivery: Delivery, about: payloads.Repository, base: payloads.Branch | None
) -> None:
    """Behind an allow-list, a pull request belongs to the repository that the delivery is about."""
    told = base.repo if base else None
    if delivery.scope.entries is None or not isinstance(told, payloads.Repository):
        return
    if not _is_same(about, told):
        raise NotAllowed


def _is_same(one: payloads.Repository, other: payloads.Repository) -> bool:
    if one.id is not None and other.id is not None:
        return one.id == other.id
    return one.full_name.lower() == other.full_name.lower()


def _head_repository(
    delivery: Delivery,
    head: payloads.Branch,
    base: payloads.Repository,
    repository_id: int,
) -> int | None:
    """Return our id of the repository of the head.

    None for a fork that was deleted, or of which the integration may not hear.
    """
    if head.repo is None:
        return None
    if head.repo is msgspec.UNSET or isinstance(head.repo, msgspec.UnsetType):
        return repository_id
    if _is_same(head.repo, base):
        return repository_id
    return delivery.other_repository(head.repo)


def _author_writes(pull: payloads.PullRequest, head: payloads.Branch, *, is_own: bool) -> bool:
    """Tell whether a payload shows that the author may write in the repository.

    MEMBER proves nothing: an organisation's members need not have access. GitHub always says whose
    the head is, and what its author is; a sample that says neither is taken at its word.
    """
    association = pull.author_association
    if association in ("OWNER", "COLLABORATOR"):
        return True
    return is_own and (head.repo is not msgspec.UNSET or association is None)


def take_in_fetched(
    tx: store.Transaction, integration: Integration, repository: str, number: int, fetched: Any
) -> Item:
    """Take in a pull request that GitHub was asked for, as if a delivery had brought it.

    Raises InvalidPayload, NotAllowed.
    """
    # GitHub's API may say what no database keeps; deliveries are freed of it at the door.
    fetched, _ = jsontext.parse_delivery(json.dumps(fetched).encode())
    base = fetched.get("base") if isinstance(fetched, dict) else None
    data = {
        "action": "",
        "number": number,
        "pull_request": fetched,
        "repository": (base.get("repo") if isinstance(base, dict) else None)
        or {"full_name": repository},
    }
    payload = payloads.read(data, payloads.PullRequestEvent)
    told = payload.repository
    confirmed = {(told.full_name.lower(), told.id)} if told and told.id is not None else set()
    delivery = Delivery(
        tx=tx,
        scope=integration.scope,
        guid=f"fetched:{uuid.uuid4()}",
        received_at=times.now(),
        installation_id=None,
        confirmed=confirmed,
    )
    return take_in(delivery, payload)
