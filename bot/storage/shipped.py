"""What shipped: the merged pull requests of experiments that there are."""

from typing import Any, NamedTuple

import msgspec

from bot.storage import live, query, repositories
from bot.storage.database import Transaction
from bot.storage.joined import Shipped, ShippedExperiment
from bot.storage.query import Part, Place


class Wanted(NamedTuple):
    """What is looked for: what meets all that is given.

    `since` is the first moment that counts, and `until` the first that does not; `owner` is the
    experiment's.
    """

    since: int | None = None
    until: int | None = None
    owner: str | None = None
    experiment: str | None = None
    repository: str | None = None


_PLACE = ("state_at", "target_id")


def listed(tx: Transaction, wanted: Wanted, before: Place | None, limit: int) -> Part[Shipped]:
    """Return each pull request once, the one merged last first. That time is `listed_at`."""
    if wanted.owner and wanted.experiment and not _is_owned(tx, wanted):
        return Part([], None)
    is_behind, place = query.behind(_PLACE, before)
    where = ["state = 'merged'", "resolved = 1", *_matching(wanted), is_behind]
    known: dict[str, Any] = {**wanted._asdict(), **place}
    in_each: list[str | None] = [None]
    if wanted.repository:
        ids = repositories.ids_called(tx, wanted.repository)
        known |= {f"repository{number}": id for number, id in enumerate(ids)}
        in_each = [f"repository_id = :repository{number}" for number in range(len(ids))]
    arms = [
        f"SELECT DISTINCT state_at, target_id FROM links {query.where_all(one, *where)}"
        for one in in_each
    ]
    if not arms:
        return Part([], None)
    sql = f"""SELECT items.*, repositories.full_name AS repository, found.state_at AS listed_at
        FROM ({query.highest_of(arms, _PLACE)}) AS found
        JOIN items ON items.id = found.target_id
        JOIN repositories ON repositories.id = items.repository_id
        ORDER BY found.state_at DESC, found.target_id DESC"""
    found = query.part(tx, Shipped, sql, ("listed_at", "id"), limit, **known)
    return live.with_places(tx, Part(_with_experiments(tx, found.rows), found.next))


def _matching(wanted: Wanted) -> list[str | None]:
    """Return the conditions of what is looked for, but for the repository."""
    return [
        "experiment_key = :experiment" if wanted.experiment else None,
        "owner = :owner" if wanted.owner and not wanted.experiment else None,
        "state_at >= :since" if wanted.since is not None else None,
        "state_at < :until" if wanted.until is not None else None,
    ]


def _is_owned(tx: Transaction, wanted: Wanted) -> bool:
    """Tell whether the experiment is the owner's: all that shipped of it is, or nothing."""
    sql = "SELECT 1 FROM experiments WHERE key = :key AND owner = :owner"
    return query.exists(tx, sql, key=wanted.experiment, owner=wanted.owner)


def _with_experiments(tx: Transaction, rows: list[Shipped]) -> list[Shipped]:
    sql = """SELECT links.target_id, experiments.key, experiments.name, experiments.status,
            experiments.owner, links.linked_by
        FROM links JOIN experiments ON experiments.key = links.experiment_key
        WHERE links.target_id IN ({names}) AND links.kind = 'pull_request' ORDER BY links.id"""
    found: dict[int, list[ShippedExperiment]] = {row.id: [] for row in rows}
    for one in query.in_parts(tx, ShippedExperiment, sql, [*found]):
        found[one.target_id].append(one)
    return [msgspec.structs.replace(row, experiments=tuple(found[row.id])) for row in rows]
