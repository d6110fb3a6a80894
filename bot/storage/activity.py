"""Queries for the activity feed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bot.storage import query, repositories, tallies
from bot.storage.database import Statements, Transaction
from bot.storage.known_rows import add_rows
from bot.storage.query import Part, Place
from bot.storage.rows import Activity

_SELECT = """SELECT activity.*, repositories.full_name AS repository FROM activity
    LEFT JOIN repositories ON repositories.id = activity.repository_id"""


def add(tx: Transaction, items: Sequence[Mapping[str, Any]]) -> None:
    """Add items; experiments and repositories know when they were last heard of."""
    add_rows(tx, Activity, items)
    for one in items:
        tallies.heard(tx, one["experiment_key"], one["position"])
        if one["repository_id"] is not None:
            _heard(tx, one["repository_id"], one["position"])


def _heard(tx: Transaction, repository_id: int, position: int) -> None:
    """Note when a repository was last heard of, which is written once a batch."""
    heard: _Heard | None = tx.kept.get("heard")
    if heard is None:
        heard = tx.kept["heard"] = _Heard()
    if heard.positions.get(repository_id, 0) < position:
        tx.put(heard.positions, repository_id, position)
        tx.touch("repositories", heard)


class _Heard:
    """When each of some repositories was last heard of, as far as it is news."""

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}

    def flush(self, statements: Statements) -> None:
        rows = [(at, key) for key, at in sorted(self.positions.items())]
        self.positions.clear()
        if rows:
            at = {"last_activity": "BIGINT"}
            statements.update("repositories", {"id": "BIGINT"}, at, rows, only_up=True)


def _newest(positions: Sequence[tuple[Any, int]]) -> list[dict[str, Any]]:
    """Return each key among some positions with the newest of its own."""
    newest: dict[Any, int] = {}
    for key, position in positions:
        newest[key] = max(newest.get(key, position), position)
    return [{"key": key, "position": position} for key, position in newest.items()]


def told_of_item(tx: Transaction, item_id: int, guids: Sequence[str]) -> list[Activity]:
    """Return what some deliveries and decisions have brought into feeds of an item.

    By what told them, of which each has told little; not by the item, of which much may be told.
    """
    sql = "SELECT * FROM activity WHERE guid IN ({names}) AND item_id + 0 = :item_id"
    return query.in_parts(tx, Activity, sql, guids, item_id=item_id)


def remove(tx: Transaction, seqs: Sequence[int]) -> None:
    _remove(tx, "seq = :id", [{"id": seq} for seq in seqs])


def remove_of_commits(tx: Transaction, experiment_key: str, commit_ids: Sequence[int]) -> None:
    of_commit = "commit_id = :id AND experiment_key = :key"
    _remove(tx, of_commit, [{"id": one, "key": experiment_key} for one in commit_ids])


def _remove(tx: Transaction, which: str, places: Sequence[Mapping[str, Any]]) -> None:
    """Remove items; experiments whose newest it may have been find what is the newest now."""
    sql = f"DELETE FROM activity WHERE {which} RETURNING experiment_key, position"
    removed = [row for place in places for row in tx.all(sql, place)]
    sql = """UPDATE experiments SET last_activity = COALESCE((SELECT MAX(position) FROM activity
            WHERE activity.experiment_key = experiments.key), 0)
        WHERE key = :key AND last_activity <= :position"""
    tx.run_many(sql, _newest([(row["experiment_key"], row["position"]) for row in removed]))


def of_experiment(
    tx: Transaction, experiment_key: str, type: str | None, before: Place | None, limit: int
) -> Part[Activity]:
    """Return an experiment's feed, newest first."""
    where = ["activity.experiment_key = :key", "activity.type = :type" if type else None]
    by = {"activity.position": "position", "activity.seq": "seq"}
    known = {"key": experiment_key, "type": type}
    return query.page(tx, Activity, _SELECT, where, by, before, limit, **known)


class Wanted(NamedTuple):
    """Which items are looked for: those that meet all that is given."""

    type: str | None = None
    experiment: str | None = None
    repository: str | None = None


_PLACE = ("position", "seq")


