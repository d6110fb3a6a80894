"""Clean-up issues ordered from the platform's side, and how those of an experiment are."""

from collections.abc import Sequence

from msgspec import Struct

from bot import storage as store
from bot.domain import clean_ups
from bot.domain.actors import Actor
from bot.domain.errors import Conflict
from bot.domain.integrations import serving
from bot.domain.verdicts import OVER
from bot.operations import experiments, linking
from bot.services import Services


class Ordered(Struct, frozen=True):
    """An action that makes the clean-up issue of a repository, or looks at it again."""

    repository: str
    action_id: str


class Standing(Struct, frozen=True):
    """How the clean-up of an experiment in a repository is; `issue` is null while there is none.

    `integration_id` may order it, null if none may or there is nothing to be cleaned up.
    """

    repository: store.Repository
    count: int
    row: store.CleanUp | None
    issue: store.Item | None
    integration_id: str | None


async def order(
    services: Services, actor: Actor, key: str, integration_id: str, repository: str | None = None
) -> list[Ordered]:
    """Order the clean-up issue of a repository, or of all that have something left of it.

    Those are all in which the integration may act. Raises NotFound, Invalid, Conflict.
    """
    await services.database.read(lambda tx: experiments.existing(tx, key))
    integration = await linking.acting(services, integration_id, repository)
    wanted = await services.database.read(
        lambda tx: _wanted(tx, key, integration.id, integration.host, repository)
    )

    def job(tx: store.Transaction) -> list[Ordered]:
        row = store.integrations.find(tx, integration.id)
        assert row is not None
        found = []
        for one in wanted:
            problem = clean_ups.hindrance(tx, one.id, key)
            if problem is not None:
                raise Conflict(problem, key)
            action_id = clean_ups.ask(tx, row, one.id, key, actor, made_by="api")
            found.append(Ordered(one.full_name, action_id))
        return found

    locks = [
        lock
        for one in wanted
        for lock in store.locks_of_repository(one.host, one.github_id, one.full_name)
    ]
    return await services.database.write(job, locks=locks)


def _wanted(
    tx: store.Transaction, key: str, integration_id: str, host: str, repository: str | None
) -> Sequence[store.Repository]:
    """Return the repositories in which there is to be an issue; raises Conflict if none is."""
    experiment = experiments.find(tx, key)
    if repository is not None:
        named = store.repositories.by_name(tx, host, repository)
        if not named:
            raise Conflict("code_unread", key)
        return named[:1]
    if experiment.status not in OVER:
        raise Conflict("not_over", key)
    places = [one.repository_id for one in store.code_references.by_repository(tx, key)]
    found = [store.repositories.get(tx, one) for one in sorted(places)]
    served = [one for one in found if integration_id in [who.id for who in serving(tx, one)]]
    if not served:
        raise Conflict("not_in_code", key)
    return served


def standing(tx: store.Transaction, key: str) -> list[Standing]:
    """Return how the clean-up of an experiment is in each repository that it concerns."""
    rows = {row.repository_id: row for row in store.clean_ups.of_experiment(tx, key)}
    left = store.code_references.by_repository(tx, key)
    counts = {one.repository_id: one.number for one in left}
    is_over = experiments.find(tx, key).status in OVER
    found = []
    for repository_id in sorted({*rows, *(counts if is_over else ())}):
        repository = store.repositories.get(tx, repository_id)
        row = rows.get(repository_id)
        issue = None
        if row is not None and row.home_id is not None and row.number is not None:
            issue = store.items.find(tx, row.home_id, "issue", row.number)
        can = is_over and counts.get(repository_id)
        who = next(serving(tx, repository), None) if can else None
        count = counts.get(repository_id, 0)
        found.append(Standing(repository, count, row, issue, who.id if who else None))
    return sorted(found, key=lambda one: one.repository.name_key)
