"""What is live: which merged pull requests are part of what is deployed, and where.

A deployment says which commit an environment has; one comparison with the commit that it had before
says what has come, and what has gone again. That is asked of GitHub (bot/outbox/live.py), and only
where a linked pull request waits to be live or is. What cannot be told is not live.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot.domain import actions, activity, posts, rules
from bot.domain.environments import is_production
from bot.domain.parts import Cause

KIND = actions.Kind("live", title="What is live", priority=3, background=True)
_IN = "Live in {environment}: "  # the beginning of what the feed says
LIVE = activity.Type("pull_request.live", 10, "▲", f"{_IN}pull request #{{number}}: {{title}}")
_MOST_ENVIRONMENTS = 100  # of a repository; of more the one is forgotten that was longest silent
MOST_WAITING = 5_000  # pull requests of an environment that are looked for in one comparison
_MOST_EDITED = 50  # comments that follow a deployment at once
_MOST_TOLD = 100_000  # feed items of a deployment, more than one has
FIRST = 3  # pull requests with which a first deployment is compared until one is known
_MOST_AT_ONCE = 10  # that are looked at of those that were merged in one second


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment that has succeeded. Times in microseconds; `told_id` is its status's id."""

    repository_id: int
    environment: str
    says_production: object
    sha: str
    begun_at: int
    told_at: int
    told_id: int
    actor: str | None
    guid: str
    integration_id: str


