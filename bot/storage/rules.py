"""Queries for what `.github/experiments.yml` says in repositories, and in pull requests."""

import msgspec

from bot.storage import codec, query
from bot.storage.database import Transaction
from bot.storage.rows import Repository
from bot.storage.rules_rows import RepositoryRules, RulesProblems

_TABLE = "repository_rules"


def find(tx: Transaction, repository_id: int) -> RepositoryRules | None:
    """Return what was read for a repository, None if nothing was yet."""
    return tx.looked_up(
        _TABLE,
        repository_id,
        lambda: query.by_key(tx.stored, RepositoryRules, repository_id=repository_id),
    )


def keep(tx: Transaction, row: RepositoryRules) -> None:
    """Keep what was read, in place of what was read before."""
    names = codec.names_of(RepositoryRules)
    told = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    values = ", ".join(f":{name}" for name in names)
    sql = f"""INSERT INTO repository_rules ({", ".join(names)}) VALUES ({values})
        ON CONFLICT (repository_id) DO UPDATE SET {told}"""
    tx.run(sql, codec.write(RepositoryRules, msgspec.structs.asdict(row)))


def mark_stale(tx: Transaction, repository_id: int) -> None:
    """Note that it is to be read again, if it was read."""
    sql = "UPDATE repository_rules SET is_stale = 1 WHERE repository_id = :repository_id"
    tx.run(sql, {"repository_id": repository_id})


def without_own(tx: Transaction, host: str, owner: str, after: int, limit: int) -> list[Repository]:
    """Return an owner's repositories that had no file of their own when last read, by their ids."""
    sql = """SELECT repositories.* FROM repositories
        JOIN repository_rules ON repository_rules.repository_id = repositories.id
        WHERE repositories.host = :host AND repositories.deleted_at IS NULL
            AND SUBSTR(repositories.name_key, 1, :length) = :here
            AND COALESCE(repository_rules.source, 'owner') = 'owner' AND repositories.id > :after
        ORDER BY repositories.id LIMIT :limit"""
    here = f"{owner.lower()}/"
    place = {"host": host, "here": here, "length": len(here)}
    return query.select(tx, Repository, sql, **place, after=after, limit=limit)


def problems_of(tx: Transaction, item_id: int) -> RulesProblems | None:
    """Return what is wrong with the file of a pull request; None if nothing was looked at."""
    return query.by_key(tx, RulesProblems, item_id=item_id)


def keep_problems(tx: Transaction, row: RulesProblems) -> None:
    """Keep what is wrong with the file at a head, in place of what was at an earlier one."""
    sql = """INSERT INTO rules_problems (item_id, head_sha, problems)
        VALUES (:item_id, :head_sha, :problems) ON CONFLICT (item_id) DO UPDATE SET
            head_sha = excluded.head_sha, problems = excluded.problems"""
    tx.run(sql, codec.write(RulesProblems, msgspec.structs.asdict(row)))


def forget_problems(tx: Transaction, item_id: int) -> None:
    """Forget what was wrong: the pull request does not change the file any more."""
    tx.run("DELETE FROM rules_problems WHERE item_id = :item_id", {"item_id": item_id})
