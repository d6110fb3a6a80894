"""Links: which items and commits belong to which experiment, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot import storage as store
from bot.domain import actions, activity, branches, counted
from bot.storage import Item, Tie

PUSHED = activity.Type("commit.pushed", 8, "●", "Pushed {sha}: {title}")
NONE = branches.Commits()
COMMITS = actions.Kind("pull_request_commits", title="Commits of a pull request", priority=3)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A link that a commit is to have: by its message, or through a pull request."""

    commit: store.Commit
    key: str
    via_item_id: int | None = None

    @property
    def place(self) -> tuple[int, str]:
        return self.commit.id, self.key


def of_item(tx: store.Transaction, item: Item) -> dict[str, Tie]:
    """Return the links of an item by experiment key."""
    return {
        row.experiment_key: Tie(row.linked_by, row.linked_at, row.integration_id)
        for row in store.links.of_target(tx, item.kind, item.id)
    }


def set_of_item(
    tx: store.Transaction, item: Item, before: Mapping[str, Tie], after: Mapping[str, Tie]
) -> None:
    """Bring an item's links from `before` to `after`; the commits of its branch follow.

    `item` is what is known of it by now.
    """
    made = store.links.of_target(tx, item.kind, item.id) if before else ()
    known = {link.experiment_key: link for link in made}
    for key, link in after.items():
        by, at = link.linked_by, link.linked_at
        if key not in before:
            store.links.add(tx, item, key, by, at, link.integration_id)
        elif before[key] != link:
            store.links.change(tx, known[key], linked_by=by, linked_at=at)
    for key in before.keys() - after.keys():
        store.links.remove(tx, known[key])
    if item.kind == "pull_request" and before.keys() != after.keys():
        _see_to(tx, [item], keys={item.id: list(after)}, may_lose=bool(before))


def link_messages(
    tx: store.Transaction, named: Sequence[tuple[store.Commit, Sequence[str]]]
) -> None:
    """Link commits to the keys of their messages."""
    counted.settle(tx, _add(tx, [_Wanted(commit, key) for commit, keys in named for key in keys]))


def pushed(
    tx: store.Transaction,
    repository_id: int,
    ref: str,
    times: Mapping[int, Sequence[int]],
    integration_id: str,
) -> None:
    """Commits have come to a branch: link them to its pull requests, and to no other.

    `times` has for each commit's id when it was first pushed there, as is known now and, if that
    was another time, as it was known before.
    """
    if not times:
        return
    known = [time for both in times.values() for time in both]
    pulls = store.branches.linked_between(tx, repository_id, [ref], (min(known), max(known)))
    _see_to(tx, pulls, list(times), integration_id)


def came_to_base(tx: store.Transaction, repository_id: int, ref: str, shas: Sequence[str]) -> None:
    """Commits have come to a branch: pull requests into it may have them, or not any more.

    Those that landed as some of them have these.
    """
    if not shas or not store.branches.is_base(tx, repository_id, ref):
        return
    commit_ids = store.branches.ids_by_sha(tx, shas)
    pulls = counted.that_may_have(tx, commit_ids, (repository_id, ref))
    _see_to(tx, pulls, commit_ids)
    if store.heads.may_land(tx, shas):
        _see_to(tx, store.branches.landed_as(tx, repository_id, shas))


def branch_started(tx: store.Transaction, repository_id: int, ref: str, at: int) -> None:
    """A branch was made, from another: what that one had before, pull requests into it have not."""
    if store.branches.add_start(tx, repository_id, ref, at):
        _see_to(tx, store.branches.linked_into(tx, repository_id, ref, at))


def rewritten(
    tx: store.Transaction, place: store.heads.Place, at: int, integration_id: str
) -> None:
    """A branch was force pushed: its pull requests may have other commits than before.

    One that is not linked tells of those that their messages link.
    """
    pulls = store.branches.linked_between(tx, place[0], [place[1]], (at, at))
    _see_to(tx, pulls, integration_id=integration_id)
    known = {pull.id for pull in pulls}
    for pull in store.branches.open_on(tx, *place):
        if pull.id not in known and counted.untold_by_message(tx, pull):
            ask_for_commits(tx, pull, integration_id)


