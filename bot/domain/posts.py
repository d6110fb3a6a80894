"""What the bot shows on a pull request, and what brings it up to date: comment, check, label.

The check is set on the commits of merge groups as well, and all pull requests of a repository are
looked at once its check's setting was changed, or it has become public.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import commands, diffs, rules
from bot.domain.actions import Kind, Place, Wanted, acting, enqueue, order_of
from bot.domain.parts import Cause, Part, following

PULL_REQUEST = Kind(
    "pull_request",
    title="Comment, check and label",
    priority=1,
    has_parts=True,
    writes=True,
    follows_rules=True,
)
CHECK = Part(
    "check",
    1,
    title="Check",
    setting="check",
    follows=(
        Cause.LINKS,
        Cause.REOPENED,
        Cause.VERSION,
        Cause.EXPERIMENT,
        Cause.KNOWN,
        Cause.CODE,
        Cause.FILE,
    ),
)
COMMENT = Part(
    "status_comment",
    2,
    title="Status comment",
    setting="comments",
    follows=(
        Cause.LINKS,
        Cause.REOPENED,
        Cause.EXPERIMENT,
        Cause.KNOWN,
        Cause.CODE,
        Cause.LIVE,
    ),
)
LABEL = Part("label", 4, title="Label", setting="label", follows=(Cause.LINKS, Cause.KNOWN))
GROUP_CHECK = Kind(
    "merge_group_check",
    title="Check of a merge group",
    priority=0,
    writes=True,
    follows_rules=True,
)
REFRESH = Kind("refresh", title="Refresh of all pull requests", priority=3)
CHECK_NAME = "experiment-bot"  # of the check run, and the context of the commit status
ON_ALL = ("always", "required")  # settings with which every pull request has the check
STEP = 50  # pull requests that a refresh looks at in one go, the newest first
# Comments, checks and labels of many pull requests of the past: 300 an hour, so that GitHub's limit
# on content leaves the larger part to what happens now.
_LEISURE = 3_600 * times.SECOND // 300
_GROUP_LASTS = 86_400 * times.SECOND  # for which a merge group's check follows its pull request


def item_changed(
    tx: store.Transaction,
    item: store.Item,
    row: store.Item | None,
    now: store.Snapshot,
    before: Mapping[str, store.Tie],
    after: Mapping[str, store.Tie],
    *,
    fetched: bool = False,
) -> None:
    """Enqueue what a pull request's change calls for; `row` is what it was before, if it was.

    One of which it is only read that it is linked gets it in its turn, and nothing if it has ended.
    """
    if item.kind != "pull_request":
        return
    is_reopened = row is not None and row.state != "open" and now.state == "open"
    is_another = row is None or (row.head_sha, row.base_ref) != (now.head_sha, now.base_ref)
    is_ready = row is not None and row.draft and not now.draft
    if before.keys() != after.keys():
        cause = Cause.LINKS
    elif after and is_reopened:
        cause = Cause.REOPENED
    elif now.state == "open" and (is_another or is_reopened or is_ready):
        cause = Cause.VERSION
    else:
        return
    if cause is Cause.VERSION and not after:
        has_check = is_reopened and is_checked(tx, item.id)
        if not has_check and not checks_all(tx, item, now.integration_id):
            return
    if fetched and not before:
        if now.state == "open":
            follow_at_leisure(tx, item, cause, now.integration_id)
        return
    follow(tx, item, cause, now.integration_id)


def follow(
    tx: store.Transaction,
    item: store.Item,
    cause: Cause,
    integration_id: str | None,
    *,
    rewrite: bool = False,
) -> None:
    """Bring up to date whatever on a pull request follows a `cause`; see `bring_up_to_date`.

    `integration_id` acts if the one that posted before, or saw the pull request first, cannot.
    """
    integration = acting(tx, item, integration_id)
    if integration is not None:
        bring_up_to_date(tx, item, following(cause), integration, rewrite=rewrite)


def follow_at_leisure(
    tx: store.Transaction, item: store.Item, cause: Cause, integration_id: str
) -> None:
    """Do as `follow` does for one of many pull requests of the past: each in its turn."""
    integration = acting(tx, item, integration_id)
    if integration is None:
        return
    wanted = [part for part in following(cause) if _is_on(part, integration)]
    if wanted:
        now, length = times.now(), len(wanted) * _LEISURE
        at = store.backfills.take_slot(tx, integration.credential, now, length)
        bring_up_to_date(tx, item, wanted, integration, after=at - now)


def _is_on(part: Part, integration: store.Integration) -> bool:
    """Tell whether an integration's settings want a part shown."""
    setting = getattr(integration.config, part.setting) if part.setting else "on"
    return setting not in ("off", None)


