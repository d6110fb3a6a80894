"""Where pull requests are live that are linked, or told to be merged, after they were deployed.

GitHub is asked of one where one is linked or told of, and once of all where many are read that the
bot has not heard of.
"""

from collections.abc import Collection, Sequence

from bot import storage as store
from bot.domain import actions, live

_MOST_ASKED = 20  # environments for which GitHub is asked


def linked(
    tx: store.Transaction, item: store.Item, keys: Sequence[str], integration_id: str
) -> None:
    """A merged pull request has been linked to some experiments, or is told to be merged by now.

    GitHub is asked where something was deployed after it was merged, or the very commit before: a
    merge queue may deploy what it merges only then.
    """
    environments = store.environments.of_repository(tx, item.repository_id)
    if not environments or item.merge_sha is None or item.merged_at is None:
        return
    places = store.live.open_places(tx, item.id)
    integration = actions.acting(tx, item, integration_id)
    for environment in environments[:_MOST_ASKED]:
        place = places.get(environment.id)
        if place is not None:
            live.tell(tx, environment, [(item, key) for key in keys], place.at, place.guid)
        elif integration is not None and _may_have(environment, item.merged_at, item.merge_sha):
            live.enqueue(tx, integration, environment, item)


def _may_have(environment: store.Environment, merged_at: int, merge_sha: str) -> bool:
    """Tell whether what an environment has may have what was merged at a time as a commit."""
    return merged_at <= environment.begun_at or merge_sha == environment.sha


def fetched(tx: store.Transaction, item: store.Item, integration_id: str) -> None:
    """A merged pull request that is linked was read from GitHub, as one of many, perhaps.

    GitHub is asked once for all of them where something was deployed after it was merged.
    """
    environments = store.environments.of_repository(tx, item.repository_id)
    if not environments or item.merge_sha is None or item.merged_at is None:
        return
    integration = actions.acting(tx, item, integration_id)
    for environment in environments[:_MOST_ASKED]:
        if integration is not None and _may_have(environment, item.merged_at, item.merge_sha):
            live.enqueue(tx, integration, environment, past=True)


def unlinked(tx: store.Transaction, item: store.Item) -> None:
    """A merged pull request is linked to nothing any more: nobody asks where it is live."""
    if store.environments.of_repository(tx, item.repository_id):
        store.live.forget_item(tx, item.id)


def question_of(
    tx: store.Transaction, environment_id: int, item_id: int
) -> tuple[store.Environment, store.Item] | None:
    """Return a pull request that may be live in an environment; None if that is not asked (now)."""
    environment = store.environments.get(tx, environment_id)
    if environment is None:
        return None
    item = store.items.get(tx, item_id)
    place = store.live.place_of(tx, item_id, environment_id)
    is_live = place is not None and place.ended_at is None
    if is_live or item.state != "merged" or item.merge_sha is None:
        return None
    is_linked = bool(store.links.of_target(tx, item.kind, item.id))
    return (environment, item) if is_linked else None


def answered(
    tx: store.Transaction, environment: store.Environment, item: store.Item, integration_id: str
) -> None:
    """GitHub has said that an environment has a pull request, which was as given when asked."""
    now = question_of(tx, environment.id, item.id)
    if now is None or now[1].merge_sha != item.merge_sha:
        return
    if now[0].sha == environment.sha:
        live.begin(tx, now[0], [now[1]], integration_id)
        return
    integration = store.integrations.find(tx, integration_id)
    if integration is not None:  # something else was deployed meanwhile
        live.enqueue(tx, integration, now[0], now[1])


def question_of_past(tx: store.Transaction, environment_id: int) -> live.Question | None:
    """Return what is to be asked of all that was merged before what an environment has.

    None if that is nothing.
    """
    environment = store.environments.get(tx, environment_id)
    if environment is None:
        return None
    waiting = [
        one
        for one in store.live.waiting(tx, environment, live.MOST_WAITING)
        if one.merged_at and _may_have(environment, one.merged_at, one.merge_sha)
    ]
    if not waiting:
        return None
    first = live.merged_first(waiting)
    return live.Question(environment, live.shas_of(waiting), first=first)


def found(
    tx: store.Transaction, asked: store.Environment, come: Collection[str], integration_id: str
) -> int:
    """GitHub has said what of the past an environment has; return how many have come to be live."""
    now = store.environments.get(tx, asked.id)
    if now is None:
        return 0
    if now.sha == asked.sha:
        items = store.live.waiting_with(tx, now, sorted(come))
        live.begin(tx, now, items, integration_id)
        return len(items)
    integration = store.integrations.find(tx, integration_id)
    if integration is not None:  # something else was deployed meanwhile
        live.enqueue(tx, integration, now, past=True)
    return 0