def time_changed(tx: store.Transaction, pull: store.Item, before: store.Item | None) -> None:
    """A pull request's branches, or the time in which pushes belong to it, are others by now.

    `before` is what was known of it until now. Where it ended, and where it ends, begins the time
    of the next one on its head.
    """
    found = [pull] if before is not None and _may_have_commits(tx, pull, before) else []
    ends = {_end(before) if before is not None else None} ^ {_end(pull)}
    for end in ends:
        if end is None:
            continue
        repository_id, ref, at = end
        if not branches.is_default_branch(tx, repository_id, ref):
            found += store.branches.linked_next(tx, repository_id, ref, at, pull.id)
    _see_to(tx, found)


def _may_have_commits(tx: store.Transaction, pull: store.Item, before: store.Item) -> bool:
    """Tell whether commits are linked through a pull request, or may be by now."""
    repository_id, ref = pull.head_repository_id, pull.head_ref
    if (repository_id, ref) != (before.head_repository_id, before.head_ref):
        return True
    if pull.merge_sha != before.merge_sha:
        return True
    if repository_id is None or ref is None or not store.heads.has_pushes(tx, (repository_id, ref)):
        return False
    return bool(store.links.of_target(tx, "pull_request", pull.id))


def answered(
    tx: store.Transaction,
    pull: store.Item,
    listed: Mapping[int, bool],
    has_still: Mapping[int, tuple[int, bool]],
) -> None:
    """GitHub has said which of some commits its page of a pull request lists.

    `has_still` has of commits that its head had before a force push when that was, and whether it
    has them since.
    """
    answers = {"item_id": pull.id, "base_ref": pull.base_ref or ""}
    store.branches.set_listed(
        tx,
        [
            {**answers, "commit_id": one, "listed": int(is_listed)}
            for one, is_listed in listed.items()
        ],
    )
    if has_still:
        _keep_seen(tx, pull, has_still)
    _see_to(tx, [store.items.get(tx, pull.id)], [*listed, *has_still])
    counted.settle(tx, list(has_still))


def _keep_seen(
    tx: store.Transaction, pull: store.Item, has_still: Mapping[int, tuple[int, bool]]
) -> None:
    """Keep which commits the head of a pull request has still, right after a force push."""
    assert pull.head_repository_id is not None and pull.head_ref is not None
    place = (pull.head_repository_id, pull.head_ref)
    for commit in store.branches.commits_by_id(tx, list(has_still)).values():
        if commit.made_branch is not None:
            store.pushes.place_apart(tx, place, commit.pushed_at, [commit])
    store.rewrites.set_seen(
        tx,
        place,
        [
            {"commit_id": one, ("again_at" if is_there else "gone_at"): at + 1}
            for one, (at, is_there) in has_still.items()
        ],
    )


def ask_for_commits(
    tx: store.Transaction,
    pull: store.Item,
    integration_id: str | None,
    *,
    look: int = 1,
    after: int = 0,
) -> None:
    """Ask GitHub which commits belong to a pull request, where pushes do not tell.

    `look` counts the times that it is asked because its answer was of an older head, `after` is
    how long to wait before, in microseconds.
    """
    integration = actions.acting(tx, pull, integration_id)
    if integration is None:
        return
    order = actions.order_of(pull.repository_id, pull.number)
    wanted = actions.Wanted(
        kind=COMMITS,
        request={"look": look},
        ordering_key=f"{order}:{COMMITS.name}",  # holds nothing up
        dedup_key=f"{COMMITS.name}:{pull.id}",
        item_id=pull.id,
        number=pull.number,
        after=after,
    )
    actions.enqueue(tx, integration, pull.repository_id, wanted)


def _end(pull: store.Item) -> tuple[int, str, int] | None:
    """Return where the time of a pull request ends: repository and branch of its head, and when."""
    if pull.head_repository_id is None or pull.head_ref is None or pull.closed_at is None:
        return None
    return pull.head_repository_id, pull.head_ref, pull.closed_at


