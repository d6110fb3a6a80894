"""The code of default branches: where experiments stand in it, and that it is read again."""

from typing import Literal, NamedTuple

from bot import storage as store
from bot.domain import audit, code_maps
from bot.domain.actors import Actor
from bot.domain.errors import Conflict
from bot.github import names
from bot.operations import experiments, found
from bot.services import Services

Status = Literal["pending", "read", "partial", "off"]


class State(NamedTuple):
    """How far the default branch of a repository was read; `row` is None where it was not."""

    status: Status
    repository: store.Repository
    row: store.CodeMap | None


def state_of(tx: store.Transaction, repository: store.Repository) -> State:
    row = store.code_maps.find(tx, repository.id)
    if row is not None:
        return State(row.status, repository, row)
    is_on = code_maps.reader(tx, repository) is not None
    return State("pending" if is_on else "off", repository, None)


def find(tx: store.Transaction, full_name: str, host: str | None) -> State:
    """Return how far a repository was read; raises NotFound."""
    return state_of(tx, found(store.repositories.find(tx, full_name, host), "repository"))


def of_experiment(
    tx: store.Transaction,
    key: str,
    repository: str | None,
    behind: store.Place | None,
    limit: int,
) -> store.Part[store.PlacedReference]:
    """Return a part of the lines that name an experiment; raises NotFound."""
    experiments.existing(tx, key)
    return store.code_references.of_experiment(tx, key, repository, behind, limit)


def permalink(row: store.PlacedReference) -> str:
    """Return the address of a line at the commit that was read."""
    return names.permalink(row.host, row.repository, row.sha, row.path, row.line)


async def read_again(services: Services, actor: Actor, full_name: str, host: str | None) -> str:
    """Have a default branch read again; return the action's id. Raises Conflict, NotFound."""

    def job(tx: store.Transaction) -> str:
        repository = found(store.repositories.find(tx, full_name, host), "repository")
        if store.vocabulary.is_empty(tx):
            raise Conflict("nothing_to_read", "there is no experiment to look for")
        action_id = code_maps.read_again(tx, repository)
        if action_id is None:
            raise Conflict("nothing_to_read", "no active integration may read code there")
        target = audit.Target(
            "repository", str(repository.github_id or repository.full_name), repository.full_name
        )
        audit.record(tx, actor, audit.CODE_ORDERED, target)
        return action_id

    known = found(
        await services.database.read(lambda tx: store.repositories.find(tx, full_name, host)),
        "repository",
    )
    locks = store.locks_of_repository(known.host, known.github_id, known.full_name)
    return await services.database.write(job, locks=locks)
