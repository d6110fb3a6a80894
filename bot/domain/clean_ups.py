"""Clean-up issues: when one is asked for, and when one that is there is looked at again.

What is to become of it, and what it is to say, is decided when its action runs (clean_up_life.py).
"""

import uuid
from collections.abc import Collection
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions, audit
from bot.domain.actors import Actor
from bot.domain.errors import ConflictCode
from bot.domain.integrations import may_act, serving
from bot.domain.rules import effective
from bot.domain.verdicts import OVER

KIND = actions.Kind("clean_up", title="Clean-up issue", priority=2, writes=True, follows_rules=True)


def experiment_changed(tx: store.Transaction, key: str) -> None:
    """An experiment has come to be over or is not over any more, or what is shown of it differs."""
    there = {row.repository_id for row in store.clean_ups.of_experiment(tx, key)}
    there.update(one.repository_id for one in store.code_references.by_repository(tx, key))
    for repository_id in sorted(there):
        follow(tx, repository_id, [key])


def setting_changed(tx: store.Transaction, integration: store.Integration) -> None:
    """An integration is to ask for clean-ups by itself from now on."""
    for repository_id in store.code_references.over_anywhere(tx):
        found = by_itself(tx, store.repositories.get(tx, repository_id))
        if found is not None and found.id == integration.id:
            follow(tx, repository_id)


def publicized(tx: store.Transaction, repository_id: int) -> None:
    """Everybody reads the issues of a repository from now on: they may say too much."""
    for row in store.clean_ups.at_home(tx, repository_id):
        if _is_alive(row):
            enqueue(tx, row.repository_id, row.experiment_key, row)


def follow(tx: store.Transaction, repository_id: int, keys: Collection[str] | None = None) -> None:
    """See to the issues about a repository's code: other references to `keys` are in it now.

    None for any key: it was read in another way, or the repository's own settings are others.
    Those that are there are looked at again, and one is made where that is done by itself.
    """
    if keys is not None and not keys:
        return
    rows = {row.experiment_key: row for row in store.clean_ups.of_repository(tx, repository_id)}
    wanted: dict[str, store.CleanUp | None] = {
        key: row for key, row in rows.items() if _is_alive(row)
    }
    if by_itself(tx, store.repositories.get(tx, repository_id)) is not None:
        over = store.code_references.over_in(tx, repository_id, keys)
        wanted |= dict.fromkeys(key for key in over if key not in rows)
    for key, row in wanted.items():
        if keys is None or key in keys:
            enqueue(tx, repository_id, key, row)


def _is_alive(row: store.CleanUp) -> bool:
    """Tell whether an issue is looked after: not one that was deleted, or could not be made."""
    return row.state != "gone" and row.error is None


def by_itself(tx: store.Transaction, repository: store.Repository) -> store.Integration | None:
    """Return the integration that asks for clean-ups in a repository by itself, if one does.

    Of several that serve it, the settings of the first hold.
    """
    first = next(serving(tx, repository), None)
    if first is None:
        return None
    held = effective(tx, first, repository.id)
    return first if (held.code, held.cleanup) == ("on", "on") else None


def _acting(
    tx: store.Transaction, repository: store.Repository, row: store.CleanUp | None
) -> store.Integration | None:
    """Return who writes the issue: who did before, if they still may."""
    before = store.integrations.find(tx, row.integration_id) if row is not None else None
    if before is not None and may_act(tx, before, repository):
        return before
    return next(serving(tx, repository), None)


def enqueue(
    tx: store.Transaction,
    repository_id: int,
    key: str,
    row: store.CleanUp | None,
    by: store.Integration | None = None,
    **asked: Any,
) -> str | None:
    """Have an issue made, or looked at again; return the action's id, None if nobody may act.

    `asked` is said of what somebody has asked for, which is an action of its own. It is in an order
    of the repository's and the experiment's own, so that there is never more than one issue.
    """
    home = store.repositories.get(tx, row.home_id if row and row.home_id else repository_id)
    integration = by or _acting(tx, home, row)
    if integration is None or home.deleted_at is not None:
        return None
    name = f"{KIND.name}:{repository_id}:{key}"
    about = {"repository_id": repository_id, "experiment_keys": [key]}
    wanted = actions.Wanted(
        kind=KIND,
        request={"made_by": "setting", **about, **asked},
        ordering_key=name,
        dedup_key=None if asked else name,
        number=row.number if row is not None else None,
    )
    actions.enqueue(tx, integration, home.id, wanted)
    return wanted.id


# --- Asked for


def hindrance(tx: store.Transaction, repository_id: int, key: str) -> ConflictCode | None:
    """Return why there is nothing to be cleaned up in a repository, None if there is."""
    experiment = store.experiments.find(tx, key)
    if experiment is None or experiment.status not in OVER:
        return "not_over"
    found = store.code_maps.find(tx, repository_id)
    if found is None or found.status == "pending":
        return "code_unread"
    is_left = store.code_references.of_key(tx, repository_id, key, 1)
    return None if is_left else "not_in_code"


def ask(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    key: str,
    by: Actor,
    *,
    made_by: str,
    **more: str,
) -> str:
    """Have the issue made, be it that it was deleted, or opened again; return the action's id."""
    row = store.clean_ups.find(tx, repository_id, key)
    if row is None or row.state == "gone" or row.number is None:
        new = new_row(repository_id, key, integration.id, made_by, by.name)
        # An attempt to make it may have succeeded without our knowing: then that is the issue.
        if row is not None and row.state != "gone":
            kept = {name: getattr(row, name) for name in _OF_ATTEMPT}
            new = msgspec.structs.replace(new, **kept)
        row = new
        store.clean_ups.put(tx, row)
    else:
        anew = {"by_people": False, "closed_as": None, "goal": None, "error": None}
        store.clean_ups.change(tx, repository_id, key, **anew)
    asked = {"made_by": made_by, "actor": by.name, **more}
    is_home = row.home_id in (None, repository_id)
    action_id = enqueue(tx, repository_id, key, row, integration if is_home else None, **asked)
    if action_id is None:  # it was transferred to where nobody may act any more
        row = new_row(repository_id, key, integration.id, made_by, by.name)
        store.clean_ups.put(tx, row)
        action_id = enqueue(tx, repository_id, key, row, integration, **asked)
    assert action_id is not None
    full_name = store.repositories.get(tx, repository_id).full_name
    target = audit.Target("action", action_id, key)
    audit.record(tx, by, audit.CLEAN_UP_ORDERED, target, None, {"repository": full_name})
    return action_id


_OF_ATTEMPT = ("marker", "asked_at", "author", "writing")


def new_row(
    repository_id: int, key: str, integration_id: str, made_by: str, actor: str | None
) -> store.CleanUp:
    """Return what is kept of an issue that is to be made."""
    return store.CleanUp(
        repository_id=repository_id,
        experiment_key=key,
        marker=str(uuid.uuid4()),
        made_by=made_by,
        actor=actor,
        asked_at=times.now(),
        integration_id=integration_id,
        state="wanted",
    )
