"""Queries for what is live where: merged pull requests that are part of what is deployed."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import NamedItem
from bot.storage.live_rows import (
    Environment,
    EnvironmentCount,
    KeyCount,
    Landed,
    Live,
    LiveCount,
    LivePlace,
    RepositoryCount,
)
from bot.storage.query import Part
from bot.storage.rows import Item, Row

R = TypeVar("R", bound=Row)

# Merged pull requests of a repository that are linked, and known to be live nowhere in `:id`.
_WAITING = """FROM links JOIN items ON items.id = links.target_id
    WHERE links.repository_id = :repository_id AND links.kind = 'pull_request'
        AND links.state = 'merged' AND items.merge_sha IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM live WHERE live.item_id = items.id
            AND live.environment_id = :id AND live.ended_at IS NULL)"""
_THERE = """FROM live JOIN items ON items.id = live.item_id
    WHERE live.environment_id = :id AND live.ended_at IS NULL"""


def waits_for(tx: Transaction, environment: Environment) -> bool:
    """Tell whether a linked, merged pull request is not live in an environment yet."""
    return query.exists(tx, f"SELECT 1 {_WAITING} LIMIT 1", **_place(environment))


def is_any_in(tx: Transaction, environment_id: int) -> bool:
    """Tell whether a pull request is live in an environment."""
    return query.exists(tx, f"SELECT 1 {_THERE} LIMIT 1", id=environment_id)


_LANDED = "items.merge_sha, COALESCE(items.merged_at, 0) AS merged_at, items.id"


def waiting(tx: Transaction, environment: Environment, limit: int) -> list[Landed]:
    """Return as what those pull requests were merged that wait for an environment.

    Of more than `limit` those merged last: what has waited longest may never come.
    """
    sql = f"""SELECT DISTINCT {_LANDED} {_WAITING}
        ORDER BY merged_at DESC, items.id DESC LIMIT :limit"""
    return query.select(tx, Landed, sql, limit=limit, **_place(environment))


def waiting_with(tx: Transaction, environment: Environment, shas: Sequence[str]) -> list[Item]:
    """Return those pull requests that wait and were merged as one of some commits."""
    sql = f"SELECT DISTINCT items.* {_WAITING} AND items.merge_sha IN ({{names}})"
    found = query.in_parts(tx, Item, sql, shas, **_place(environment))
    return sorted(found, key=lambda item: item.id)


def there(tx: Transaction, environment_id: int) -> list[Item]:
    """Return the pull requests that are live in an environment."""
    return query.select(tx, Item, f"SELECT items.* {_THERE} ORDER BY items.id", id=environment_id)


def there_with(tx: Transaction, environment_id: int, shas: Sequence[str]) -> list[Item]:
    """Return those pull requests that are live and were merged as one of some commits."""
    sql = f"SELECT items.* {_THERE} AND items.merge_sha IN ({{names}})"
    found = query.in_parts(tx, Item, sql, shas, id=environment_id)
    return sorted(found, key=lambda item: item.id)


def landed_there(tx: Transaction, environment_id: int) -> list[Landed]:
    """Return as what the pull requests were merged that are live in an environment."""
    sql = f"SELECT {_LANDED} {_THERE} AND items.merge_sha IS NOT NULL"
    return query.select(tx, Landed, sql, id=environment_id)


def place_of(tx: Transaction, item_id: int, environment_id: int) -> Live | None:
    return query.by_key(tx, Live, item_id=item_id, environment_id=environment_id)


def open_places(tx: Transaction, item_id: int) -> dict[int, Live]:
    """Return where a pull request is live, by environment."""
    sql = "SELECT * FROM live WHERE item_id = :item_id AND ended_at IS NULL"
    return {row.environment_id: row for row in query.select(tx, Live, sql, item_id=item_id)}


def begin(tx: Transaction, environment: Environment, item_ids: Sequence[int]) -> None:
    """Pull requests are live in an environment since what it has was deployed."""
    sql = """INSERT INTO live (item_id, environment_id, at, ended_at, guid)
        VALUES (:item_id, :environment_id, :at, NULL, :guid)
        ON CONFLICT (item_id, environment_id)
            DO UPDATE SET at = excluded.at, ended_at = NULL, guid = excluded.guid"""
    since = {"at": environment.deployed_at, "guid": environment.guid}
    place = {"environment_id": environment.id, **since}
    tx.run_many(sql, [{"item_id": item_id, **place} for item_id in item_ids])


def end(tx: Transaction, environment: Environment, item_ids: Sequence[int]) -> None:
    """Pull requests are live in an environment no longer since what it has was deployed."""
    sql = "UPDATE live SET ended_at = :at WHERE item_id = :item_id AND environment_id = :id"
    place = {"id": environment.id, "at": environment.deployed_at}
    tx.run_many(sql, [{"item_id": item_id, **place} for item_id in item_ids])


def forget_item(tx: Transaction, item_id: int) -> None:
    """A pull request is linked no more: where it is live is not followed any longer."""
    tx.run("DELETE FROM live WHERE item_id = :item_id", {"item_id": item_id})


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` rows of what has ended before a time; return how many."""
    sql = """DELETE FROM live WHERE (item_id, environment_id) IN (
        SELECT item_id, environment_id FROM live WHERE ended_at < :before
        ORDER BY ended_at LIMIT :limit)"""
    return tx.run(sql, {"before": before, "limit": limit})


