"""Whether conversations are locked, as GitHub has told."""

from bot import storage as store
from bot.domain import actions
from bot.github import Hindrance
from bot.storage import Kind


def observe(
    tx: store.Transaction,
    repository_id: int,
    kind: Kind,
    number: int,
    locked: object,
    at: int,
    *,
    is_news: bool = False,
) -> None:
    """Keep whether a conversation is locked, unless something newer is known of the item.

    Once it is not, what has waited for that goes on; also where the item was not known, so that
    nothing could be kept of its lock, if `is_news` says that it has just been told.
    """
    row = store.items.find(tx, repository_id, kind, number)
    if not isinstance(locked, bool) or (row is not None and at < row.version_at):
        return
    is_changed = row is not None and locked != row.locked
    if row is not None and is_changed:
        store.items.change(tx, row, locked=int(locked))
    if not locked and (is_changed or is_news):
        actions.go_on(tx, Hindrance.LOCKED, repository_id=repository_id, number=number)
