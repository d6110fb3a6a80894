"""What concerns all pull requests of a repository is done in steps, so that none costs much.

The check's setting was changed, or a repository has become public: then every pull request is
looked at once, the newest first, and what it lacks is enqueued.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bot import storage as store
from bot.domain import actions, commands, posts
from bot.domain.actions import Cause

REFRESH = actions.Kind("refresh", title="Refresh of all pull requests", priority=3)
STEP = 50  # pull requests


def enqueue_rewriting(tx: store.Transaction, repository: store.Repository) -> None:
    """Look over all that the bot has written in a repository that has become public."""
    for integration_id in store.actions.who_wrote_in(tx, repository.id):
        integration = store.integrations.find(tx, integration_id)
        if integration is not None and integration.is_active:
            _enqueue(tx, integration, repository, {"rewrite": True})
            return


def check_setting_changed(
    tx: store.Transaction,
    integration: store.Integration,
    allows: Callable[[store.Repository], bool],
) -> None:
    """Bring the checks of the open pull requests that an integration looks after up to date."""
    for repository in store.repositories.with_open_pull_requests(tx, integration.id):
        if allows(repository):
            _enqueue(tx, integration, repository, {})


def take_step(
    tx: store.Transaction, integration_id: str, repository_id: int, request: Mapping[str, Any]
) -> int:
    """Take one step of a refresh, and enqueue the next; return how many pull requests it was about.

    The newest go first. What they need waits before the next step, since that is less urgent.
    """
    rewrite = bool(request.get("rewrite"))
    if rewrite and "before" not in request:
        for comment in store.commands.replies_to_strangers(tx, repository_id):
            commands.rewrite(tx, comment)
    find = store.items.posted_on if rewrite else store.items.open_pull_requests
    before = request.get("before")
    items = find(tx, repository_id, None if before is None else (before,), STEP)
    for item in items:
        if rewrite:
            posts.follow(tx, item, Cause.EXPERIMENT, integration_id, rewrite=True)
        elif (
            posts.checks_all(tx, item, integration_id)
            or posts.is_checked(tx, item.id)
            or store.links.of_target(tx, "pull_request", item.id)
        ):
            posts.enqueue_each(tx, item, (posts.CHECK,), integration_id)
    integration = store.integrations.find(tx, integration_id)
    if items.next is not None and integration is not None:
        repository = store.repositories.get(tx, repository_id)
        rest = {**request, "before": items.next[0]}
        _enqueue(tx, integration, repository, rest)
    return len(items.rows)


def _enqueue(
    tx: store.Transaction,
    integration: store.Integration,
    repository: store.Repository,
    request: Mapping[str, Any],
) -> None:
    what = "rewrite" if request.get("rewrite") else "checks"
    place = request.get("before", "")
    actions.enqueue(
        tx,
        REFRESH,
        integration,
        repository,
        ordering_key=f"{REFRESH.name}:{repository.id}",
        request=request,
        dedup_key=f"{REFRESH.name}:{what}:{repository.id}:{integration.id}:{place}",
    )
