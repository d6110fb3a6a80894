"""Takes out what was told of a repository by who may not speak for it, or all that was.

Nothing is undone on GitHub.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import actions, commands, links, live, posts
from bot.domain.parts import Cause

_WHY = "the integration does not speak for this repository any more"


def withdraw(tx: store.Transaction, row: store.Repository, integration_id: str) -> None:
    """Take out what an integration alone has told of a repository, and what it owes there.

    What others have told of too stays as it is, and is theirs from now on.
    """
    where = row.id, integration_id
    questions = _drop_actions(tx, *where)
    item_ids = store.withdrawals.told_alone(tx, "items", *where)
    deployed = store.withdrawals.remove_environments(tx, *where)
    _remove(tx, row.id, item_ids, store.withdrawals.told_alone(tx, "commits", *where))
    store.withdrawals.prune_commands(tx, *where)
    for item in store.withdrawals.hand_over(tx, *where):
        if item.state == "open" and item.gone_at is None and links.of_item(tx, item):
            posts.follow(tx, item, Cause.LINKS, item.integration_id)
    for item in deployed:
        if item.id not in item_ids:
            live.show(tx, item, item.integration_id)
    live.ask_instead(tx, questions)


def forget(tx: store.Transaction, row: store.Repository) -> None:
    """Take out all that was told of a repository. Whoever tells of it next is the first."""
    environment_ids = store.withdrawals.all_of(tx, "environments", row.id)
    store.environments.remove(tx, environment_ids)
    item_ids = store.withdrawals.all_of(tx, "items", row.id)
    _remove(tx, row.id, item_ids, store.withdrawals.all_of(tx, "commits", row.id))
    store.integrations.clear_errors_in(tx, row.id)
    store.clean_ups.remove(tx, row.id)
    store.withdrawals.remove_repository(tx, row.id)


def _remove(
    tx: store.Transaction, repository_id: int, item_ids: Sequence[int], commit_ids: Sequence[int]
) -> None:
    if not item_ids and not commit_ids:
        return
    for item in store.withdrawals.linked(tx, item_ids):
        links.set_of_item(tx, item, links.of_item(tx, item), {})  # commits elsewhere follow
    store.withdrawals.remove_items(tx, item_ids)
    store.withdrawals.remove_commits(tx, commit_ids)
    store.withdrawals.prune_feeds(tx, repository_id)


def _drop_actions(
    tx: store.Transaction, repository_id: int, integration_id: str
) -> Sequence[Mapping[str, Any]]:
    """Drop what an integration owes in a repository; return what it was to ask of deployments."""
    now, questions = times.now(), []
    store.integrations.clear_errors_in(tx, repository_id, integration_id)
    store.backfills.drop(tx, integration_id, store.repositories.get(tx, repository_id))
    store.code_maps.drop(tx, integration_id, repository_id)
    for action in store.actions.open_of_integration(tx, integration_id):
        if action.repository_id == repository_id:
            store.actions.set_error(tx, action.id, _WHY)
            gone = {"status": "failed", "next_attempt_at": None, "finished_at": now}
            store.actions.change(tx, action.id, **gone)
            commands.action_failed(tx, action.request, _WHY)
            actions.wake_order(tx, action.lane, now)
            if action.kind == live.KIND.name:
                questions.append(action.request)
    return questions
