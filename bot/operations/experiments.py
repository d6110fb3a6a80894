"""Experiments: create, replace, change, delete, and read what belongs to one."""

from collections.abc import Callable, Mapping
from typing import Any

from bot import storage as store
from bot.domain import experiments
from bot.domain.actors import Actor
from bot.domain.errors import Conflict, Invalid, NotFound
from bot.operations import found
from bot.services import Services

# Raises if what is there, None for nothing, is not what is to be changed.
Condition = Callable[[store.Experiment | None], None]


async def create(
    services: Services, actor: Actor, values: Mapping[str, Any]
) -> store.CountedExperiment:
    """Create an experiment; links that were waiting for its key belong to it at once."""

    def job(tx: store.Transaction) -> store.CountedExperiment:
        row = experiments.create(tx, values, actor)
        if row is None:
            raise Conflict("experiment_exists", values["key"])
        return _counted(tx, row.key)

    locks = [store.lock_of_experiment(values["key"])]
    return await services.database.write(job, locks=locks)


async def get(services: Services, key: str) -> store.CountedExperiment:
    return await services.database.read(lambda tx: _counted(tx, key))


def find(tx: store.Transaction, key: str) -> store.Experiment:
    """Return an experiment without counting what is linked to it; raises NotFound."""
    return found(store.experiments.find(tx, key), "experiment")


def existing(tx: store.Transaction, key: str) -> str:
    """Return the key of an experiment; raises NotFound if there is none."""
    if not store.experiments.exists(tx, key):
        raise NotFound("experiment")
    return key


async def replace(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> tuple[store.CountedExperiment, bool]:
    """Create or replace an experiment; return it, and whether it is new."""
    values = {"key": key, **values}
    if values["key"] != key:
        raise Invalid.field("key", "key_of_address")

    def job(tx: store.Transaction) -> tuple[store.CountedExperiment, bool]:
        old = store.experiments.find(tx, key)
        condition(old)
        if old is None:
            experiments.create(tx, values, actor)
        else:
            experiments.change(tx, key, values, actor)
        return _counted(tx, key), old is None

    locks = [store.lock_of_experiment(key)]
    return await services.database.write(job, locks=locks)


async def change(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> store.CountedExperiment:
    """Change what `values` names and keep the rest. A change of status shows in the feed."""

    def job(tx: store.Transaction) -> store.CountedExperiment:
        condition(found(store.experiments.find(tx, key), "experiment"))
        experiments.change(tx, key, values, actor)
        return _counted(tx, key)

    return await services.database.write(job, locks=[store.lock_of_experiment(key)])


async def delete(services: Services, actor: Actor, key: str, condition: Condition) -> None:
    """Delete an experiment. Its links stay, as unresolved ones, and so does its feed."""

    def job(tx: store.Transaction) -> None:
        condition(found(store.experiments.find(tx, key), "experiment"))
        experiments.delete(tx, key, actor)

    await services.database.write(job, locks=[store.lock_of_experiment(key)])


def _counted(tx: store.Transaction, key: str) -> store.CountedExperiment:
    return found(store.experiments.find_with_counts(tx, key), "experiment")
