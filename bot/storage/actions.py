"""Queries for the outbox: what the bot owes GitHub, and the queues in which it is worked off."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import BegunAction, ListedAction
from bot.storage.known_rows import KnownRows, known_rows
from bot.storage.query import Part, Place
from bot.storage.rows import Action, Post, Queue

_OPEN = "('pending', 'running')"
_FIRST_OF_LANE = f"""NOT EXISTS (SELECT 1 FROM actions AS earlier
    WHERE earlier.lane = actions.lane AND earlier.seq < actions.seq
        AND earlier.status IN {_OPEN} AND earlier.aside = 0)"""
# The priorities that a queue has, each found by one look into the index, so that what is next is
# found by one more for each, however many wait behind it.
_PRIORITIES = """WITH RECURSIVE priorities (priority) AS (
    SELECT MIN(priority) FROM actions WHERE queue = :queue AND status = 'pending'
    UNION ALL SELECT (SELECT MIN(actions.priority) FROM actions WHERE actions.queue = :queue
        AND actions.status = 'pending' AND actions.priority > priorities.priority)
    FROM priorities WHERE priorities.priority IS NOT NULL)"""
_PENDING_OF_PRIORITY = """FROM actions WHERE actions.queue = :queue AND actions.status = 'pending'
    AND actions.priority = priorities.priority"""
WAKE = """INSERT INTO queues (queue, due_at) VALUES (:queue, :at)
    ON CONFLICT (queue) DO UPDATE SET due_at = excluded.due_at
        WHERE queues.due_at IS NULL OR queues.due_at > excluded.due_at"""
OWED = "owed"  # stands for every status but done
NOWHERE = 0  # the `repository_id` of what concerns an integration as a whole
_LISTED = """SELECT actions.*, COALESCE(repositories.full_name, '') AS repository FROM actions
    LEFT JOIN repositories ON repositories.id = actions.repository_id"""


def add(tx: Transaction, columns: Mapping[str, Any]) -> bool:
    """Add an action; False if one that is pending already does the same."""
    return query.insert_new(tx, Action, columns)


def find(tx: Transaction, action_id: str) -> ListedAction | None:
    """Return an action with the present name of its `repository`."""
    return query.first(tx, ListedAction, f"{_LISTED} WHERE actions.id = :id", id=action_id)


def by_idempotency_key(tx: Transaction, key: str) -> ListedAction | None:
    return query.first(tx, ListedAction, f"{_LISTED} WHERE actions.idempotency_key = :key", key=key)


def pending_like(tx: Transaction, collapse: str) -> Action | None:
    """Return the action that is pending for a `collapse` key."""
    return query.by_key(tx, Action, collapse=collapse, status="pending")


def pending_among(tx: Transaction, collapses: Sequence[str]) -> set[str]:
    """Return for which of some `collapse` keys an action is pending."""
    sql = "SELECT collapse FROM actions WHERE collapse IN ({names}) AND status = 'pending'"
    return set(query.values_in_parts(tx, sql, collapses))


def listed(
    tx: Transaction, status: str | None, kind: str | None, before: Place | None, limit: int
) -> Part[ListedAction]:
    """Return actions, newest first."""
    where = [
        "actions.status <> 'done'" if status == OWED else None,
        None if status in (None, OWED) else "actions.status = :status",
        "actions.kind = :kind" if kind is not None else None,
    ]
    by, known = {"actions.seq": "seq"}, {"status": status, "kind": kind}
    return query.page(tx, ListedAction, _LISTED, where, by, before, limit, **known)


def change(tx: Transaction, action_id: str, **columns: Any) -> None:
    query.change(tx, Action, {"id": action_id}, columns)


def change_running(tx: Transaction, action_id: str, columns: Mapping[str, Any]) -> bool:
    """Set columns of an action that is running; False if it is not any more."""
    return query.change(tx, Action, {"id": action_id, "status": "running"}, columns) == 1


def set_error(
    tx: Transaction,
    action_id: str,
    error: str | None,
    reason: str | None = None,
    remedy: str | None = None,
) -> None:
    """Keep why an action is not done, and apart from that what people can do about it."""
    change(tx, action_id, last_error=error, reason=reason, remedy=remedy)


def failed_of(tx: Transaction, integration_id: str, since: int) -> list[Action]:
    """Return the actions of an integration that failed at or after a time."""
    sql = """SELECT * FROM actions WHERE status = 'failed' AND finished_at >= :since
        AND integration_id = :integration_id ORDER BY seq"""
    return query.select(tx, Action, sql, integration_id=integration_id, since=since)


def waiting(tx: Transaction, bits: int, **place: Any) -> list[Action]:
    """Return what people keep from being done for one of some reasons, in some place."""
    where = " AND ".join(f"{name} = :{name}" for name in place)
    sql = f"""SELECT * FROM actions WHERE waits <> 0 AND (waits & :bits) <> 0
        AND status IN ('pending', 'failed') AND {where} ORDER BY seq"""
    return query.select(tx, Action, sql, bits=int(bits), **place)


def owed_by(tx: Transaction, integration_id: str) -> dict[str, int]:
    """Return how many actions of an integration there are of each status but done."""
    sql = """SELECT status, COUNT(*) AS number FROM actions
        WHERE integration_id = :integration_id AND status <> 'done' GROUP BY status"""
    rows = tx.all(sql, {"integration_id": integration_id})
    return {row["status"]: row["number"] for row in rows}


def open_of_integration(tx: Transaction, integration_id: str) -> list[Action]:
    sql = f"""SELECT * FROM actions WHERE integration_id = :integration_id AND status IN {_OPEN}
        ORDER BY seq"""
    return query.select(tx, Action, sql, integration_id=integration_id)


def pending_elsewhere(tx: Transaction, integration_id: str, installation_id: int) -> list[Action]:
    """Return what is pending for an integration, but not through one of its installations."""
    sql = """SELECT * FROM actions WHERE integration_id = :integration_id AND status = 'pending'
        AND COALESCE(installation_id, 0) <> :installation_id ORDER BY seq"""
    place = {"integration_id": integration_id, "installation_id": installation_id}
    return query.select(tx, Action, sql, **place)


def note_news(tx: Transaction, collapse: str, now: int, at: int, priority: int) -> None:
    """Keep that something has made the action necessary again that is pending for a `collapse` key.

    It is due by `at`, unless it has failed, and as urgent as what would have been added.
    """
    is_sooner = "(attempts = 0 AND aside = 0 AND next_attempt_at > :at)"
    sql = f"""UPDATE actions SET news_at = :now,
            next_attempt_at = CASE WHEN {is_sooner} THEN :at ELSE next_attempt_at END,
            priority = CASE WHEN priority > :priority THEN :priority ELSE priority END
        WHERE collapse = :collapse AND status = 'pending' RETURNING queue"""
    what = {"collapse": collapse, "now": now, "at": at, "priority": priority}
    queue = query.value(tx, sql, **what)
    if queue is not None:
        wake(tx, queue, at)


def unfinished_of_marker(tx: Transaction, action_id: str) -> Action | None:
    """Return an action that has been attempted and is not finished."""
    sql = f"SELECT * FROM actions WHERE id = :id AND attempts > 0 AND status IN {_OPEN}"
    return query.first(tx, Action, sql, id=action_id)


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` actions that were finished before a time; return how many."""
    sql = """DELETE FROM actions WHERE seq IN (SELECT seq FROM actions
        WHERE finished_at < :before AND finished_at IS NOT NULL
        ORDER BY finished_at LIMIT :limit)"""
    return tx.run(sql, {"before": before, "limit": limit})


