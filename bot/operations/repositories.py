"""Repositories: corrected or forgotten by an admin."""

from bot import storage as store
from bot.domain import audit, repositories, withdrawal
from bot.domain.actors import Actor
from bot.domain.errors import Invalid
from bot.github.names import is_repository
from bot.operations import found
from bot.services import Services


async def rename(
    services: Services, actor: Actor, full_name: str, host: str | None, new_name: str
) -> store.Repository:
    """Call a repository what GitHub calls it now; raises NotFound, Invalid.

    Whatever else is known under that name has lost it.
    """
    if not is_repository(new_name):
        raise Invalid.field("full_name", "no_full_name")
    known = await _known(services, full_name, host)

    def job(tx: store.Transaction) -> store.Repository:
        row = found(store.repositories.find(tx, full_name, host), "repository")
        repositories.correct(tx, row, new_name)
        audit.record_change(
            tx,
            actor,
            audit.REPOSITORY_CHANGED,
            _target(row),
            {"full_name": row.full_name},
            {"full_name": new_name},
        )
        return store.repositories.get(tx, row.id)

    locks = [*_locks(known), *store.locks_of_repository(known.host, None, new_name)]
    return await services.database.write(job, locks=locks)


async def forget(services: Services, actor: Actor, full_name: str, host: str | None) -> None:
    """Take out all that was told of a repository; raises NotFound. Nothing changes on GitHub."""
    known = await _known(services, full_name, host)

    def job(tx: store.Transaction) -> None:
        row = found(store.repositories.find(tx, full_name, host), "repository")
        withdrawal.forget(tx, row)
        before = {"full_name": row.full_name, "host": row.host}
        audit.record(tx, actor, audit.REPOSITORY_FORGOTTEN, _target(row), before, None)

    await services.database.write(job, heavy=True, locks=_locks(known))


async def _known(services: Services, full_name: str, host: str | None) -> store.Repository:
    row = await services.database.read(lambda tx: store.repositories.find(tx, full_name, host))
    return found(row, "repository")


def _locks(row: store.Repository) -> list[str]:
    return store.locks_of_repository(row.host, row.github_id, row.full_name)


def _target(row: store.Repository) -> audit.Target:
    return audit.Target("repository", str(row.github_id or row.full_name), row.full_name)
