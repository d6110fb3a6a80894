"""Experiments: created and changed through the API, and what that tells the feed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import activity, audit, clean_ups, posts, vocabulary
from bot.domain.actors import Actor, named
from bot.domain.parts import Cause

CREATED = activity.Type("experiment.created", 0, "★", "Created experiment {name}")
STATUS_CHANGED = activity.Type(
    "experiment.status_changed", 1, "→", "Status of {name}: {old} → {new}"
)
_SHOWN = {"name", "status", "owner"}  # on pull requests
_IN_ISSUES = {*_SHOWN, "hypothesis"}
_LINKED = {"last_activity", "last_merged"} | {  # what follows from what is linked
    f"{kind}_count" for kind in ("pull_request", "issue", "commit", "open", "merged")
}
_OURS = {"seq", "search", "created_at", "updated_at"} | _LINKED  # nobody sets these
STATUSES = store.experiments.STATUSES


def create(
    tx: store.Transaction, values: Mapping[str, Any], actor: Actor | str
) -> store.Experiment | None:
    """Create an experiment and resolve the links that waited for it; None if the key exists."""
    store.experiments.lock(tx, values["key"])
    now = times.now()
    columns = _columns(tx, values)
    columns["search"] = _search(columns)
    row = store.experiments.add(tx, {**columns, "created_at": now, "updated_at": now})
    if row is None:
        return None
    store.links.follow_experiment(tx, row.key, row)
    actor = named(actor)
    audit.record(tx, actor, audit.EXPERIMENT_CREATED, _target(row), None, _fields(row))
    _tell(tx, row, CREATED, CREATED.says(name=row.name), actor.name)
    posts.refresh_experiment(tx, row.key, Cause.KNOWN)
    vocabulary.changed(tx, row.key, came={row.key, *row.aliases})
    return row


def change(
    tx: store.Transaction, key: str, values: Mapping[str, Any], actor: Actor | str
) -> store.Experiment | None:
    """Change what `values` names, keep the rest; None if there is no such experiment.

    A change that changes nothing leaves `updated_at` and the feed alone.
    """
    store.experiments.lock(tx, key)
    old = store.experiments.find(tx, key)
    if old is None:
        return None
    changed = {
        name: value
        for name, value in _columns(tx, values, old).items()
        if getattr(old, name) != value
    }
    if not changed:
        return old
    changed["search"] = _search({**msgspec.structs.asdict(old), **changed})
    store.experiments.change(tx, key, {**changed, "updated_at": times.now()})
    row = store.experiments.find(tx, key)
    assert row is not None
    if "owner" in changed:
        store.links.follow_owner(tx, row)
    actor, apart = named(actor), {"status": audit.EXPERIMENT_STATUS}
    told = audit.EXPERIMENT_CHANGED, _target(row), _fields(old), _fields(row)
    audit.record_change(tx, actor, *told, apart)
    if "status" in changed:
        summary = STATUS_CHANGED.says(name=row.name, old=old.status, new=row.status)
        _tell(tx, row, STATUS_CHANGED, summary, actor.name)
    if "aliases" in changed:
        vocabulary.changed(
            tx,
            key,
            came={*row.aliases} - {*old.aliases},
            went={*old.aliases} - {*row.aliases},
        )
    if changed.keys() & _SHOWN:
        posts.refresh_experiment(tx, key)
    if changed.keys() & _IN_ISSUES:
        clean_ups.experiment_changed(tx, key)
    return row


def may_be_changed_from(tx: store.Transaction, key: str, repository: store.Repository) -> bool:
    """Tell whether commands in a repository may change an experiment.

    A name of its list stands for the repository that had it when it was first known, whatever that
    is called later, and never for another that has taken the name since.
    """
    store.experiments.lock(tx, key)
    row = store.experiments.find(tx, key)
    if row is None or row.repositories is None:
        return True
    if any(repository.id in one.ids for one in row.repositories):
        return True
    for position, one in enumerate(row.repositories):
        if _is_free(tx, one) and one.name.lower() == repository.name_key:
            now = list(row.repositories)
            now[position] = store.NamedRepository(one.name, (repository.id,))
            store.experiments.change(tx, key, {"repositories": now})
            return True
    return False


def _is_free(tx: store.Transaction, one: store.NamedRepository) -> bool:
    """Tell whether a name stands for no repository yet, or for one that was forgotten."""
    return not any(store.repositories.get(tx, known).full_name for known in one.ids)


def delete(tx: store.Transaction, key: str, actor: Actor) -> bool:
    """Delete an experiment. Its links and feed stay: the links become unresolved."""
    store.experiments.lock(tx, key)
    row = store.experiments.find(tx, key)
    if row is None:
        return False
    store.experiments.remove(tx, key)
    audit.record(tx, actor, audit.EXPERIMENT_DELETED, _target(row), _fields(row))
    store.links.follow_experiment(tx, key, None)
    posts.refresh_experiment(tx, key, Cause.KNOWN)
    vocabulary.changed(tx, key, went=None)
    return True


def change_told(row: store.Activity) -> str:
    """Return what a line of the feed tells of a status, `old → new`, without the name before it.

    The feed keeps the sentence alone; STATUS_CHANGED has it, and no status holds a colon.
    """
    return row.summary.rpartition(": ")[2]


def version(row: store.Experiment) -> str:
    """Return what changes whenever an experiment is changed, and never with what is linked."""
    names = {*store.Experiment.__struct_fields__} - {"seq", *_LINKED}
    own = {name: getattr(row, name) for name in names}
    own["repositories"] = repositories_of(row)
    return hashlib.sha256(msgspec.json.encode(own, order="sorted")).hexdigest()[:20]


def _search(row: Mapping[str, Any]) -> str:
    return store.experiments.folded(row["key"], row["name"], row["owner"], *row["tags"])


def repositories_of(row: store.Experiment) -> list[str] | None:
    """Return the names of the repositories whose commands may change it; None for all."""
    return None if row.repositories is None else [one.name for one in row.repositories]


def _columns(
    tx: store.Transaction, values: Mapping[str, Any], old: store.Experiment | None = None
) -> dict[str, Any]:
    columns = dict(values)
    if "tags" in values:
        columns["tags"] = tuple(values["tags"])
    if "aliases" in values:
        columns["aliases"] = tuple(dict.fromkeys(values["aliases"]))
    if values.get("repositories") is not None:
        known = old.repositories if old is not None else None
        columns["repositories"] = _named(tx, values["repositories"], known or ())
    return columns


def _named(
    tx: store.Transaction, names: Sequence[str], known: Sequence[store.NamedRepository]
) -> tuple[store.NamedRepository, ...]:
    """Return what names stand for; those that were there before go on standing for the same."""
    ids = {one.name.lower(): one.ids for one in known}
    spelled = {name.lower(): name for name in reversed(names)}
    return tuple(
        store.NamedRepository(
            spelled[key], ids.get(key) or tuple(store.repositories.ids_named(tx, key))
        )
        for key in dict.fromkeys(name.lower() for name in names)
    )


def _target(row: store.Experiment) -> audit.Target:
    return audit.Target("experiment", row.key, row.name)


def _fields(row: store.Experiment) -> dict[str, Any]:
    """Return what people have set of an experiment."""
    names = store.Experiment.__struct_fields__
    fields = {name: getattr(row, name) for name in names if name not in _OURS}
    return {**fields, "repositories": repositories_of(row)}


def _tell(
    tx: store.Transaction, row: store.Experiment, type_: activity.Type, summary: str, actor: str
) -> None:
    news = activity.News(
        type=type_,
        experiment_key=row.key,
        occurred_at=row.updated_at,
        actor=actor,
        summary=summary,
        html_url=row.url,
    )
    activity.record(tx, [news])