def remove_done(tx: Transaction, kind: str, before: int, limit: int) -> int:
    """Remove those of the oldest actions of a kind that were done before a time; return how many.

    Up to `limit` are looked at.
    """
    sql = """DELETE FROM actions WHERE seq IN (SELECT seq FROM (SELECT seq, finished_at
            FROM actions WHERE status = 'done' AND kind = :kind ORDER BY seq LIMIT :limit) AS oldest
        WHERE finished_at < :before)"""
    return tx.run(sql, {"kind": kind, "before": before, "limit": limit})


# --- Queues


def wake(tx: Transaction, queue: str, at: int) -> None:
    """See to it that a queue is looked at by `at`."""
    tx.run(WAKE, {"queue": queue, "at": at})


def due_queues(tx: Transaction, now: int, limit: int) -> list[str]:
    """Return the queues that have something due and are nobody's, the longest waiting first."""
    sql = """SELECT queue FROM queues WHERE due_at IS NOT NULL AND due_at <= :now
        AND not_before <= :now AND leased_until <= :now ORDER BY due_at LIMIT :limit"""
    return query.values(tx, sql, now=now, limit=limit)


def next_due(tx: Transaction) -> int | None:
    """Return when the next queue is due, whoever holds it."""
    sql = """SELECT MIN(CASE WHEN due_at > not_before THEN
            CASE WHEN due_at > leased_until THEN due_at ELSE leased_until END
        ELSE CASE WHEN not_before > leased_until THEN not_before ELSE leased_until END END)
        AS at FROM queues WHERE due_at IS NOT NULL"""
    return query.number(tx, sql)


