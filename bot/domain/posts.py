"""What the bot shows on a pull request, and what brings it up to date: comment, check, label."""

from collections.abc import Iterable

from bot import storage as store
from bot import times
from bot.domain import merge_groups
from bot.domain.actions import KINDS, Cause, Kind, acting, enqueue, order_of

CHECK = Kind(
    "check",
    title="Check",
    priority=1,
    setting="check",
    follows=frozenset({Cause.LINKS, Cause.REOPENED, Cause.VERSION, Cause.EXPERIMENT}),
)
COMMENT = Kind(
    "status_comment",
    title="Status comment",
    priority=1,
    setting="comments",
    follows=frozenset({Cause.LINKS, Cause.REOPENED, Cause.EXPERIMENT}),
)
LABEL = Kind("label", title="Label", priority=2, setting="label", follows=frozenset({Cause.LINKS}))
CHECK_NAME = "experiment-bot"  # of the check run, and the context of the commit status
ON_ALL = ("always", "required")  # settings with which every pull request has the check


def follow(
    tx: store.Transaction,
    item: store.Item,
    cause: Cause,
    integration_id: str | None,
    *,
    rewrite: bool = False,
) -> None:
    """Bring up to date whatever on a pull request follows a `cause`; see `enqueue_each`."""
    kinds = [kind for kind in KINDS.values() if cause in kind.follows]
    enqueue_each(tx, item, kinds, integration_id, rewrite=rewrite)


def enqueue_each(
    tx: store.Transaction,
    item: store.Item,
    kinds: Iterable[Kind],
    integration_id: str | None,
    *,
    again: bool = False,
    rewrite: bool = False,
) -> None:
    """Bring what the bot shows on a pull request up to date, once for each of `kinds`.

    `integration_id` acts if the one that posted before, or saw the pull request first, cannot.
    `again` writes even what seems to be there already. `rewrite` brings what stands there up to
    date whatever the settings are by now, and makes nothing new.
    """
    integration = acting(tx, item, integration_id)
    if integration is None:
        return
    repository = store.repositories.get(tx, item.repository_id)
    asked = {name: True for name, is_set in (("again", again), ("rewrite", rewrite)) if is_set}
    for kind in kinds:
        if kind is CHECK and integration.config.check != "off":
            merge_groups.follow(tx, item, integration, repository)
        if _is_off(kind, integration) and not rewrite:
            continue
        dedup_key = f"{kind.name}:{item.id}"
        if asked and (pending := store.actions.pending_like(tx, dedup_key)):
            request = {**pending.request, **asked}
            store.actions.change(tx, pending.id, request=request, news_at=times.now())
            continue
        enqueue(
            tx,
            kind,
            integration,
            repository,
            ordering_key=order_of(repository.id, item.number),
            request=asked,
            dedup_key=dedup_key,
            item_id=item.id,
            number=item.number,
        )


def _is_off(kind: Kind, integration: store.Integration) -> bool:
    return kind.setting is not None and getattr(integration.config, kind.setting) in ("off", None)


def checks_all(tx: store.Transaction, item: store.Item, sees_now: str | None) -> bool:
    """Tell whether a pull request is to have the check even if it names no experiment."""
    integration = acting(tx, item, sees_now)
    return integration is not None and integration.config.check in ON_ALL


def is_checked(tx: store.Transaction, item_id: int) -> bool:
    """Tell whether the bot has ever set a check on a pull request."""
    post = store.actions.post(tx, item_id)
    return post is not None and post.check_sha is not None


def refresh_experiment(tx: store.Transaction, key: str) -> None:
    """Bring the posts on all open pull requests of an experiment up to date."""
    for item in store.items.open_pull_requests_of_experiment(tx, key):
        follow(tx, item, Cause.EXPERIMENT, item.integration_id)