def listed(tx: Transaction, wanted: Wanted, before: Place | None, limit: int) -> Part[Activity]:
    """Return the feed of all experiments, newest first.

    Each index of it begins with types; without one, the newest items of each type are merged.
    """
    is_key = "experiment_key = :experiment" if wanted.experiment else None
    if is_key and not wanted.repository:
        assert wanted.experiment is not None
        return of_experiment(tx, wanted.experiment, wanted.type, before, limit)
    is_behind, place = query.behind(_PLACE, before)
    known: dict[str, Any] = {"experiment": wanted.experiment, **place}
    ids = repositories.ids_called(tx, wanted.repository) if wanted.repository else [None]
    arms: list[str] = []
    for number, id in enumerate(ids):
        known[f"repository{number}"] = id
        here = [is_key, f"repository_id = :repository{number}" if id is not None else None]
        for type in [wanted.type] if wanted.type else _types(tx, here, known):
            name = f"type{len(arms)}"
            known[name] = type
            where = query.where_all(*here, f"type = :{name}", is_behind)
            arms.append(f"SELECT position, seq FROM activity {where}")
    if not arms:
        return Part([], None)
    sql = f"""SELECT activity.*, repositories.full_name AS repository
        FROM ({query.highest_of(arms, _PLACE)}) AS found
        JOIN activity ON activity.seq = found.seq
        LEFT JOIN repositories ON repositories.id = activity.repository_id
        ORDER BY found.position DESC, found.seq DESC"""
    return query.part(tx, Activity, sql, _PLACE, limit, **known)


def _types(tx: Transaction, where: Sequence[str | None], known: Mapping[str, Any]) -> list[str]:
    """Return the types of some items, stepping from one to the next."""
    sql = f"""WITH RECURSIVE types(type) AS (
            SELECT MIN(type) FROM activity {query.where_all(*where)}
            UNION ALL
            SELECT (SELECT MIN(type) FROM activity
                    {query.where_all(*where, "type > types.type")})
                FROM types WHERE types.type IS NOT NULL)
        SELECT type FROM types WHERE type IS NOT NULL"""
    return query.values(tx, sql, **known)


def after(tx: Transaction, seq: int, limit: int) -> list[Activity]:
    """Return every experiment's items recorded after `seq`, oldest first.

    Only those before which none can still come: who goes on after the last one misses nothing.
    """
    sql = f"""{_SELECT} WHERE activity.seq > :seq AND activity.seq <= :last
        ORDER BY activity.seq LIMIT :limit"""
    return query.select(tx, Activity, sql, seq=seq, last=last_seq(tx), limit=limit)


def of_delivery(tx: Transaction, guid: str, limit: int) -> list[Activity]:
    """Return what a delivery has brought into feeds, in the order it was recorded."""
    sql = f"{_SELECT} WHERE activity.guid = :guid ORDER BY activity.seq LIMIT :limit"
    return query.select(tx, Activity, sql, guid=guid, limit=limit)


def last_seq(tx: Transaction) -> int:
    """Return the last item before which none can still come, 0 if there is none."""
    return tx.stored.settled("activity")


def is_unsettled(tx: Transaction) -> bool:
    """Tell whether items are recorded before which others can still come."""
    return (query.number(tx, "SELECT MAX(seq) FROM activity") or 0) > last_seq(tx)


def weeks_of(
    tx: Transaction, keys: Sequence[str], starts: Sequence[int], limit: int
) -> dict[str, list[int]]:
    """Return how many items some feeds have in each of some weeks, `limit` at most.

    `starts` are the positions at which the weeks begin, the last one that at which they end.
    """
    found = {key: [0] * (len(starts) - 1) for key in keys}
    if not found:
        return found
    names = {f"key{number}": key for number, key in enumerate(found)}
    bounds = {f"start{number}": start for number, start in enumerate(starts)}
    columns = ", ".join(
        f"""(SELECT COUNT(*) FROM (SELECT 1 FROM activity
            WHERE activity.experiment_key = experiments.key
                AND activity.position >= :start{number} AND activity.position < :start{number + 1}
            LIMIT :limit) AS counted) AS week{number}"""
        for number in range(len(starts) - 1)
    )
    wanted = ", ".join(f":{name}" for name in names)
    sql = f"SELECT key, {columns} FROM experiments WHERE key IN ({wanted})"
    for row in tx.all(sql, {**names, **bounds, "limit": limit}):
        found[row["key"]] = [row[f"week{number}"] for number in range(len(starts) - 1)]
    return found
