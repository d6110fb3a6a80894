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


async def create(services: Services, actor: Actor, values: Mapping[str, Any]) -> store.Experiment:
    """Create an experiment; links that were waiting for its key belong to it at once."""

    def job(tx: store.Transaction) -> store.Experiment:
        row = experiments.create(tx, values, actor)
        if row is None:
            raise Conflict("experiment_exists", values["key"])
        return find(tx, row.key)

    locks = [store.lock_of_experiment(values["key"])]
    return await services.database.write(job, locks=locks)


async def get(services: Services, key: str) -> store.Experiment:
    return await services.database.read(lambda tx: find(tx, key))


def find(tx: store.Transaction, key: str) -> store.Experiment:
    """Return an experiment; raises NotFound."""
    return found(store.experiments.find(tx, key), "experiment")


def existing(tx: store.Transaction, key: str) -> str:
    """Return the key of an experiment; raises NotFound if there is none."""
    if not store.experiments.exists(tx, key):
        raise NotFound("experiment")
    return key


async def replace(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> tuple[store.Experiment, bool]:
    """Create or replace an experiment; return it, and whether it is new."""
    values = {"key": key, **values}
    if values["key"] != key:
        raise Invalid.field("key", "key_of_address")

    def job(tx: store.Transaction) -> tuple[store.Experiment, bool]:
        old = store.experiments.find(tx, key)
        condition(old)
        if old is None:
            experiments.create(tx, values, actor)
        else:
            experiments.change(tx, key, values, actor)
        return find(tx, key), old is None

    locks = [store.lock_of_experiment(key)]
    return await services.database.write(job, locks=locks)


async def change(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> store.Experiment:
    """Change what `values` names and keep the rest. A change of status shows in the feed."""

    def job(tx: store.Transaction) -> store.Experiment:
        condition(found(store.experiments.find(tx, key), "experiment"))
        experiments.change(tx, key, values, actor)
        return find(tx, key)

    return await services.database.write(job, locks=[store.lock_of_experiment(key)])


async def delete(services: Services, actor: Actor, key: str, condition: Condition) -> None:
    """Delete an experiment. Its links stay, as unresolved ones, and so does its feed."""

    def job(tx: store.Transaction) -> None:
        condition(found(store.experiments.find(tx, key), "experiment"))
        experiments.delete(tx, key, actor)

    await services.database.write(job, locks=[store.lock_of_experiment(key)])
