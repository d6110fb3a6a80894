"""Queries for the outbox: what the bot owes GitHub, and the queues in which it is worked off."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_COLUMNS = (
    "id",
    "kind",
    "queue",
    "lane",
    "collapse",
    "priority",
    "integration_id",
    "installation_id",
    "repository_id",
    "item_id",
    "number",
    "request",
    "idempotency_key",
    "status",
    "attempts",
    "next_attempt_at",
    "give_up_at",
    "created_at",
)
_ADD = f"""INSERT INTO actions ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f":{name}" for name in _COLUMNS)}) ON CONFLICT DO NOTHING"""
_OPEN = "('pending', 'running')"
OWED = "owed"  # stands for every status but done
_LISTED = """SELECT actions.*, repositories.full_name AS repository FROM actions
    LEFT JOIN repositories ON repositories.id = actions.repository_id"""


def add(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Add an action; False if one that is pending already does the same."""
    return tx.run(_ADD, values) == 1


def find(tx: Transaction, action_id: str) -> Row | None:
    """Return an action with the present name of its `repository`."""
    return tx.one(f"{_LISTED} WHERE actions.id = :id", {"id": action_id})


def by_idempotency_key(tx: Transaction, key: str) -> Row | None:
    return tx.one(f"{_LISTED} WHERE actions.idempotency_key = :key", {"key": key})


def pending_like(tx: Transaction, collapse: str) -> Row | None:
    """Return the action that is pending for a `collapse` key."""
    return tx.one(
        "SELECT * FROM actions WHERE collapse = :collapse AND status = 'pending'",
        {"collapse": collapse},
    )


