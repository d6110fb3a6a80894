"""What the bot owes GitHub: which action follows from what, and when it is tried again.

Actions commit together with what they follow from. Those that describe a state (the status
comment, the check, the label) say nothing but which pull request they are about: what to write is
computed when they run, so one that is pending stands for all that follow until then.
"""

import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import installations

COMMENT, CHECK, LABEL, ISSUE = "status_comment", "check", "label", "tracking_issue"
COMMANDS, GROUP_CHECK, REFRESH = "commands", "merge_group_check", "refresh"
COMMITS = "pull_request_commits"
CHECK_NAME = "experiment-bot"  # of the check run, and the context of the commit status
_PRIORITIES = {
    COMMANDS: 0,
    ISSUE: 0,
    GROUP_CHECK: 0,
    CHECK: 1,
    COMMENT: 1,
    LABEL: 2,
    COMMITS: 3,
    REFRESH: 3,
}
KINDS = tuple(_PRIORITIES)
ON_ALL = ("always", "required")  # settings with which every pull request has the check
GIVE_UP_AFTER = 3 * 86_400 * times.SECOND
_GROUP_LASTS = 86_400 * times.SECOND  # for which a merge group's check follows its pull request
_FIRST_WAIT, _LONGEST_WAIT = 5 * times.SECOND, 3600 * times.SECOND
# By which GitHub's API is behind its deliveries, at most, and how soon it is asked again.
_LAG = 60 * times.SECOND
_FIRST_LOOK, _LONGEST_LOOK = 2 * times.SECOND, 30 * times.SECOND


def owe_posts(
    tx: store.Transaction,
    item: store.Item,
    kinds: Iterable[str],
    integration_id: str | None,
    *,
    again: bool = False,
    rewrite: bool = False,
) -> None:
    """Bring what the bot shows on a pull request up to date, once for each of `kinds`.

    `integration_id` acts if the one that posted before, or saw the pull request first, cannot.
    `again` writes even what seems to be there already. `rewrite` brings what stands there up to
    date whatever the settings are by now, and makes nothing new.
    """
    kinds = tuple(kinds)
    integration = acting(tx, item.id, item.integration_id, integration_id) if kinds else None
    if integration is None:
        return
    repository = store.facts.get_repository(tx, item.repository_id)
    config = integration.config
    switches = {COMMENT: config.comments, CHECK: config.check, LABEL: config.label}
    asked = {name: True for name, is_set in (("again", again), ("rewrite", rewrite)) if is_set}
    if CHECK in kinds and integration.config.check != "off":
        _owe_check_of_groups(tx, item, integration, repository)
    for kind in kinds:
        if switches[kind] in ("off", None) and not rewrite:
            continue
        collapse = f"{kind}:{item.id}"
        if asked and (pending := store.actions.pending_like(tx, collapse)):
            request = {**pending.request, **asked}
            store.actions.change(tx, pending.id, request=request, news_at=times.now())
            continue
        add(
            tx,
            kind,
            integration,
            repository,
            lane=lane_of(repository.id, item.number),
            request=asked,
            collapse=collapse,
            item_id=item.id,
            number=item.number,
        )


def owe_issue(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    request: Mapping[str, Any],
    idempotency_key: str | None = None,
) -> str:
    """Create an issue in a repository; return the action's id, which the issue will carry."""
    repository = store.facts.get_repository(tx, repository_id)
    action_id = str(uuid.uuid4())
    return add(
        tx,
        ISSUE,
        integration,
        repository,
        lane=action_id,
        request=request,
        idempotency_key=idempotency_key,
        action_id=action_id,
    )


def owe_commands(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    number: int,
    comment_row: int,
) -> None:
    """Carry out what is left of the commands in a comment, and answer it in the end."""
    add(
        tx,
        COMMANDS,
        integration,
        store.facts.get_repository(tx, repository_id),
        lane=lane_of(repository_id, number),
        request={"comment_row": comment_row},
        collapse=f"{COMMANDS}:{comment_row}",
        number=number,
    )


def owe_commits(
    tx: store.Transaction,
    item: store.Item,
    integration_id: str | None,
    *,
    look: int = 1,
    after: int = 0,
) -> None:
    """Ask GitHub which commits belong to a pull request, where pushes do not tell.

    `look` counts the times that it is asked because its answer was of an older head, `after` is
    how long to wait before, in microseconds.
    """
    integration = acting(tx, item.id, item.integration_id, integration_id)
    if integration is None:
        return
    repository = store.facts.get_repository(tx, item.repository_id)
    add(
        tx,
        COMMITS,
        integration,
        repository,
        lane=f"{lane_of(repository.id, item.number)}:{COMMITS}",  # holds nothing up
        request={"look": look},
        collapse=f"{COMMITS}:{item.id}",
        item_id=item.id,
        number=item.number,
        after=after,
    )


