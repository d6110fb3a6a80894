"""The check of merge groups: commits that a merge queue makes, and waits for the checks of."""

import uuid

from bot import storage as store
from bot import times
from bot.domain import actions

CHECK = actions.Kind("merge_group_check", title="Check of a merge group", priority=0)
_LASTS = 86_400 * times.SECOND  # for which a merge group's check follows its pull request


def enqueue_check(
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
    repository = store.repositories.get(tx, repository_id)
    item = number and store.items.find(tx, repository_id, "pull_request", number)
    integration = (
        actions.acting(tx, item, integration_id)
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
        _enqueue(tx, group, integration, repository)


def check_again(
    tx: store.Transaction, repository_id: int, head_sha: str, integration_id: str
) -> None:
    """Somebody asked for the check of a merge group anew; nothing if the commit is of none."""
    group = store.merge_groups.find(tx, repository_id, head_sha)
    integration = store.integrations.find(tx, integration_id)
    if group is not None and integration is not None:
        repository = store.repositories.get(tx, repository_id)
        _enqueue(tx, group, integration, repository, again=True)


def follow(
    tx: store.Transaction,
    item: store.Item,
    integration: store.Integration,
    repository: store.Repository,
) -> None:
    """Let the merge groups in which a pull request waits follow its verdict."""
    since = times.now() - _LASTS
    for group in store.merge_groups.waiting(tx, repository.id, item.number, since):
        _enqueue(tx, group, integration, repository)


def _enqueue(
    tx: store.Transaction,
    group: store.MergeGroup,
    integration: store.Integration,
    repository: store.Repository,
    *,
    again: bool = False,
) -> None:
    # In an order of its own: a merge queue waits for nothing that its pull request may wait for.
    name = f"{CHECK.name}:{repository.id}:{group.head_sha}"
    actions.enqueue(
        tx,
        CHECK,
        integration,
        repository,
        ordering_key=name,
        request={"head_sha": group.head_sha, **({"again": True} if again else {})},
        dedup_key=None if again else name,
        number=group.number,
    )
