"""What GitHub's list of deliveries has that our store lacks, looked through page by page."""

from collections.abc import Sequence

import msgspec

from bot import storage as store
from bot import times
from bot.deliveries.records import id_of
from bot.domain import allowed, recovery
from bot.domain.allowed import Scope
from bot.domain.integrations import scope_of
from bot.github.hooks import ListedDelivery
from bot.handlers.dispatch import Dispatcher

_PING = "ping"  # it tells nothing but that GitHub reached the bot, which it did not
_LARGEST = 2**63


class Page(msgspec.Struct, frozen=True):
    """A page of the list of a webhook: its rows, newest first, and the cursor of the next."""

    hook: store.Hook
    rows: Sequence[ListedDelivery]
    cursor: str | None


def note(tx: store.Transaction, known: Dispatcher, page: Page, days: int, calls: int) -> bool:
    """Keep what a page tells, and how far the list is read then; False if that is all of it.

    Nothing is taken in yet: what was missed is taken in by its time, across webhooks.
    """
    hook, now = page.hook, times.now()
    integration = store.integrations.find(tx, hook.integration_id)
    if integration is None or store.hooks.find(tx, hook.integration_id, hook.hook_id) is None:
        return False  # or what the webhook is of, has gone meanwhile
    floor = recovery.floor_of(hook, now, days)
    recent = [(row, at) for row in page.rows if (at := _at(row, now)) is not None and at >= floor]
    guids = [guid for row, _ in recent if (guid := id_of(row.guid)) is not None]
    looked = _Looked(tx, known, scope_of(integration), integration.seq, guids)
    missed = [one for row, at in recent if (one := looked.missed(row, at, hook)) is not None]
    store.missed.add(tx, missed)
    more = {"listed": len(recent), "calls": calls, **looked.counts}
    store.sweeps.count(tx, hook.integration_id, **more)
    is_over = page.cursor is None or _is_older(page.rows, floor, now)
    newest = max([at for _, at in recent], default=hook.newest_at)
    newest = max(one for one in (newest, hook.newest_at, 0) if one is not None) or None
    columns = {"newest_at": newest, "page": page.cursor, "asked_at": now}
    if is_over:
        read_to = max(newest or 0, hook.read_to or 0) or None
        columns |= {"page": None, "is_read": True, "read_to": read_to}
    store.hooks.change(tx, hook, **columns, reason=None, remedy=None)
    return not is_over


def _id(told: int | None) -> int | None:
    """Return an id of GitHub's, None for what cannot be one."""
    return told if told is not None and 0 < told < _LARGEST else None


def _at(row: ListedDelivery, now: int) -> int | None:
    """Return when an attempt was made; None for what cannot be told, or kept."""
    at = times.told(row.delivered_at, now)
    return at if _id(row.id) is not None else None


def _is_older(rows: Sequence[ListedDelivery], floor: int, now: int) -> bool:
    """Tell whether the last row of a page that tells its time is older than what is to be read."""
    ats = [at for row in rows if (at := times.told(row.delivered_at, now)) is not None]
    return bool(ats) and ats[-1] < floor


class _Looked:
    """What the rows of a page are looked up in: the store, the handlers, the allow-list."""

    def __init__(
        self,
        tx: store.Transaction,
        known: Dispatcher,
        scope: Scope,
        seq: int,
        guids: Sequence[str],
    ) -> None:
        self._tx, self._known, self._scope = tx, known, scope
        self._stored = store.missed.stored(tx, seq, guids)
        self._outside: dict[tuple[int, int | None], bool] = {}
        self.counts = dict.fromkeys(("known", "not_handled", "not_allowed"), 0)

    def missed(self, row: ListedDelivery, at: int, hook: store.Hook) -> store.Missed | None:
        """Return what an attempt was to deliver, if that has to be read; else it is counted."""
        guid = id_of(row.guid)
        if guid is not None and guid in self._stored:
            self.counts["known"] += 1
        elif guid is None or row.event == _PING or not self._handles(row):
            self.counts["not_handled"] += 1
        elif row.event != "repository" and self._is_outside(row):
            self.counts["not_allowed"] += 1
        else:
            of = (hook.integration_id, guid, hook.hook_id, row.id, row.id, at)
            return store.Missed(*of, row.event, _id(row.repository_id))
        return None

    def _handles(self, row: ListedDelivery) -> bool:
        return self._known.may_handle(row.event, row.action)

    def _is_outside(self, row: ListedDelivery) -> bool:
        github_id, installation_id = _id(row.repository_id), _id(row.installation_id)
        if github_id is None:
            return False
        key = (github_id, installation_id)
        if key not in self._outside:
            account = self._account(installation_id)
            found = allowed.is_outside(self._tx, self._scope, github_id, account)
            self._outside[key] = found
        return self._outside[key]

    def _account(self, installation_id: int | None) -> str | None:
        if installation_id is None:
            return None
        of = (self._scope.integration_id, installation_id)
        found = store.installations.find(self._tx, *of)
        return found.account if found is not None else None