def leased_queues(tx: Transaction, now: int) -> list[Queue]:
    sql = "SELECT * FROM queues WHERE leased_until > :now AND owner IS NOT NULL"
    return query.select(tx, Queue, sql, now=now)


def hasten(tx: Transaction, queue: str, now: int) -> None:
    """Make everything due now that waits in a queue because it has failed, or was kept.

    What was only asked for at a later time has its turn then.
    """
    sql = """UPDATE actions SET next_attempt_at = :now
        WHERE queue = :queue AND status = 'pending' AND next_attempt_at > :now
            AND (attempts > 0 OR last_error IS NOT NULL)"""
    tx.run(sql, {"queue": queue, "now": now})


def hasten_kept(tx: Transaction, reason: str, now: int) -> None:
    """Make everything due now that `reason` has kept."""
    kept = "status = 'pending' AND last_error = :reason"
    queues = query.values(tx, f"SELECT DISTINCT queue FROM actions WHERE {kept}", reason=reason)
    sql = f"UPDATE actions SET next_attempt_at = :now WHERE {kept}"
    tx.run(sql, {"reason": reason, "now": now})
    for queue in queues:
        wake(tx, queue, now)


def claim(tx: Transaction, queue: str, owner: str, now: int, until: int) -> Queue | None:
    """Lease a queue; None if another holds it. Its `owner` is who asks now."""
    sql = """UPDATE queues SET owner = :owner, leased_until = :until
        WHERE queue = :queue AND leased_until <= :now RETURNING *"""
    return query.first(tx, Queue, sql, queue=queue, owner=owner, now=now, until=until)


def running_in(tx: Transaction, queue: str) -> list[Action]:
    sql = "SELECT * FROM actions WHERE queue = :queue AND status = 'running' ORDER BY seq"
    return query.select(tx, Action, sql, queue=queue)


def renew(tx: Transaction, queue: str, owner: str, until: int) -> bool:
    """Prolong a lease; False if it is another's by now."""
    return change_queue(tx, queue, owner, leased_until=until)


def release(tx: Transaction, queue: str, owner: str) -> bool:
    """End a lease; False if it is another's by now."""
    held = {"queue": queue, "owner": owner}
    return query.change(tx, Queue, held, {"owner": None, "leased_until": 0}) == 1


def change_queue(tx: Transaction, queue: str, owner: str, /, **columns: Any) -> bool:
    """Set columns of a queue; False if it is another's by now."""
    return query.change(tx, Queue, {"queue": queue, "owner": owner}, columns) == 1