def _place(environment: Environment) -> dict[str, int]:
    return {"repository_id": environment.repository_id, "id": environment.id}


# --- What is shown


_PLACES = """SELECT live.item_id, environments.name AS environment, environments.is_production,
        live.at, live.ended_at
    FROM live JOIN environments ON environments.id = live.environment_id
    WHERE live.item_id IN ({names})"""
_IN_ORDER = "ORDER BY environments.is_production DESC, environments.name_key"


def places(tx: Transaction, item_ids: Sequence[int]) -> dict[int, tuple[LivePlace, ...]]:
    """Return where each of some pull requests is live, production first."""
    found: dict[int, list[LivePlace]] = {item_id: [] for item_id in item_ids}
    sql = f"{_PLACES} AND live.ended_at IS NULL {_IN_ORDER}"
    for row in query.in_parts(tx, LivePlace, sql, [*found]):
        found[row.item_id].append(row)
    return {item_id: tuple(rows) for item_id, rows in found.items()}


def history(tx: Transaction, item_id: int) -> list[LivePlace]:
    """Return where a pull request is live, or was and is no longer."""
    return query.in_parts(tx, LivePlace, f"{_PLACES} {_IN_ORDER}", [item_id])


def with_places(tx: Transaction, part: Part[Any]) -> Part[Any]:
    """Return pull requests of a list with `live`: where each that is merged is live."""
    merged = [row.id for row in part if row.state == "merged"]
    if not merged:
        return part
    found = places(tx, merged)
    rows = [msgspec.structs.replace(row, live=found.get(row.id, ())) for row in part]
    return Part(rows, part.next)


_MOST_REPOSITORIES = 20  # of one experiment: those where most of it is merged


def of_experiments(
    tx: Transaction, keys: Sequence[str], limit: int = 8
) -> Mapping[str, Sequence[LiveCount]]:
    """Return how many pull requests of some experiments are live in which environment.

    In the environments of the repositories where some are merged, `limit` for each experiment at
    most: production first, then where something was deployed last. Of repositories that have an
    environment of the same name the numbers are added up.
    """
    merged = _merged(tx, list(dict.fromkeys(keys)))
    ids = {repository_id for counts in merged.values() for repository_id in counts}
    there = _by_repository(tx, sorted(ids))
    shown = {
        key: _named([one for id in counts for one in there.get(id, ())], limit)
        for key, counts in merged.items()
    }
    live = _counted(tx, [(key, one.id) for key, named in shown.items() for one in _all(named)])
    return {
        key: [
            LiveCount(
                experiment_key=key,
                environment=ones[0].name,
                is_production=ones[0].is_production,
                pull_requests=sum(live.get((key, one.id), 0) for one in ones),
                merged=sum(merged[key][one.repository_id] for one in ones),
            )
            for ones in named
        ]
        for key, named in shown.items()
        if named
    }


