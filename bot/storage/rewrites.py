"""Queries for force pushes, and for what they have made of the commits that a branch had."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import heads, query
from bot.storage.commit_rows import BranchCommit, Commit, Rewrite
from bot.storage.database import Transaction
from bot.storage.heads import Place


def add(tx: Transaction, place: Place, pushed_at: int, before_sha: str, after_sha: str) -> None:
    """Keep a force push, which may be there already."""
    row = {"repository_id": place[0], "ref": place[1], "pushed_at": pushed_at}
    query.insert_many(tx, Rewrite, [{**row, "before_sha": before_sha, "after_sha": after_sha}])
    heads.rewritten(tx, place, pushed_at)


def of_shas(tx: Transaction, place: Place, shas: Sequence[str]) -> list[Rewrite]:
    """Return the force pushes of a branch from one of some commits, or to it."""
    sql = """SELECT * FROM rewrites WHERE repository_id = :repository_id AND ref = :ref
        AND (before_sha IN ({names}) OR after_sha IN ({names}))"""
    return query.in_parts(tx, Rewrite, sql, shas, repository_id=place[0], ref=place[1])


def last(tx: Transaction, place: Place, until: int) -> list[Rewrite]:
    """Return the last force push of a branch up to a time; several if they were in one second."""
    branch = "repository_id = :repository_id AND ref = :ref"
    sql = f"""SELECT * FROM rewrites WHERE {branch} AND pushed_at = (
        SELECT MAX(pushed_at) FROM rewrites WHERE {branch} AND pushed_at <= :until)"""
    return query.select(tx, Rewrite, sql, repository_id=place[0], ref=place[1], until=until)


def set_seen(tx: Transaction, place: Place, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note of commits of a branch (`commit_id`) when it last had them, and when it had not.

    Only what is later than what is known counts.
    """
    known = {"repository_id": place[0], "ref": place[1]}
    for name in ("again_at", "gone_at"):
        sql = f"""UPDATE branch_commits SET {name} = :at WHERE repository_id = :repository_id
            AND ref = :ref AND commit_id = :commit_id AND COALESCE({name}, -1) < :at"""
        found = [{**known, "commit_id": one["commit_id"], "at": one.get(name)} for one in rows]
        tx.run_many(sql, [row for row in found if row["at"] is not None])


def places_of(tx: Transaction, commit_ids: Sequence[int]) -> list[BranchCommit]:
    """Return the branches that some commits were pushed to, and what became of them there."""
    sql = "SELECT * FROM branch_commits WHERE commit_id IN ({names})"
    found = query.in_parts(tx, BranchCommit, sql, commit_ids)
    sql = "SELECT * FROM commits WHERE id IN ({names}) AND made_branch IS NOT NULL"
    return found + [
        BranchCommit(0, one.repository_id, one.ref, one.id, one.pushed_at, one.was_new, None, None)
        for one in query.in_parts(tx, Commit, sql, commit_ids)
    ]