def begin(tx: Transaction, queue: str, now: int, limit: int) -> BegunAction | None:
    """Mark the next action of a queue as running: due, the first of its lane, the most urgent.

    Tells how many are due with it, counted up to `limit`.
    """
    sql = f"""{_PRIORITIES} UPDATE actions
        SET status = 'running', attempts = attempts + 1, aside = 0
        WHERE status = 'pending' AND seq = (SELECT seq FROM (
            SELECT priority, (SELECT actions.seq {_PENDING_OF_PRIORITY}
                    AND actions.next_attempt_at <= :now AND {_FIRST_OF_LANE}
                ORDER BY actions.next_attempt_at, actions.seq LIMIT 1) AS seq
            FROM priorities WHERE priority IS NOT NULL) AS heads
            WHERE seq IS NOT NULL ORDER BY priority LIMIT 1)
        RETURNING *,
            COALESCE((SELECT full_name FROM repositories WHERE id = actions.repository_id), '')
                AS repository,
            (SELECT COUNT(*) FROM (SELECT 1 FROM actions AS other
                WHERE other.queue = :queue AND other.status = 'pending'
                    AND other.next_attempt_at <= :now AND other.seq <> actions.seq
                LIMIT :others) AS others) + 1 AS waiting"""
    return query.first(tx, BegunAction, sql, queue=queue, now=now, others=limit - 1)


def earliest(tx: Transaction, queue: str) -> int | None:
    """Return when the next pending action of a queue that is the first of its lane is due."""
    sql = f"""{_PRIORITIES} SELECT MIN(at) AS at FROM (
        SELECT (SELECT actions.next_attempt_at {_PENDING_OF_PRIORITY} AND {_FIRST_OF_LANE}
            ORDER BY actions.next_attempt_at, actions.seq LIMIT 1) AS at
        FROM priorities WHERE priority IS NOT NULL) AS heads"""
    return query.number(tx, sql, queue=queue)


def queues_of_lane(tx: Transaction, lane: str) -> list[str]:
    """Return the queues that have something open in a lane."""
    sql = f"SELECT DISTINCT queue FROM actions WHERE lane = :lane AND status IN {_OPEN}"
    return query.values(tx, sql, lane=lane)


# --- What the bot has put on a pull request


def post(tx: Transaction, item_id: int) -> Post | None:
    return known_posts(tx).find(item_id)


def known_posts(tx: Transaction) -> KnownRows[Post]:
    """Return the posts that a transaction knows, by item."""
    return known_rows(tx, Post, ("item_id",))


def who_wrote_in(tx: Transaction, repository_id: int) -> list[str]:
    """Return the integrations whose posts or replies stand in a repository."""
    sql = """SELECT posts.integration_id FROM items JOIN posts ON posts.item_id = items.id
        WHERE items.repository_id = :repository_id AND posts.integration_id IS NOT NULL
        UNION SELECT integration_id FROM command_comments
        WHERE repository_id = :repository_id AND reply_id IS NOT NULL
        ORDER BY integration_id"""
    return query.values(tx, sql, repository_id=repository_id)


def begin_changes(tx: Transaction, item_id: int, marker: str, columns: Mapping[str, Any]) -> None:
    """Keep, before GitHub is called, what a comment, check or label may be from now on.

    What is kept of an item for the first time gets a `marker`, which must be that which it has.
    """
    names = ("item_id", "marker", *columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    sql = f"""INSERT INTO posts ({", ".join(names)})
        VALUES ({", ".join(f":{name}" for name in names)})
        ON CONFLICT (item_id) DO UPDATE SET {changes} RETURNING marker"""
    kept = query.value(tx, sql, item_id=item_id, marker=marker, **columns)
    assert kept == marker, "another process writes on the same pull request"


def end_changes(
    tx: Transaction, item_id: int, writing: Mapping[str, str], columns: Mapping[str, Any]
) -> None:
    """Keep what a comment, check or label is now; nothing if another attempt writes by now.

    `writing` names the columns that tell which attempt does.
    """
    query.change(tx, Post, {"item_id": item_id, **writing}, columns)