def bring_up_to_date(
    tx: store.Transaction,
    item: store.Item,
    parts: Iterable[Part],
    integration: store.Integration,
    place: Place | None = None,
    *,
    again: bool = False,
    rewrite: bool = False,
    after: int = 0,
) -> None:
    """Bring parts of what the bot shows on a pull request up to date, by one action for all.

    `again` writes even what seems to be there already. `rewrite` brings what stands there up to
    date whatever the settings are by now, and makes nothing new. `place` is where the action
    waits, for a caller who knows it, and `after` how long, in microseconds.
    """
    stale = 0
    for part in parts:
        if _is_on(part, integration):
            if part is CHECK:
                _check_groups_of(tx, item, integration, place)
        elif not rewrite:
            continue
        stale |= part.bit
    if stale == 0:
        return
    wanted = Wanted(
        kind=PULL_REQUEST,
        request={},
        ordering_key=order_of(item.repository_id, item.number),
        dedup_key=f"{PULL_REQUEST.name}:{item.id}",
        item_id=item.id,
        number=item.number,
        stale=stale,
        again=stale if again else 0,
        rewrite=stale if rewrite else 0,
        after=after,
    )
    enqueue(tx, integration, item.repository_id, wanted, place=place)


def check_again(tx: store.Transaction, item: store.Item, integration_id: str) -> None:
    """Somebody asked for the check of a pull request anew."""
    integration = acting(tx, item, integration_id)
    if integration is not None:
        bring_up_to_date(tx, item, (CHECK,), integration, again=True)


def checks_all(tx: store.Transaction, item: store.Item, sees_now: str | None) -> bool:
    """Tell whether a pull request is to have the check even if it names no experiment."""
    integration = acting(tx, item, sees_now)
    if integration is None or integration.config.check not in ON_ALL:
        return False
    return rules.effective(tx, integration, item.repository_id).check in ON_ALL


def is_checked(tx: store.Transaction, item_id: int) -> bool:
    """Tell whether the bot has ever set a check on a pull request."""
    post = store.actions.post(tx, item_id)
    return post is not None and post.check_sha is not None


def refresh_experiment(tx: store.Transaction, key: str, cause: Cause = Cause.EXPERIMENT) -> None:
    """Bring the posts on all open pull requests of an experiment up to date."""
    for item in store.items.open_pull_requests_of_experiment(tx, key):
        follow(tx, item, cause, item.integration_id)


# --- Merge groups: commits that a merge queue makes, and waits for the checks of


def enqueue_group_check(
    tx: store.Transaction,
    repository_id: int,
    head_sha: str,
    head_ref: str,
    number: int | None,
    integration_id: str,
) -> None:
    """Put the check on the commit of a merge queue's group, once however often it is told of.

    `number` is the pull request whose verdict it gets. Where that is known, its settings count.
    """
    item = number and store.items.find(tx, repository_id, "pull_request", number)
    integration = (
        acting(tx, item, integration_id) if item else store.integrations.find(tx, integration_id)
    )
    if integration is None or integration.config.check == "off":
        return
    group = store.MergeGroup(
        repository_id=repository_id,
        head_sha=head_sha,
        head_ref=head_ref,
        number=number,
        marker=str(uuid.uuid4()),
        created_at=times.now(),
    )
    if store.merge_groups.add(tx, group):
        _enqueue_group_check(tx, group, integration)


def check_group_again(
    tx: store.Transaction, repository_id: int, head_sha: str, integration_id: str
) -> None:
    """Somebody asked for the check of a merge group anew; nothing if the commit is of none."""
    group = store.merge_groups.find(tx, repository_id, head_sha)
    integration = store.integrations.find(tx, integration_id)
    if group is not None and integration is not None:
        _enqueue_group_check(tx, group, integration, again=True)


