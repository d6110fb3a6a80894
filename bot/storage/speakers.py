"""Queries for who speaks for repositories that several integrations tell of, and who told what."""

from collections.abc import Sequence

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import Speaker

_TABLE = "speakers"


def of_repository(tx: Transaction, repository_id: int) -> tuple[Speaker, ...]:
    """Return who speaks, or may not, for a repository that is contested."""
    sql = "SELECT * FROM speakers WHERE repository_id = :repository_id"
    return tx.looked_up(
        _TABLE,
        repository_id,
        lambda: tuple(query.select(tx.stored, Speaker, sql, repository_id=repository_id)),
    )


def add(tx: Transaction, repository_id: int, integration_ids: Sequence[str]) -> None:
    """Let integrations speak for a repository, of whom GitHub was not asked."""
    known = of_repository(tx, repository_id)
    sql = """INSERT INTO speakers (repository_id, integration_id)
        VALUES (:repository_id, :integration_id) ON CONFLICT DO NOTHING"""
    for one in integration_ids:
        tx.later(_TABLE, sql, {"repository_id": repository_id, "integration_id": one})
    new = [Speaker(repository_id, one, None, None) for one in integration_ids]
    tx.put(tx.kept[_TABLE], repository_id, (*known, *new))


def answered(tx: Transaction, speaker: Speaker) -> None:
    """Keep what GitHub has said of a speaker's right, or that it could not be asked."""
    columns = {"has_right": speaker.has_right, "asked_at": speaker.asked_at}
    key = {"repository_id": speaker.repository_id, "integration_id": speaker.integration_id}
    if query.change(tx, Speaker, key, columns) == 0:
        query.insert(tx, Speaker, {**key, **columns})


def ask_again(tx: Transaction, repository_id: int, integration_id: str | None = None) -> None:
    """Ask GitHub again at the next occasion who has a right to a repository."""
    whose = {} if integration_id is None else {"integration_id": integration_id}
    query.change(tx, Speaker, {"repository_id": repository_id, **whose}, {"asked_at": None})


def ask_again_for(tx: Transaction, integration_id: str) -> None:
    """Ask GitHub again of an integration, and of those with its credential, wherever they speak."""
    sql = """UPDATE speakers SET asked_at = NULL WHERE integration_id IN (
        SELECT id FROM integrations WHERE credential = (
            SELECT credential FROM integrations WHERE id = :integration_id))"""
    tx.run(sql, {"integration_id": integration_id})


def denied(tx: Transaction, integration_id: str, limit: int) -> list[str]:
    """Return the names of repositories to which an integration has no right, as GitHub said."""
    sql = """SELECT repositories.full_name FROM speakers
        JOIN repositories ON repositories.id = speakers.repository_id
        WHERE speakers.integration_id = :integration_id AND has_right = 0
        ORDER BY repositories.name_key LIMIT :limit"""
    return query.values(tx, sql, integration_id=integration_id, limit=limit)


def told_too(tx: Transaction, kind: str, target_ids: Sequence[int], integration_id: str) -> None:
    """Note that an integration told of items or commits which another told of first."""
    sql = """INSERT INTO tellers (kind, target_id, integration_id)
        VALUES (:kind, :target_id, :integration_id) ON CONFLICT DO NOTHING"""
    for one in target_ids:
        values = {"kind": kind, "target_id": one, "integration_id": integration_id}
        tx.later("tellers", sql, values)
