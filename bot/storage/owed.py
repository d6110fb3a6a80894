"""What pull requests are owed: one pending action for each, which is written once a batch."""

from collections.abc import Mapping
from typing import Any

from bot.storage import codec, items, query
from bot.storage.actions import WAKE
from bot.storage.rows import Action
from bot.storage.transaction import Statements, Transaction

_IS_MORE = """(actions.aside = 1 AND (excluded.stale & ~actions.stale) <> 0
    OR actions.integration_id <> excluded.integration_id)"""
# It was enqueued to be done later, as what is read of the past is; now there is news of it.
_IS_SOONER = """(actions.attempts = 0 AND actions.aside = 0
    AND excluded.next_attempt_at < actions.next_attempt_at)"""
_OR_MORE = f"""ON CONFLICT (collapse) WHERE status = 'pending' AND collapse IS NOT NULL
    DO UPDATE SET
        stale = actions.stale | excluded.stale,
        again = actions.again | excluded.again,
        rewrite = actions.rewrite | excluded.rewrite,
        news_at = excluded.created_at,
        integration_id = excluded.integration_id,
        installation_id = excluded.installation_id,
        queue = excluded.queue,
        next_attempt_at = CASE WHEN {_IS_MORE} OR {_IS_SOONER} THEN excluded.next_attempt_at
            ELSE actions.next_attempt_at END,
        give_up_at = CASE WHEN {_IS_MORE} THEN excluded.give_up_at
            ELSE actions.give_up_at END,
        aside = CASE WHEN {_IS_MORE} THEN 0 ELSE actions.aside END"""
_WAKE_OF = """INSERT INTO queues (queue, due_at)
    SELECT queue, MIN(next_attempt_at) FROM actions
        WHERE collapse IN ({names}) AND status = 'pending' GROUP BY queue ORDER BY queue
    ON CONFLICT (queue) DO UPDATE SET due_at = excluded.due_at
        WHERE queues.due_at IS NULL OR queues.due_at > excluded.due_at"""
_PARTS = ("stale", "again", "rewrite")  # bits of parts (domain/parts.py)


def owe(tx: Transaction, columns: Mapping[str, Any]) -> None:
    """Add an action that has parts, or what is stale to the one that is pending for the same.

    When that is due does not change, unless it only waits by itself and something else has become
    stale, or another integration is to do it from now on; or it was to be done later than this. One
    that another process marks as running at this moment is pending no more, and a new one is added.
    Its queue is looked at in time.
    """
    owed: _Owed | None = tx.kept.get("owed")
    if owed is None:
        owed = tx.kept["owed"] = _Owed()
    key = columns["collapse"]
    known = owed.actions.get(key)
    if known is not None:
        columns = {**columns, **{name: known[name] | columns[name] for name in _PARTS}}
        columns["id"] = known["id"]
        columns["next_attempt_at"] = min(known["next_attempt_at"], columns["next_attempt_at"])
    if known is None and columns["item_id"] is not None and items.is_new(tx, columns["item_id"]):
        tx.put(owed.new, key, True)
    tx.put(owed.actions, key, columns)
    tx.touch("actions", owed)
    tx.touch("queues", owed.queues)


class _Owed:
    """Actions that are to be written, by what one of is enough."""

    def __init__(self) -> None:
        self.actions: dict[str, Mapping[str, Any]] = {}
        self.new: dict[str, bool] = {}  # of those, for which none can be pending
        self.queues = _Queues()

    def flush(self, statements: Statements) -> None:
        if not self.actions:
            return
        names = tuple(next(iter(self.actions.values())))
        types = codec.types_of(Action)
        rows = [tuple(codec.write(Action, one).values()) for one in self.actions.values()]
        statements.insert("actions", {name: types[name] for name in names}, rows, _OR_MORE)
        for key, action in self.actions.items():
            if key in self.new:
                queue, at = action["queue"], action["next_attempt_at"]
                self.queues.due[queue] = min(at, self.queues.due.get(queue, at))
            else:
                self.queues.keys.append(key)
        self.actions.clear()
        self.new.clear()


class _Queues:
    """The queues that are to be looked at because of what was added to them."""

    def __init__(self) -> None:
        self.keys: list[str] = []  # of actions that may have been pending, in whichever queue
        self.due: dict[str, int] = {}

    def flush(self, statements: Statements) -> None:
        due = [{"queue": queue, "at": at} for queue, at in sorted(self.due.items())]
        if due:
            statements.run_many(WAKE, due)
        query.run_in_parts(statements, _WAKE_OF, self.keys)
        self.keys.clear()
        self.due.clear()
