"""Queries for the names that repositories had before: what a late delivery still calls them."""

from collections.abc import Sequence

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import Row

_TABLE = "former_names"


class FormerName(Row, frozen=True):
    """`former_names`: one that a repository had, and when it was known to have another."""

    repository_id: int
    full_name: str
    name_key: str
    until: int


def of_repository(tx: Transaction, repository_id: int) -> Sequence[FormerName]:
    """Return the names that a repository had, and may have again."""
    sql = "SELECT * FROM former_names WHERE repository_id = :repository_id"
    return tx.looked_up(
        _TABLE,
        repository_id,
        lambda: query.select(tx.stored, FormerName, sql, repository_id=repository_id),
    )


def add(tx: Transaction, repository_id: int, full_name: str, until: int) -> None:
    """Note that a repository has another name by a time. Of two times the later counts."""
    known = of_repository(tx, repository_id)
    before = next((one for one in known if one.full_name == full_name), None)
    if before is not None and before.until >= until:
        return
    new = FormerName(repository_id, full_name, full_name.lower(), until)
    sql = """INSERT INTO former_names (repository_id, full_name, name_key, until)
        VALUES (:repository_id, :full_name, :name_key, :until)
        ON CONFLICT (repository_id, full_name) DO UPDATE SET until = excluded.until"""
    values = {name: getattr(new, name) for name in new.__struct_fields__}
    tx.later(_TABLE, sql, values)
    others = [one for one in known if one.full_name != full_name]
    tx.put(tx.kept[_TABLE], repository_id, [*others, new])