def owe_group_check(
    tx: store.Transaction,
    repository_id: int,
    head_sha: str,
    head_ref: str,
    number: int | None,
    integration_id: str,
) -> None:
    """Put the check on the commit of a merge queue's group, once however often it is told of.

    `number` is the pull request whose verdict it gets. Where that is known, its settings count.
    """
    repository = store.facts.get_repository(tx, repository_id)
    item = number and store.facts.find_item(tx, repository_id, "pull_request", number)
    integration = (
        acting(tx, item.id, item.integration_id, integration_id)
        if item
        else store.integrations.find(tx, integration_id)
    )
    if integration is None or integration.config.check == "off":
        return
    group = store.MergeGroup(
        repository_id=repository_id,
        head_sha=head_sha,
        head_ref=head_ref,
        number=number,
        marker=str(uuid.uuid4()),
        created_at=times.now(),
    )
    if store.merge_groups.add(tx, group):
        _owe_group_check(tx, group, integration, repository)


def check_group_again(
    tx: store.Transaction, repository_id: int, head_sha: str, integration_id: str
) -> None:
    """Somebody asked for the check of a merge group anew; nothing if the commit is of none."""
    group = store.merge_groups.find(tx, repository_id, head_sha)
    integration = store.integrations.find(tx, integration_id)
    if group is not None and integration is not None:
        repository = store.facts.get_repository(tx, repository_id)
        _owe_group_check(tx, group, integration, repository, again=True)


def checks_all(
    tx: store.Transaction, item_id: int, saw_first: str | None, sees_now: str | None
) -> bool:
    """Tell whether a pull request is to have the check even if it names no experiment."""
    integration = acting(tx, item_id, saw_first, sees_now)
    return integration is not None and integration.config.check in ON_ALL


def is_checked(tx: store.Transaction, item_id: int) -> bool:
    """Tell whether the bot has ever set a check on a pull request."""
    post = store.actions.post(tx, item_id)
    return post is not None and post.check_sha is not None


def refresh_experiment(tx: store.Transaction, key: str) -> None:
    """Bring the posts on all open pull requests of an experiment up to date."""
    for item in store.facts.open_pull_requests_of_experiment(tx, key):
        owe_posts(tx, item, (COMMENT, CHECK), item.integration_id)


def retry(tx: store.Transaction, action: store.Action) -> bool:
    """Try a failed action again now, or a pending one sooner.

    False if another that is pending does the same.
    """
    now = times.now()
    if action.status == "failed" and superseding(tx, action) is not None:
        return False
    store.actions.change(
        tx,
        action.id,
        status="pending",
        next_attempt_at=now,
        give_up_at=now + GIVE_UP_AFTER,
        finished_at=None,
        aside=False,
    )
    store.actions.wake(tx, action.queue, now)
    return True


def backoff(attempts: int) -> int:
    """Return how long to wait after so many attempts, in microseconds, spread at random."""
    return jittered(min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT))


def look_again(action: store.Action, now: int) -> int | None:
    """Return when to ask for what GitHub does not know yet, though a delivery has named it.

    None if it had the time: then it knows nothing of it. What was asked for by the API, no
    delivery has named.
    """
    since: int = action.news_at or action.created_at
    age = now - since
    if age >= _LAG or (action.kind == ISSUE and action.request.get("made_by") == "api"):
        return None
    return min(now + min(max(age, _FIRST_LOOK), _LONGEST_LOOK), since + _LAG)


def jittered(wait: int) -> int:
    """Return a wait spread at random, so that what failed together is not tried together."""
    return round(wait * random.uniform(0.8, 1.2))  # noqa: S311 - no secret


def integration_changed(tx: store.Transaction, integration: store.Integration) -> None:
    """A credential or a setting was changed: what waits for it is tried with the new one.

    That goes for actions that GitHub refused in the last three days because of the old
    credential as well.
    """
    now = times.now()
    for action in store.actions.failed_of(tx, integration.id, now - GIVE_UP_AFTER):
        if (action.result or {}).get("status") == 401:
            retry(tx, action)
    for action in store.actions.open_of_integration(tx, integration.id):
        repository = store.facts.get_repository(tx, action.repository_id)
        queue, installation_id = _queue(tx, integration, repository)
        if action.status == "pending":
            store.actions.change(
                tx,
                action.id,
                queue=queue,
                installation_id=installation_id,
                next_attempt_at=now,
            )
        store.actions.wake(tx, queue, now)