def listed(
    tx: Transaction,
    status: str | None,
    kind: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return actions, newest first; `before` is a seq."""
    conditions = ["1 = 1"]
    if status == OWED:
        conditions.append("actions.status <> 'done'")
    elif status is not None:
        conditions.append("actions.status = :status")
    if kind is not None:
        conditions.append("actions.kind = :kind")
    if before is not None:
        conditions.append("actions.seq < :before")
    return tx.all(
        f"{_LISTED} WHERE {' AND '.join(conditions)} ORDER BY actions.seq DESC LIMIT :limit",
        {"status": status, "kind": kind, "before": before, "limit": limit},
    )


def change(tx: Transaction, action_id: str, **values: Any) -> None:
    """Set the columns that `values` names."""
    tx.run(
        f"UPDATE actions SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE id = :the_id",
        {**values, "the_id": action_id},
    )


def failed_of(tx: Transaction, integration_id: str, since: int) -> Sequence[Row]:
    """Return the actions of an integration that failed at or after a time."""
    return tx.all(
        """SELECT * FROM actions WHERE status = 'failed' AND finished_at >= :since
            AND integration_id = :integration_id ORDER BY seq""",
        {"integration_id": integration_id, "since": since},
    )


def owed_by(tx: Transaction, integration_id: str) -> dict[str, int]:
    """Return how many actions of an integration there are of each status but done."""
    rows = tx.all(
        """SELECT status, COUNT(*) AS number FROM actions
            WHERE integration_id = :integration_id AND status <> 'done' GROUP BY status""",
        {"integration_id": integration_id},
    )
    return {row["status"]: row["number"] for row in rows}


def open_of_integration(tx: Transaction, integration_id: str) -> Sequence[Row]:
    return tx.all(
        f"""SELECT * FROM actions WHERE integration_id = :integration_id AND status IN {_OPEN}
            ORDER BY seq""",
        {"integration_id": integration_id},
    )


def note_news(tx: Transaction, collapse: str, now: int) -> None:
    """Keep when something last made the action necessary that is pending for a `collapse` key."""
    tx.run(
        "UPDATE actions SET news_at = :now WHERE collapse = :collapse AND status = 'pending'",
        {"collapse": collapse, "now": now},
    )


def unfinished_of_marker(tx: Transaction, action_id: str) -> Row | None:
    """Return an action that has been attempted and is not finished."""
    return tx.one(
        f"SELECT * FROM actions WHERE id = :id AND attempts > 0 AND status IN {_OPEN}",
        {"id": action_id},
    )


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` actions that were finished before a time; return how many."""
    return tx.run(
        """DELETE FROM actions WHERE seq IN (SELECT seq FROM actions
            WHERE finished_at < :before AND finished_at IS NOT NULL
            ORDER BY finished_at LIMIT :limit)""",
        {"before": before, "limit": limit},
    )


# --- Queues


def wake(tx: Transaction, queue: str, at: int) -> None:
    """See to it that a queue is looked at by `at`."""
    tx.run(
        """INSERT INTO queues (queue, due_at) VALUES (:queue, :at)
            ON CONFLICT (queue) DO UPDATE SET due_at = excluded.due_at
            WHERE queues.due_at IS NULL OR queues.due_at > excluded.due_at""",
        {"queue": queue, "at": at},
    )


def due_queues(tx: Transaction, now: int, limit: int) -> list[str]:
    """Return the queues that have something due and are nobody's, the longest waiting first."""
    rows = tx.all(
        """SELECT queue FROM queues WHERE due_at IS NOT NULL AND due_at <= :now
            AND not_before <= :now AND leased_until <= :now ORDER BY due_at LIMIT :limit""",
        {"now": now, "limit": limit},
    )
    return [row["queue"] for row in rows]


def next_due(tx: Transaction) -> int | None:
    """Return when the next queue is due, whoever holds it."""
    row = tx.one(
        """SELECT MIN(CASE WHEN due_at > not_before THEN
                CASE WHEN due_at > leased_until THEN due_at ELSE leased_until END
            ELSE CASE WHEN not_before > leased_until THEN not_before ELSE leased_until END END)
            AS at FROM queues WHERE due_at IS NOT NULL"""
    )
    return row["at"] if row else None


def leased_queues(tx: Transaction, now: int) -> Sequence[Row]:
    return tx.all(
        "SELECT * FROM queues WHERE leased_until > :now AND owner IS NOT NULL", {"now": now}
    )


def hasten(tx: Transaction, queue: str, now: int) -> None:
    """Make everything that is pending in a queue due now."""
    tx.run(
        """UPDATE actions SET next_attempt_at = :now
            WHERE queue = :queue AND status = 'pending' AND next_attempt_at > :now""",
        {"queue": queue, "now": now},
    )


def hasten_kept(tx: Transaction, reason: str, now: int) -> None:
    """Make everything due now that `reason` has kept."""
    kept = "status = 'pending' AND last_error = :reason"
    queues = tx.all(f"SELECT DISTINCT queue FROM actions WHERE {kept}", {"reason": reason})
    tx.run(
        f"UPDATE actions SET next_attempt_at = :now WHERE {kept}", {"reason": reason, "now": now}
    )
    for row in queues:
        wake(tx, row["queue"], now)


def claim(tx: Transaction, queue: str, owner: str, now: int, until: int) -> Row | None:
    """Lease a queue; None if another holds it. What a dead holder had in hand is pending again."""
    row = tx.one(
        """UPDATE queues SET owner = :owner, leased_until = :until
            WHERE queue = :queue AND leased_until <= :now RETURNING *""",
        {"queue": queue, "owner": owner, "now": now, "until": until},
    )
    return row


def running_in(tx: Transaction, queue: str) -> Sequence[Row]:
    return tx.all(
        "SELECT * FROM actions WHERE queue = :queue AND status = 'running' ORDER BY seq",
        {"queue": queue},
    )


def renew(tx: Transaction, queue: str, owner: str, until: int) -> bool:
    """Prolong a lease; False if it is another's by now."""
    return (
        tx.run(
            "UPDATE queues SET leased_until = :until WHERE queue = :queue AND owner = :owner",
            {"queue": queue, "owner": owner, "until": until},
        )
        == 1
    )


def release(tx: Transaction, queue: str, owner: str) -> bool:
    """End a lease; False if it is another's by now."""
    return (
        tx.run(
            """UPDATE queues SET owner = NULL, leased_until = 0
                WHERE queue = :queue AND owner = :owner""",
            {"queue": queue, "owner": owner},
        )
        == 1
    )


def change_queue(tx: Transaction, queue: str, owner: str, **values: Any) -> bool:
    """Set the columns that `values` names; False if the queue is another's by now."""
    return (
        tx.run(
            f"""UPDATE queues SET {", ".join(f"{name} = :{name}" for name in values)}
                WHERE queue = :the_queue AND owner = :the_owner""",
            {**values, "the_queue": queue, "the_owner": owner},
        )
        == 1
    )


def head(tx: Transaction, queue: str, now: int) -> Row | None:
    """Return the next action of a queue: due, the first of its lane, the most urgent."""
    return tx.one(
        f"""{_LISTED} WHERE actions.queue = :queue AND actions.status = 'pending'
                AND actions.next_attempt_at <= :now
                AND NOT EXISTS (SELECT 1 FROM actions AS earlier
                    WHERE earlier.lane = actions.lane AND earlier.seq < actions.seq
                        AND earlier.status IN {_OPEN} AND earlier.aside = 0)
            ORDER BY actions.priority, actions.next_attempt_at, actions.seq LIMIT 1""",
        {"queue": queue, "now": now},
    )


def waiting(tx: Transaction, queue: str, now: int, limit: int) -> int:
    """Return how many actions of a queue are due, counted up to `limit`."""
    rows = tx.all(
        """SELECT 1 FROM actions WHERE queue = :queue AND status IN ('pending', 'running')
            AND next_attempt_at <= :now LIMIT :limit""",
        {"queue": queue, "now": now, "limit": limit},
    )
    return len(rows)


def earliest(tx: Transaction, queue: str) -> int | None:
    """Return when the next pending action of a queue that is the first of its lane is due."""
    row = tx.one(
        f"""SELECT MIN(next_attempt_at) AS at FROM actions
            WHERE queue = :queue AND status = 'pending'
                AND NOT EXISTS (SELECT 1 FROM actions AS earlier
                    WHERE earlier.lane = actions.lane AND earlier.seq < actions.seq
                        AND earlier.status IN {_OPEN} AND earlier.aside = 0)""",
        {"queue": queue},
    )
    return row["at"] if row else None


def queues_of_lane(tx: Transaction, lane: str) -> list[str]:
    """Return the queues that have something open in a lane."""
    rows = tx.all(
        f"SELECT DISTINCT queue FROM actions WHERE lane = :lane AND status IN {_OPEN}",
        {"lane": lane},
    )
    return [row["queue"] for row in rows]


# --- What the bot has put on a pull request


def post(tx: Transaction, item_id: int) -> Row | None:
    return tx.one("SELECT * FROM posts WHERE item_id = :item_id", {"item_id": item_id})


def who_wrote_in(tx: Transaction, repository_id: int) -> list[str]:
    """Return the integrations whose posts or replies stand in a repository."""
    rows = tx.all(
        """SELECT posts.integration_id FROM items JOIN posts ON posts.item_id = items.id
            WHERE items.repository_id = :repository_id AND posts.integration_id IS NOT NULL
            UNION SELECT integration_id FROM command_comments
            WHERE repository_id = :repository_id AND reply_id IS NOT NULL
            ORDER BY integration_id""",
        {"repository_id": repository_id},
    )
    return [row["integration_id"] for row in rows]


def see_to_post(tx: Transaction, item_id: int) -> Row:
    """Return what is kept of the bot's posts on an item, with a marker that nobody can guess."""
    tx.run(
        "INSERT INTO posts (item_id, marker) VALUES (:item_id, :marker) ON CONFLICT DO NOTHING",
        {"item_id": item_id, "marker": str(uuid.uuid4())},
    )
    row = post(tx, item_id)
    assert row is not None
    return row


def change_post(tx: Transaction, item_id: int, **values: Any) -> None:
    """Set the columns that `values` names."""
    tx.run(
        f"UPDATE posts SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE item_id = :the_id",
        {**values, "the_id": item_id},
    )


def begin_change(
    tx: Transaction, item_id: int, what: str, attempt: str, values: Mapping[str, Any]
) -> None:
    """Note, before GitHub is called, that a comment, check or label may be changed from now on."""
    see_to_post(tx, item_id)
    change_post(tx, item_id, **values, **{f"{what}_writing": attempt})


def end_change(
    tx: Transaction, item_id: int, what: str, attempt: str, values: Mapping[str, Any]
) -> None:
    """Keep what a comment, check or label is now; not if another attempt has begun since."""
    post_now = post(tx, item_id)
    if post_now is not None and post_now[f"{what}_writing"] == attempt:
        change_post(tx, item_id, **values, **{f"{what}_writing": None})
