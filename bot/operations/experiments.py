"""Experiments: create, replace, change, delete, and read what belongs to one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bot import storage as store
from bot.domain import experiments, warnings
from bot.domain.actors import Actor
from bot.domain.errors import Conflict, Invalid, NotFound
from bot.domain.warnings import Warning
from bot.operations import found
from bot.services import Services

# Raises if what is there, None for nothing, is not what is to be changed.
Condition = Callable[[store.Experiment | None], None]


class Shown(NamedTuple):
    """An experiment, what of it is live where, and what to warn of whoever has just changed it."""

    row: store.Experiment
    live: Sequence[store.LiveCount]
    code: int = 0  # lines of default branches
    warnings: Sequence[Warning] = ()


async def create(services: Services, actor: Actor, values: Mapping[str, Any]) -> Shown:
    """Create an experiment; links that were waiting for its key belong to it at once."""

    def job(tx: store.Transaction) -> Shown:
        row = experiments.create(tx, values, actor)
        if row is None:
            raise Conflict("experiment_exists", values["key"])
        return _changed(tx, row.key, None)

    locks = [store.lock_of_experiment(values["key"])]
    return await services.database.write(job, locks=locks)


async def get(services: Services, key: str) -> Shown:
    return await services.database.read(lambda tx: shown(tx, key))


def shown(tx: store.Transaction, key: str) -> Shown:
    """Return an experiment as it is shown; raises NotFound."""
    live = store.live.of_experiments(tx, [key]).get(key, ())
    return Shown(find(tx, key), live, store.code_references.counts(tx, [key]).get(key, 0))


def _changed(tx: store.Transaction, key: str, old: store.Experiment | None) -> Shown:
    """Return an experiment as it is after a change, with what to warn of."""
    now = shown(tx, key)
    return now._replace(warnings=warnings.of_change(tx, old.status if old else None, now.row))


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
) -> tuple[Shown, bool]:
    """Create or replace an experiment; return it, and whether it is new."""
    values = {"key": key, **values}
    if values["key"] != key:
        raise Invalid.field("key", "key_of_address")

    def job(tx: store.Transaction) -> tuple[Shown, bool]:
        old = store.experiments.find(tx, key)
        condition(old)
        if old is None:
            experiments.create(tx, values, actor)
        else:
            experiments.change(tx, key, values, actor)
        return _changed(tx, key, old), old is None

    locks = [store.lock_of_experiment(key)]
    return await services.database.write(job, locks=locks)


async def change(
    services: Services, actor: Actor, key: str, values: Mapping[str, Any], condition: Condition
) -> Shown:
    """Change what `values` names and keep the rest. A change of status shows in the feed."""

    def job(tx: store.Transaction) -> Shown:
        old = found(store.experiments.find(tx, key), "experiment")
        condition(old)
        experiments.change(tx, key, values, actor)
        return _changed(tx, key, old)

    return await services.database.write(job, locks=[store.lock_of_experiment(key)])


async def delete(services: Services, actor: Actor, key: str, condition: Condition) -> None:
    """Delete an experiment. Its links stay, as unresolved ones, and so does its feed."""

    def job(tx: store.Transaction) -> None:
        condition(found(store.experiments.find(tx, key), "experiment"))
        experiments.delete(tx, key, actor)

    await services.database.write(job, locks=[store.lock_of_experiment(key)])