def integration_deleted(tx: store.Transaction, integration_id: str) -> None:
    """What a deleted integration still owed will not be done."""
    now = times.now()
    for action in store.actions.open_of_integration(tx, integration_id):
        store.actions.change(
            tx,
            action.id,
            status="failed",
            last_error="the integration was deleted",
            next_attempt_at=None,
            finished_at=now,
        )
        wake_lane(tx, action.lane, now)


def resume(tx: store.Transaction, integration_id: str, installation_id: int) -> None:
    """An installation may be called again: what waits for it is tried now."""
    now = times.now()
    for action in store.actions.open_of_integration(tx, integration_id):
        if action.installation_id == installation_id and action.status == "pending":
            store.actions.change(tx, action.id, next_attempt_at=now)
            store.actions.wake(tx, action.queue, now)


def wake_lane(tx: store.Transaction, lane: str, now: int) -> None:
    """What waited in other queues for an action of a lane may have its turn now."""
    for queue in store.actions.queues_of_lane(tx, lane):
        store.actions.wake(tx, queue, now)


def acting(
    tx: store.Transaction, item_id: int, saw_first: str | None, sees_now: str | None
) -> store.Integration | None:
    """Return the integration that posted on a pull request, saw it first, or sees it now."""
    post = store.actions.post(tx, item_id)
    for candidate in dict.fromkeys((post.integration_id if post else None, saw_first, sees_now)):
        found = store.integrations.find(tx, candidate) if candidate else None
        if found is not None and found.is_active:
            return found
    return None


def _owe_check_of_groups(
    tx: store.Transaction,
    item: store.Item,
    integration: store.Integration,
    repository: store.Repository,
) -> None:
    """Let the merge groups in which a pull request waits follow its verdict."""
    since = times.now() - _GROUP_LASTS
    for group in store.merge_groups.waiting(tx, repository.id, item.number, since):
        _owe_group_check(tx, group, integration, repository)


def _owe_group_check(
    tx: store.Transaction,
    group: store.MergeGroup,
    integration: store.Integration,
    repository: store.Repository,
    *,
    again: bool = False,
) -> None:
    # A lane of its own: a merge queue waits for nothing that its pull request may wait for.
    name = f"{GROUP_CHECK}:{repository.id}:{group.head_sha}"
    add(
        tx,
        GROUP_CHECK,
        integration,
        repository,
        lane=name,
        request={"head_sha": group.head_sha, **({"again": True} if again else {})},
        collapse=None if again else name,
        number=group.number,
    )


def add(
    tx: store.Transaction,
    kind: str,
    integration: store.Integration,
    repository: store.Repository,
    *,
    lane: str,
    request: Mapping[str, Any],
    collapse: str | None = None,
    item_id: int | None = None,
    number: int | None = None,
    idempotency_key: str | None = None,
    action_id: str | None = None,
    after: int = 0,
) -> str:
    """Owe an action, unless one that is pending does the same by `collapse`; return its id."""
    now = times.now()
    queue, installation_id = _queue(tx, integration, repository)
    action_id = action_id or str(uuid.uuid4())
    added = store.actions.add(
        tx,
        {
            "id": action_id,
            "kind": kind,
            "queue": queue,
            "lane": lane,
            "collapse": collapse,
            "priority": _PRIORITIES[kind],
            "integration_id": integration.id,
            "installation_id": installation_id,
            "repository_id": repository.id,
            "item_id": item_id,
            "number": number,
            "request": request,
            "idempotency_key": idempotency_key,
            "status": "pending",
            "attempts": 0,
            "next_attempt_at": now + after,
            "give_up_at": now + GIVE_UP_AFTER,
            "created_at": now,
        },
    )
    if added:
        store.actions.wake(tx, queue, now + after)
    elif collapse is not None:
        store.actions.note_news(tx, collapse, now)
    return action_id


def _queue(
    tx: store.Transaction, integration: store.Integration, repository: store.Repository
) -> tuple[str, int | None]:
    """Return the queue of an integration's actions in a repository, and the installation."""
    config = integration.config
    if config.auth == "token":
        return integration.credential, None
    installation_id = installations.serving(tx, integration.id, repository)
    if installation_id is None:
        installation_id = config.installation_id
    return f"{integration.credential}:{installation_id or '?'}", installation_id


def lane_of(repository_id: int, number: int) -> str:
    return f"{repository_id}#{number}"


def superseding(tx: store.Transaction, action: store.Action) -> store.Action | None:
    """Return the pending action that has come to stand for `action` while that was running."""
    collapse: str | None = action.collapse
    return store.actions.pending_like(tx, collapse) if collapse is not None else None