def _merged(tx: Transaction, keys: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return how many pull requests of each experiment are merged in which repository."""
    sql = """SELECT experiment_key, repository_id, COUNT(*) AS count FROM links
        WHERE experiment_key IN ({names}) AND state = 'merged' AND resolved = 1
            AND repository_id IS NOT NULL
        GROUP BY experiment_key, repository_id ORDER BY count DESC, repository_id"""
    found: dict[str, dict[int, int]] = {}
    for row in query.in_parts(tx, RepositoryCount, sql, keys):
        counts = found.setdefault(row.experiment_key, {})
        if len(counts) < _MOST_REPOSITORIES:
            counts[row.repository_id] = row.count
    return found


def _by_repository(tx: Transaction, ids: Sequence[int]) -> dict[int, list[Environment]]:
    found: dict[int, list[Environment]] = {}
    sql = "SELECT * FROM environments WHERE repository_id IN ({names})"
    for row in query.in_parts(tx, Environment, sql, ids):
        found.setdefault(row.repository_id, []).append(row)
    return found


def _named(environments: Sequence[Environment], limit: int) -> list[list[Environment]]:
    """Return environments of one name together, production first, then the latest."""
    found: dict[str, list[Environment]] = {}
    order = sorted(environments, key=lambda one: (not one.is_production, -one.deployed_at, one.id))
    for one in order:
        if one.name_key in found or len(found) < limit:
            found.setdefault(one.name_key, []).append(one)
    return list(found.values())


def _all(named: Sequence[Sequence[Environment]]) -> list[Environment]:
    return [one for ones in named for one in ones]


def _counted(tx: Transaction, wanted: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
    """Return how many pull requests of experiments are live in environments.

    Each is looked up by itself, so that nobody reads all that are live.
    """
    if not wanted:
        return {}
    sql = """SELECT wanted.experiment_key, wanted.environment_id, (SELECT COUNT(
                (SELECT 1 FROM live WHERE live.item_id = links.target_id
                    AND live.environment_id = wanted.environment_id AND live.ended_at IS NULL))
            FROM links WHERE links.experiment_key = wanted.experiment_key
                AND kind = 'pull_request' AND state = 'merged') AS count
        FROM {keys} AS wanted"""
    names = ("experiment_key", "environment_id")
    found = query.select_keyed(tx.stored, EnvironmentCount, sql, names, wanted)
    return {(row.experiment_key, row.environment_id): row.count for row in found}


# Whether a pull request, whose link it is, is live in any production.
_IN_PRODUCTION = """(SELECT 1 FROM live WHERE live.item_id = links.target_id
    AND live.ended_at IS NULL AND (SELECT is_production FROM environments
        WHERE environments.id = live.environment_id) = 1 LIMIT 1)"""


def in_production(tx: Transaction, keys: Sequence[str]) -> dict[str, int]:
    """Return how many pull requests of some experiments are live in any production."""
    sql = f"""SELECT experiment_key, COUNT({_IN_PRODUCTION}) AS count FROM links
        WHERE experiment_key IN ({{names}}) AND kind = 'pull_request' AND state = 'merged'
        GROUP BY experiment_key"""
    found = query.in_parts(tx, KeyCount, sql, list(dict.fromkeys(keys)))
    return {row.experiment_key: row.count for row in found}


_OF_KEY = "FROM links WHERE experiment_key = :key AND kind = 'pull_request'"
# Merged pull requests that could be live in production, and are not.
_NOT_LIVE = f"""{_OF_KEY} AND state = 'merged'
    AND (SELECT 1 FROM environments WHERE environments.repository_id = links.repository_id
        AND is_production = 1 LIMIT 1) = 1
    AND {_IN_PRODUCTION} IS NULL"""
_OPEN = f"""{_OF_KEY} AND state = 'open'
    AND (SELECT gone_at FROM items WHERE items.id = links.target_id) IS NULL"""


Some = tuple[int, Sequence[NamedItem]]  # how many there are, and some of them


def not_in_production(
    tx: Transaction, key: str, limit: int, repository_id: int | None = None
) -> Some:
    """Return which merged pull requests of an experiment are not live in production, where their
    repositories have one.

    Of the some, with `repository_id` only those of one repository.
    """
    return _some(tx, _NOT_LIVE, key, limit, repository_id)


def still_open(tx: Transaction, key: str, limit: int, repository_id: int | None = None) -> Some:
    """Return which pull requests of an experiment are open, as `not_in_production` does."""
    return _some(tx, _OPEN, key, limit, repository_id)


def _some(tx: Transaction, which: str, key: str, limit: int, repository_id: int | None) -> Some:
    count = query.number(tx, f"SELECT COUNT(*) AS count {which}", key=key) or 0
    here = "" if repository_id is None else "AND links.repository_id = :repository_id"
    sql = f"""SELECT items.*, repositories.full_name AS repository
        FROM (SELECT target_id, state_at {which} {here}
            ORDER BY state_at DESC, target_id DESC LIMIT :limit) AS found
        JOIN items ON items.id = found.target_id
        JOIN repositories ON repositories.id = items.repository_id
        ORDER BY found.state_at DESC, found.target_id DESC"""
    if not count:
        return 0, []
    about = {} if repository_id is None else {"repository_id": repository_id}
    return count, query.select(tx, NamedItem, sql, key=key, limit=limit, **about)
