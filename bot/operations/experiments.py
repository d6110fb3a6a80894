"""Experiments: create, replace, change, delete, and read what belongs to one."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from bot import storage as store
from bot.domain import experiments
from bot.domain.actors import Actor, log_change
from bot.domain.errors import Conflict, Invalid, NotFound
from bot.services import Services

T = TypeVar("T")
# Raises if what is there, None for nothing, is not what is to be changed.
Condition = Callable[[store.Experiment | None], None]


async def create(
    services: Services, actor: Actor, values: Mapping[str, Any]
) -> store.CountedExperiment:
    """Create an experiment; links that were waiting for its key belong to it at once."""

    def job(tx: store.Transaction) -> store.CountedExperiment | None:
        row = experiments.create(tx, values, actor.name)
        return store.experiments.find_with_counts(tx, row.key) if row else None

    created = await services.database.write(job)
    if created is None:
        raise Conflict("experiment_exists", values["key"])
    log_change(actor, "experiment created", experiment=created.key)
    return created


async def get(services: Services, key: str) -> store.CountedExperiment:
    found = await services.database.read(lambda tx: store.experiments.find_with_counts(tx, key))
    if found is None:
        raise NotFound("experiment")
    return found


async def read(services: Services, key: str, job: Callable[[store.Transaction], T]) -> T:
    """Return what a job finds of an experiment, if there is one."""

    def checked(tx: store.Transaction) -> T:
        if not store.experiments.exists(tx, key):
            raise NotFound("experiment")
        return job(tx)

    return await services.database.read(checked)


async def replace(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> tuple[store.CountedExperiment, bool]:
    """Create or replace an experiment; return it, and whether it is new."""
    values = {"key": key, **values}
    if values["key"] != key:
        raise Invalid.field("key", "key_of_address")

    def job(tx: store.Transaction) -> tuple[store.CountedExperiment | None, bool]:
        old = store.experiments.find(tx, key)
        condition(old)
        if old is None:
            experiments.create(tx, values, actor.name)
        else:
            experiments.change(tx, key, values, actor.name)
        return store.experiments.find_with_counts(tx, key), old is None

    row, is_new = await services.database.write(job)
    assert row is not None
    log_change(actor, "experiment created" if is_new else "experiment replaced", experiment=key)
    return row, is_new


async def change(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> store.CountedExperiment:
    """Change what `values` names and keep the rest. A change of status shows in the feed."""

    def job(tx: store.Transaction) -> store.CountedExperiment | None:
        old = store.experiments.find(tx, key)
        if old is None:
            return None
        condition(old)
        experiments.change(tx, key, values, actor.name)
        return store.experiments.find_with_counts(tx, key)

    changed = await services.database.write(job)
    if changed is None:
        raise NotFound("experiment")
    log_change(actor, "experiment changed", experiment=key)
    return changed


async def delete(services: Services, actor: Actor, key: str, condition: Condition) -> None:
    """Delete an experiment. Its links stay, as unresolved ones, and so does its feed."""

    def job(tx: store.Transaction) -> bool:
        old = store.experiments.find(tx, key)
        if old is not None:
            condition(old)
        return experiments.delete(tx, key)

    if not await services.database.write(job):
        raise NotFound("experiment")
    log_change(actor, "experiment deleted", experiment=key)