def _check_groups_of(
    tx: store.Transaction,
    item: store.Item,
    integration: store.Integration,
    place: Place | None,
) -> None:
    """The checks of merge groups that wait follow that of their pull request."""
    since = times.now() - _GROUP_LASTS
    for group in store.merge_groups.waiting(tx, item.repository_id, item.number, since):
        _enqueue_group_check(tx, group, integration, place)


def _enqueue_group_check(
    tx: store.Transaction,
    group: store.MergeGroup,
    integration: store.Integration,
    place: Place | None = None,
    *,
    again: bool = False,
) -> None:
    # In an order of its own: a merge queue waits for nothing that its pull request may wait for.
    name = f"{GROUP_CHECK.name}:{group.repository_id}:{group.head_sha}"
    wanted = Wanted(
        kind=GROUP_CHECK,
        request={"head_sha": group.head_sha, **({"again": True} if again else {})},
        ordering_key=name,
        dedup_key=None if again else name,
        number=group.number,
    )
    enqueue(tx, integration, group.repository_id, wanted, place=place)


# --- All pull requests of a repository, in steps, so that none costs much


def enqueue_rewriting(tx: store.Transaction, repository: store.Repository) -> None:
    """Look over all that the bot has written in a repository that has become public."""
    for integration_id in store.actions.who_wrote_in(tx, repository.id):
        integration = store.integrations.find(tx, integration_id)
        if integration is not None and integration.is_active:
            _enqueue_refresh(tx, integration, repository.id, {"rewrite": True})
            return


def check_setting_changed(
    tx: store.Transaction,
    integration: store.Integration,
    allows: Callable[[store.Repository], bool],
) -> None:
    """Bring the checks of the open pull requests that an integration looks after up to date.

    Those whose code is read only now are read.
    """
    for repository in store.repositories.with_open_pull_requests(tx, integration.id):
        if allows(repository):
            _enqueue_refresh(tx, integration, repository.id, {})


def settings_changed(
    tx: store.Transaction, integration: store.Integration, repository_id: int
) -> None:
    """Bring all on the open pull requests of a repository up to date that settings are about."""
    _enqueue_refresh(tx, integration, repository_id, {"settings": True})


def take_step(
    tx: store.Transaction, integration_id: str, repository_id: int, request: Mapping[str, Any]
) -> int:
    """Take one step of a refresh, and enqueue the next; return how many pull requests it was about.

    The newest go first. What they need waits before the next step, since that is less urgent.
    """
    rewrite = bool(request.get("rewrite"))
    if rewrite and "before" not in request:
        for comment in store.commands.replies_to_strangers(tx, repository_id):
            commands.answer(tx, comment, rewrite=True)
    find = store.items.posted_on if rewrite else store.items.open_pull_requests
    before = request.get("before")
    items = find(tx, repository_id, None if before is None else (before,), STEP)
    for item in items:
        if not rewrite:
            diffs.ask_where_unread(tx, item, integration_id)
        if rewrite:
            follow(tx, item, Cause.EXPERIMENT, integration_id, rewrite=True)
        elif (
            checks_all(tx, item, integration_id)
            or is_checked(tx, item.id)
            or store.links.of_target(tx, "pull_request", item.id)
        ):
            acts = acting(tx, item, integration_id)
            if acts is not None:
                wanted = (CHECK, COMMENT, LABEL) if request.get("settings") else (CHECK,)
                bring_up_to_date(tx, item, wanted, acts)
    integration = store.integrations.find(tx, integration_id)
    if items.next is not None and integration is not None:
        rest = {**request, "before": items.next[0]}
        _enqueue_refresh(tx, integration, repository_id, rest)
    return len(items.rows)


def _enqueue_refresh(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    request: Mapping[str, Any],
) -> None:
    what = next((name for name in ("rewrite", "settings") if request.get(name)), "checks")
    place = request.get("before", "")
    wanted = Wanted(
        kind=REFRESH,
        request=request,
        ordering_key=f"{REFRESH.name}:{repository_id}",
        dedup_key=f"{REFRESH.name}:{what}:{repository_id}:{integration.id}:{place}",
    )
    enqueue(tx, integration, repository_id, wanted)
