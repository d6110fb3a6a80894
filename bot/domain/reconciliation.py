"""What is read again, although nobody has told of it, so that what was missed heals by itself.

Once an hour it is looked for open pull requests of experiments, and for repositories, that nothing
was heard of for a day. A few of them are read again, spread over that hour.
"""

from collections import Counter
from collections.abc import Iterable

from bot import storage as store
from bot import times
from bot.domain import actions, allowed
from bot.domain.integrations import scope_of

RECONCILIATION = actions.Kind("reconciliation", title="Reconciliation", priority=6, background=True)
HOUR = 3_600 * times.SECOND
SILENT = 24 * HOUR  # for so long nothing was heard of what is read again
HOURLY = 20  # pull requests that are read again for one credential, and as many repositories
_LOOKED_AT = 2_000  # rows that one look considers


def next_look(tx: store.Transaction) -> int:
    """Return when it is to be looked for next; 0 if that was never done."""
    last = store.reconciled.last_begun(tx)
    return 0 if last is None else last + HOUR


def look(tx: store.Transaction) -> int:
    """Enqueue what is to be read again, unless that was done within the hour; return how much."""
    now = times.now()
    if not store.reconciled.begin(tx, now, now - HOUR):
        return 0
    few = now - SILENT, HOURLY, _LOOKED_AT
    pulls = _enqueue(tx, store.reconciled.stale_pull_requests(tx, *few), now)
    return pulls + _enqueue(tx, store.reconciled.stale_repositories(tx, *few), now)


def _enqueue(tx: store.Transaction, found: Iterable[store.Stale], now: int) -> int:
    """Enqueue the first of some for each credential, and note that they are read again now."""
    counts: Counter[str] = Counter()
    enqueued, passed = [], []
    for one in found:
        integration = _acting(tx, one)
        if integration is None:  # nobody can read it: the next ones have their turn
            passed.append(one)
            continue
        number = counts[integration.credential]
        if number >= HOURLY:
            continue
        counts[integration.credential] += 1
        name = f"{RECONCILIATION.name}:{one.repository_id}:{one.number}"
        wanted = actions.Wanted(
            kind=RECONCILIATION,
            request={},
            ordering_key=name,
            dedup_key=name,
            number=one.number or None,
            after=number * HOUR // HOURLY,
        )
        actions.enqueue(tx, integration, one.repository_id, wanted)
        enqueued.append(one)
    store.reconciled.read(tx, [*enqueued, *passed], now)
    return len(enqueued)


def _acting(tx: store.Transaction, one: store.Stale) -> store.Integration | None:
    """Return who reads it again, if somebody may: who acts there, else who speaks there too."""
    repository = store.repositories.get(tx, one.repository_id)
    acting = None
    if one.item_id is not None:
        acting = actions.acting(tx, store.items.get(tx, one.item_id), None)
    candidates = [acting.id if acting is not None else None, repository.speaker_id]
    candidates += [who.integration_id for who in store.speakers.of_repository(tx, repository.id)]
    for candidate in dict.fromkeys(candidates):
        found = store.integrations.find(tx, candidate) if candidate is not None else None
        is_there = found is not None and found.is_active
        if found is not None and is_there and allowed.allows(tx, scope_of(found), repository):
            return found
    return None