@dataclass(frozen=True, slots=True)
class Question:
    """What GitHub is to be asked of a deployment.

    `waiting` are the merge commits that may have come. Where it is not known what was there before,
    `there` are those that may have gone, and `first` those merged first, to begin with: a few, and
    all of one second.
    """

    environment: store.Environment
    waiting: frozenset[str]
    there: frozenset[str] = frozenset()
    first: Sequence[store.Landed] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a deployment has brought, as merge commits, and what has gone with it: None for all.

    `is_known`: the next deployment can be compared with this one.
    """

    come: Collection[str]
    gone: Collection[str] | None
    is_known: bool = True


def deployed(tx: store.Transaction, told: Deployment) -> None:
    """Take in a deployment; one that is older than what is known changes nothing."""
    row = store.environments.find(tx, told.repository_id, told.environment)
    order = (told.told_at, told.told_id)
    if row is not None and order <= (row.told_at, row.told_id):
        is_same = order == (row.told_at, row.told_id) and told.sha == row.sha
        if is_same and told.integration_id != row.integration_id:
            store.speakers.told_too(tx, "environment", [row.id], told.integration_id)
        return
    row = _keep(tx, row, told)
    if row.sha == row.settled_sha:  # the same once more
        return
    if not store.live.is_any_in(tx, row.id) and not store.live.waits_for(tx, row):
        store.environments.change(tx, row.id, settled_sha=row.sha)
        return
    integration = store.integrations.find(tx, told.integration_id)
    if integration is not None:
        enqueue(tx, integration, row)


def _keep(
    tx: store.Transaction, row: store.Environment | None, told: Deployment
) -> store.Environment:
    """Keep what an environment has now; return it."""
    columns = {
        "name": told.environment,
        "is_production": is_production(
            told.environment, told.says_production, rules.production_of(tx, told.repository_id)
        ),
        "told_at": told.told_at,
        "told_id": told.told_id,
        "integration_id": told.integration_id,
    }
    if row is None or row.sha != told.sha:
        columns |= {
            "sha": told.sha,
            "deployed_at": told.told_at,
            "begun_at": told.begun_at,
            "actor": told.actor,
            "guid": told.guid,
        }
    if row is not None:
        store.environments.change(tx, row.id, **columns)
        store.environments.forget_tellers(tx, row.id)
        kept = store.environments.get(tx, row.id)
        assert kept is not None
        return kept
    _make_room(tx, told.repository_id)
    place = {"repository_id": told.repository_id, "name_key": told.environment.lower()}
    return store.environments.add(tx, {**place, **columns})


def _make_room(tx: store.Transaction, repository_id: int) -> None:
    """If there are too many, forget the one that was longest silent, rather none of production."""
    known = store.environments.of_repository(tx, repository_id)
    if len(known) >= _MOST_ENVIRONMENTS:
        oldest = min(known, key=lambda one: (one.is_production, one.told_at))
        store.environments.remove(tx, [oldest.id])


def enqueue(
    tx: store.Transaction,
    integration: store.Integration,
    environment: store.Environment,
    item: store.Item | None = None,
    *,
    past: bool = False,
) -> None:
    """Have GitHub asked what a deployment has brought, or whether it has one pull request.

    Or, of the `past`, which of those that were merged before it. In an order of the environment's
    own: what is asked later goes by what was answered before.
    """
    name = f"{KIND.name}:{environment.id}"
    about = {"past": True} if past else {} if item is None else {"item_id": item.id}
    wanted = actions.Wanted(
        kind=KIND,
        request={"environment_id": environment.id, **about},
        ordering_key=name,
        dedup_key=":".join([name, *(str(value) for value in about.values())]),
        number=None if item is None else item.number,
    )
    actions.enqueue(tx, integration, environment.repository_id, wanted)


def ask_instead(tx: store.Transaction, questions: Sequence[Mapping[str, Any]]) -> None:
    """Have asked what another was to ask, by who else has told of the environments."""
    for one in questions:
        environment = store.environments.get(tx, int(one["environment_id"]))
        item_id = one.get("item_id")
        item = None if item_id is None else store.items.by_id(tx, int(item_id))
        if environment is None or (item_id is not None and item is None):
            continue
        integration = store.integrations.find(tx, environment.integration_id)
        if integration is not None:
            enqueue(tx, integration, environment, item, past=bool(one.get("past")))


def question(tx: store.Transaction, environment_id: int) -> Question | None:
    """Return what is to be asked of what an environment has; None if that is decided."""
    environment = store.environments.get(tx, environment_id)
    if environment is None or environment.sha == environment.settled_sha:
        return None
    waiting = store.live.waiting(tx, environment, MOST_WAITING)
    if environment.settled_sha is not None:
        return Question(environment, shas_of(waiting))
    there = store.live.landed_there(tx, environment_id)
    first = merged_first([*waiting, *there])
    return Question(environment, shas_of(waiting), shas_of(there), first)


def shas_of(landed: Iterable[store.Landed]) -> frozenset[str]:
    return frozenset(one.merge_sha for one in landed)


def merged_first(landed: Sequence[store.Landed]) -> Sequence[store.Landed]:
    """Return some that were merged first, the first one first, and all of its second."""
    order = sorted(landed, key=lambda one: (one.merged_at == 0, one.merged_at, one.id))
    at_once = [one for one in order if one.merged_at == order[0].merged_at]
    return order[: max(FIRST, min(len(at_once), _MOST_AT_ONCE))]


def may_have_gone(tx: store.Transaction, environment_id: int) -> frozenset[str]:
    """Return the merge commits that an environment has, as far as is known."""
    return shas_of(store.live.landed_there(tx, environment_id))


def settle(
    tx: store.Transaction, asked: store.Environment, verdict: Verdict, integration_id: str
) -> tuple[int, int]:
    """Keep what a deployment has brought; return how many have come to be live, and are no more.

    Another deployment that was told meanwhile is compared with this one later, even if it is the
    one before again.
    """
    now = store.environments.get(tx, asked.id)
    if now is None or now.settled_sha != asked.settled_sha:
        return 0, 0
    come = store.live.waiting_with(tx, asked, sorted(verdict.come))
    if verdict.gone is None:
        gone = store.live.there(tx, asked.id)
    else:
        gone = store.live.there_with(tx, asked.id, sorted(verdict.gone))
    store.environments.change(tx, asked.id, settled_sha=asked.sha if verdict.is_known else None)
    begin(tx, asked, come, integration_id)
    _end(tx, asked, gone, integration_id)
    integration = store.integrations.find(tx, now.integration_id)
    if now.sha != asked.sha and integration is not None:
        enqueue(tx, integration, now)
    return len(come), len(gone)


def begin(
    tx: store.Transaction,
    environment: store.Environment,
    items: Sequence[store.Item],
    integration_id: str,
) -> None:
    """Keep that pull requests are live in an environment by now, tell of it, and show it."""
    if not items:
        return
    ids = [item.id for item in items]
    keys = store.links.keys_of_targets(tx, "pull_request", ids)
    store.live.begin(tx, environment, ids)
    wanted = [(item, key) for item in items for key in keys[item.id]]
    tell(tx, environment, wanted, environment.deployed_at, environment.guid)
    _show_in(tx, environment, items, integration_id)


def _end(
    tx: store.Transaction,
    environment: store.Environment,
    items: Sequence[store.Item],
    integration_id: str,
) -> None:
    if items:
        store.live.end(tx, environment, [item.id for item in items])
        _show_in(tx, environment, items, integration_id)


def _show_in(
    tx: store.Transaction,
    environment: store.Environment,
    items: Sequence[store.Item],
    integration_id: str,
) -> None:
    """Let comments follow what has become of their pull requests in production.

    No other environment is worth an edit of each. Of many, the newest are edited first, and the
    others each in its turn: a first deployment may have hundreds.
    """
    newest = sorted(items, key=lambda item: -item.id) if environment.is_production else ()
    for count, item in enumerate(newest):
        show(tx, item, integration_id, at_leisure=count >= _MOST_EDITED)


def show(
    tx: store.Transaction, item: store.Item, integration_id: str, *, at_leisure: bool = False
) -> None:
    """Let the comment on a pull request follow where it is live; none is made only to say so."""
    post = store.actions.post(tx, item.id)
    if post is not None and post.comment_id is not None:
        follow = posts.follow_at_leisure if at_leisure else posts.follow
        follow(tx, item, Cause.LIVE, integration_id)


def tell(
    tx: store.Transaction,
    environment: store.Environment,
    keys: Sequence[tuple[store.Item, str]],
    at: int,
    guid: str,
) -> None:
    """Let feeds tell of a deployment that pull requests are live with it.

    Each is told once, however often it is linked again.
    """
    here = _IN.format(environment=environment.name)
    told = {
        (row.item_id, row.experiment_key)
        for row in store.activity.of_delivery(tx, guid, _MOST_TOLD)
        if row.type == LIVE.name and row.summary.startswith(here)
    }
    news = [
        _news(environment, item, key, at, guid) for item, key in keys if (item.id, key) not in told
    ]
    activity.record(tx, news)


def _news(
    environment: store.Environment, item: store.Item, key: str, at: int, guid: str
) -> activity.News:
    title = item.title or "(no title)"
    return activity.News(
        type=LIVE,
        experiment_key=key,
        occurred_at=at,
        actor=environment.actor,
        summary=LIVE.says(environment=environment.name, number=item.number, title=title),
        html_url=item.html_url,
        repository_id=item.repository_id,
        item_id=item.id,
        guid=guid,
    )