def _see_to(
    tx: store.Transaction,
    pulls: Sequence[store.Item],
    commit_ids: Sequence[int] | None = None,
    integration_id: str | None = None,
    keys: Mapping[int, Sequence[str]] | None = None,
    *,
    may_lose: bool = True,
) -> None:
    """Link some pull requests' commits to their experiments, and nothing else through them.

    With `commit_ids` only those among them are looked at. GitHub is asked about those of which
    nothing else tells, by `integration_id` if the one that saw the pull request first cannot.
    `keys` are those of each pull request, where they are known. What was not linked before has
    nothing to lose.
    """
    if not pulls:
        return
    if keys is None:
        keys = store.links.keys_of_targets(tx, "pull_request", [pull.id for pull in pulls])
    wanted: list[_Wanted] = []
    lost: list[store.Link] = []
    may_stand_otherwise: set[int] = set()
    for pull in pulls:
        found = branches.commits_of(tx, pull, commit_ids) if keys[pull.id] else NONE
        here = [_Wanted(commit, key, pull.id) for commit in found.mine for key in keys[pull.id]]
        wanted += here
        may_stand_otherwise |= found.replaced
        if may_lose and not keys[pull.id] and pull.merge_sha is not None:
            may_stand_otherwise |= branches.commits_of(tx, pull, commit_ids).replaced
        places = {one.place for one in here}
        lost += [
            link
            for link in (store.links.via_item(tx, pull.id, commit_ids) if may_lose else ())
            if (link.target_id, link.experiment_key) not in places
        ]
        if found.unclear or found.untold:
            ask_for_commits(tx, pull, integration_id or pull.integration_id)
    if lost:
        _pass_on(tx, lost, wanted)
        may_stand_otherwise |= {link.target_id for link in lost}
    counted.settle(tx, [*may_stand_otherwise, *_add(tx, wanted)])


def _pass_on(tx: store.Transaction, lost: Sequence[store.Link], wanted: Sequence[_Wanted]) -> None:
    """Make links that a pull request has lost those of another that has the commits too.

    What none has goes, and the feed forgets its push. `wanted` are links that will be made.
    """
    commit_ids = sorted({link.target_id for link in lost})
    heirs = {one.place: one.via_item_id for one in [*wanted, *_others(tx, commit_ids)]}
    gone: dict[str, list[int]] = {}
    for link in lost:
        place = (link.target_id, link.experiment_key)
        if place in heirs:
            store.links.change(tx, link, via_item_id=heirs[place])
        else:
            store.links.remove(tx, link)
            gone.setdefault(link.experiment_key, []).append(link.target_id)
    for key, ids in gone.items():
        store.activity.remove_of_commits(tx, key, ids)


def _others(tx: store.Transaction, commit_ids: Sequence[int]) -> list[_Wanted]:
    """Return the links that pull requests give to some commits, whichever branch they are on."""
    pulls = counted.that_may_have(tx, commit_ids)
    keys = store.links.keys_of_targets(tx, "pull_request", [pull.id for pull in pulls])
    return [
        _Wanted(commit, key, pull.id)
        for pull in pulls
        for commit in branches.commits_of(tx, pull, commit_ids).mine
        for key in keys[pull.id]
    ]


def _add(tx: store.Transaction, wanted: Sequence[_Wanted]) -> list[int]:
    """Make the links that are not there yet, and tell the feed of them.

    Returns the commits of those that are there and were not counted until now.
    """
    if not wanted:
        return []
    present = store.links.places_of_commits(tx, sorted({one.commit.id for one in wanted}))
    missing: dict[tuple[int, str], _Wanted] = {}
    for one in wanted:
        if one.place not in present:
            missing.setdefault(one.place, one)
    added = list(missing.values())
    for one in added:
        linked_by = "message" if one.via_item_id is None else "branch"
        store.links.add_to_commit(tx, one.commit, one.key, linked_by, one.via_item_id)
    # Of what was read from GitHub it is not known when it was pushed, nor by whom.
    told = [one for one in added if not one.commit.is_fetched]
    activity.record(tx, [_news(one.commit, one.key) for one in told])
    return [commit_id for (commit_id, _), link in present.items() if link.state == counted.REPLACED]


def first_push_changed(tx: store.Transaction, commits: Sequence[store.Commit]) -> None:
    """Let links and feed tell of some commits by another push, which was before the one known."""
    known = {commit.id: commit for commit in commits}
    news: dict[str, list[activity.News]] = {}
    for (commit_id, key), link in store.links.places_of_commits(tx, list(known)).items():
        commit = known[commit_id]
        store.links.change(tx, link, linked_at=commit.pushed_at)
        news.setdefault(key, []).append(_news(commit, key))
    for key, ones in news.items():
        store.activity.remove_of_commits(tx, key, [one.commit_id for one in ones if one.commit_id])
        activity.record(tx, ones)


def _news(commit: store.Commit, key: str) -> activity.News:
    title = commit.message.split("\n", 1)[0]
    return activity.News(
        type=PUSHED,
        experiment_key=key,
        occurred_at=commit.pushed_at,
        actor=commit.actor,
        summary=PUSHED.says(sha=commit.sha[:7], title=title or "(no message)"),
        html_url=commit.html_url,
        repository_id=commit.repository_id,
        commit_id=commit.id,
        guid=commit.guid,
    )
