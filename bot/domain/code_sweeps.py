"""Which default branches are read again though nobody has told of them, some at a time.

Those are all that something else is looked for in, and each once a day. What was pushed is read
before (code_maps.py).
"""

from bot import storage as store
from bot import times
from bot.domain import code_maps
from bot.domain.diffs import look_again
from bot.domain.integrations import scope_of

DAY = 86_400 * times.SECOND
HOUR = 3_600 * times.SECOND
_STEP = 50  # repositories of a sweep that are looked at in one transaction
_MOST_ASKED = 500  # pull requests of theirs to be read, from which on the others wait
_FEW, _EACH = 10, 10 * times.SECOND  # maps, beyond which each lets the others be read less often
_HOURLY = 20  # repositories that are read anew for one integration, or more heads compared
_ROUND = 20 * HOUR  # in which the heads of all are compared, however many they are
_LOOKED_AT = 2_000  # rows that one look considers


def sweep(tx: store.Transaction, integration: store.Integration) -> int:
    """Have some repositories read that are to be, as something else is looked for; return how many.

    What is left is for the next time.
    """
    version = store.vocabulary.version(tx)
    if store.vocabulary.is_empty(tx):
        return 0
    outdated = store.code_maps.outdated(tx, integration.id, version, _STEP)
    came = {
        one: store.vocabulary.names_since(tx, one)
        for one in {row.wanted_version for row in outdated}
    }
    asked, apart = 0, _apart(len(store.code_maps.read_by(tx, integration.id)))
    for number, row in enumerate(outdated):
        if asked > _MOST_ASKED:
            return number
        names = came[row.wanted_version]
        after = max((row.read_at or 0) + apart - times.now(), 0)
        if code_maps.begin(tx, store.repositories.get(tx, row.repository_id), after=after) is None:
            store.code_maps.change(tx, row.repository_id, wanted_version=version)
        asked += look_again(tx, row.repository_id, names)
    begun = _begin_some(tx, integration, _STEP - len(outdated))
    for repository in begun:
        look_again(tx, repository.id, ())
    return len(outdated) + len(begun)


def _apart(number: int) -> int:
    """Return how far apart in time a map is read for what is new, if there are so many of them.

    While something new comes every minute, a thousand of them would be read without a pause.
    """
    return min(max(number - _FEW, 0) * _EACH, HOUR)


# --- What nobody has told of


def look(tx: store.Transaction, integration_id: str) -> int:
    """Have some heads compared that nobody has told of for a day; return of how many repositories.

    They are those that one integration reads, so many in an hour that all have their turn within a
    day, one after the other. What is left is for the next time, which may be at once: 0 if the
    hour is full.
    """
    now, numbers = times.now(), store.code_maps.readers(tx)
    owner = store.integrations.find(tx, integration_id)
    credential = owner.credential if owner is not None else integration_id
    number = sum(
        numbers.get(one.id, 0)
        for one in store.integrations.active(tx)
        if one.credential == credential
    )
    apart = min(HOUR // _HOURLY, _ROUND // max(number, 1))
    pace = f"{credential}:maps", now
    at = store.backfills.take_slot(tx, *pace, 0)
    room = min(max(now + HOUR - at, 0) // apart, _STEP)
    rows = store.code_maps.unchecked(tx, integration_id, now - DAY, room)
    store.backfills.take_slot(tx, *pace, len(rows) * apart)
    for place, row in enumerate(rows):
        integration = code_maps.reader(
            tx, store.repositories.get(tx, row.repository_id), row.integration_id
        )
        if integration is None:
            store.code_maps.change(tx, row.repository_id, checked_at=now)
            continue
        columns = {"is_wanted": True, "checked_at": now, "integration_id": integration.id}
        store.code_maps.change(tx, row.repository_id, **columns)
        after = at + place * apart - now
        code_maps.enqueue(tx, integration, row.repository_id, after, can_wait=True)
    return len(rows)


def begin_some(tx: store.Transaction) -> None:
    """Have some repositories read that were known before there was anything to look for."""
    if not store.vocabulary.is_empty(tx):
        for integration in store.integrations.active(tx):
            if integration.config.code == "on":
                _begin_some(tx, integration, _HOURLY, HOUR // _HOURLY)


def _begin_some(
    tx: store.Transaction, integration: store.Integration, most: int, apart: int = 0
) -> list[store.Repository]:
    """Have some repositories read of which nothing is read yet, `apart` in time; return them."""
    begun: list[store.Repository] = []
    host = scope_of(integration).host
    # Of many none may be read: these are passed over, or the others would wait for ever.
    for repository in store.code_maps.unread(tx, integration.id, host, _LOOKED_AT):
        if len(begun) == most:
            break
        if code_maps.begin(tx, repository, integration.id, len(begun) * apart) is not None:
            begun.append(repository)
    return begun
