"""The queries of the service, each with what it may be asked for in the database of plans.py."""

from collections.abc import Callable
from functools import partial
from typing import Any

from bot import storage as store
from bot import times
from tests.storage.plans import NOW, ROWS


def load(tx: store.Transaction) -> None:
    """Read all that batches read at once."""
    loads = [
        store.items.known(tx).loading([(7, "pull_request", 6), (8, "issue", 6)]),
        store.items.loading_versions(tx, [(7, "guid 7"), (8, "guid 8")]),
        store.deliveries.known(tx).loading([(3, "guid 2"), (4, "guid 3")]),
        store.links.loading(tx, [(7, "pull_request"), (8, "issue")]),
        store.repositories.loading(tx, [("github.com", 7), ("github.com", 8)]),
        store.repositories.loading_named(tx, [("github.com", "acme/repo-7"), ("x", "a/b")]),
        store.integrations.loading(tx, ["integration 3", "integration 4"]),
        store.merge_groups.loading(tx, [(7, 6), (8, 6)]),
        store.heads.loading(tx, [(1, "train"), (7, "main")]),
        store.pushes.loading(tx, SHAS),
        store.actions.known_posts(tx).loading([(7,), (8,)]),
    ]
    store.query.load(tx.stored, loads)


SOME = NOW + ROWS // 2 * times.SECOND
LATER = SOME + 100 * times.SECOND
PLACE = (SOME, ROWS // 2)
HERE = "acme/repo-7"
Wanted = store.experiments.Wanted
SHAS = [f"{number:040x}" for number in (7, 8, 9)]
# Of the branch that was merged again and again.
PULL = store.Item(
    id=7,
    repository_id=1,
    kind="pull_request",
    number=7,
    title="",
    html_url="",
    state="open",
    draft=False,
    author=None,
    author_writes=None,
    head_repository_id=1,
    head_ref="train",
    head_sha=None,
    base_ref="main",
    base_since=None,
    labels=(),
    created_at=SOME,
    closed_at=None,
    merged_at=None,
    version_at=SOME,
    version_rank=1,
    integration_id="integration 3",
    gone_at=None,
    decided=False,
    loose=False,
    locked=0,
    merge_sha=f"{7:040x}",
)
PLACED = store.BranchCommit(7, 1, "main", 7, SOME, True, None, None)
ALONE = store.Commit(
    id=ROWS + 7,
    repository_id=1,
    sha=f"{ROWS + 7:040x}",
    message="Alone",
    author=None,
    actor=None,
    html_url="",
    ref="train",
    committed_at=NOW,
    pushed_at=NOW + 6 * times.SECOND,
    integration_id="integration 3",
    guid=None,
    was_new=True,
    made_branch=False,
)
THERE = store.Environment(
    id=7,
    repository_id=7,
    name_key="env 2",
    name="Env 2",
    is_production=False,
    sha=f"{7:040x}",
    deployed_at=SOME,
    begun_at=SOME,
    told_at=SOME,
    told_id=7,
    settled_sha=None,
    actor=None,
    guid="guid 7",
    integration_id="integration 3",
)
LISTS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    *(
        (store.linked.items_of_experiment, ("key-1", kind, state, before, 51))
        for kind in ("pull_request", "issue")
        for state in (None, "open")
        for before in (None, PLACE)
    ),
    *((store.linked.commits_of_experiment, ("key-1", before, 51)) for before in (None, PLACE)),
    *((store.linked.unresolved, (before, 51)) for before in (None, (ROWS,))),
    *(
        (store.activity.of_experiment, ("key-1", kind, before, 51))
        for kind in (None, "commit.pushed")
        for before in (None, PLACE)
    ),
    (store.activity.after, (ROWS, 200)),
    *(
        (store.deliveries.listed, (3, status, event, before, 51))
        for status in (None, "failed")
        for event in (None, "push")
        for before in (None, (ROWS // 2,))
    ),
    *(
        (store.experiments.listed, (wanted, "created", before, 51))
        for wanted in (Wanted(), Wanted(statuses=["active"]))
        for before in (None, (ROWS // 2,))
    ),
    (store.experiments.newest, ()),
    *((store.integrations.listed, (before, 51)) for before in (None, (10,))),
    *(
        (store.actions.listed, (status, kind, before, 51))
        for status in ("failed", store.actions.OWED)
        for kind in (None, "pull_request")
        for before in (None, (ROWS // 2,))
    ),
    *(
        (store.audit.listed, (actor, kind, before, 51))
        for actor in (None, "token 7", "name 7")
        for kind in (None, "sign_in")
        for before in (None, (ROWS // 2,))
    ),
    (store.deliveries.failures, (3, SOME, 100)),
    (store.deliveries.failing, (3, ROWS // 2, 101)),
    (store.activity.of_delivery, ("guid 2", 200)),
]
OTHERS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (store.repositories.find, ("acme/repo-7",)),
    *((store.linked.experiments_of_repository, (7, after, 51)) for after in (None, ("key-1",))),
    (store.linked.keys_of_repository, (7, 51)),
    *(
        (store.linked.items_of_repository, (7, "pull_request", before, 51))
        for before in (None, ("merged", SOME, 7))
    ),
    (store.links.keys_of_targets, ("pull_request", (7, 8, 9))),
    (store.linked.some_of_key, ("key-1", 3)),
    (store.links.keys_of_versions_after, (ROWS - 10, 200)),
    (store.items.by_name, ("acme/repo-7", "pull_request", 6)),
    (store.items.find, (7, "pull_request", 6)),
    (store.items.open_in, (7,)),
    *((store.items.open_pull_requests, (7, before, 50)) for before in (None, (6,))),
    *((store.items.posted_on, (7, before, 50)) for before in (None, (6,))),
    (store.merge_groups.find, (7, "0" * 40)),
    (store.merge_groups.waiting, (7, 6, NOW)),
    (store.merge_groups.end, (7, "refs/heads/gh-readonly-queue/main/pr-6-7", NOW)),
    (store.merge_groups.remove_old, (NOW, 200)),
    (store.items.versions_of, (7,)),
    (store.items.has_version, (7, "guid 7")),
    (store.items.last_version_up_to, (7, (NOW, 1))),
    (store.items.versions_after, (7, (NOW, 1), 7, 50)),
    (store.deliveries.told_of, (7,)),
    (load, ()),
    (store.repositories.by_name, ("github.com", "acme/repo-7")),
    (store.repositories.by_github_id, ("github.com", 7)),
    (store.branches.commits_by_sha, (7, SHAS)),
    (store.branches.commits_by_id, ([7, 8, 9],)),
    (store.branches.on_branch, (7, "main", [7, 8, 9])),
    (store.branches.ids_by_sha, (SHAS,)),
    (store.branches.heads_of, ([7, 8, 9],)),
    (store.branches.is_base, (7, "main")),
    *((store.branches.last_start, (*place, SOME)) for place in ((7, "main"), (1, "train"))),
    (store.pushes.place_apart, ((1, "train"), SOME, [ALONE])),
    (store.branches.linked_into, (7, "main", SOME)),
    *((store.branches.pushed_to_head, (PULL, (SOME, LATER), ids)) for ids in (None, [7, 8, 9])),
    *((store.branches.newest_on_branch, (1, ref, SOME)) for ref in ("main", "train")),
    (
        store.branches.set_first_push,
        ([{"id": 7, "ref": "a", "pushed_at": 1, "actor": "", "guid": ""}],),
    ),
    (store.branches.landed_with, (PULL,)),
    (store.branches.landed_as, (7, SHAS)),
    (store.branches.landed_beside, ([PLACED],)),
    (store.branches.open_on, (1, "train")),
    (store.rewrites.of_shas, ((1, "train"), SHAS)),
    (store.rewrites.last, ((1, "train"), SOME)),
    (store.rewrites.set_seen, ((1, "train"), [{"commit_id": 7, "again_at": 1, "gone_at": 2}])),
    (store.rewrites.places_of, ([7, 8, 9],)),
    (store.branches.end_before, (PULL,)),
    (store.branches.first_end, (1, "train", SOME)),
    *(
        (store.branches.linked_between, (1, ["train"], (SOME, LATER), base))
        for base in (None, (1, "main"))
    ),
    (store.branches.linked_next, (1, "train", SOME, 7)),
    (store.links.of_target, ("pull_request", 7)),
    (store.links.of_targets_with_experiments, ("pull_request", 7)),
    (store.tallies.of_links, ("key-1",)),
    *((store.experiments.page, (Wanted(), sort, 500, 50)) for sort in store.experiments.SORTS),
    *(
        (store.experiments.page, (Wanted(owner="team-1"), sort, 0, 50))
        for sort in store.experiments.SORTS
    ),
    (store.activity.weeks_of, (["key-1", "key-2"], [NOW, SOME, SOME + 1], 500)),
    (store.linked.counts_by_state, ("key-1",)),
    (store.links.counts_by_kind, ("key-1",)),
    (store.linked.pull_request_days, ("key-1",)),
    *((store.links.via_item, (7, ids)) for ids in (None, [7, 8, 9])),
    (store.links.places_of_commits, ([7, 8, 9],)),
    (store.activity.told_of_item, (7, ["guid 7", "guid 8"])),
    (store.activity.remove_of_commits, ("key-1", [7])),
    (store.experiments.find, ("key-1",)),
    (store.integrations.find, ("integration 3",)),
    (store.tokens.by_hash, ("a" * 64,)),
    (store.deliveries.find, (3, "guid 2")),
    (store.deliveries.last_received, (3,)),
    (store.deliveries.due, (NOW, 50)),
    (store.deliveries.events_of, (3, 50)),
    (store.linked.unresolved_keys, ("", None, 51)),
    (store.items.open_pull_requests_checked, (7, "7" * 40)),
    (store.actions.owed_by, ("integration 3",)),
    (store.actions.pending_like, ("pull_request:7",)),
    (store.actions.remove_old, (NOW, 200)),
    (store.actions.remove_done, ("recovery", NOW, 200)),
    (partial(store.actions.waiting, repository_id=7, number=7), (2,)),
    (partial(store.actions.waiting, integration_id="integration 3"), (12,)),
    (store.actions.pending_elsewhere, ("integration 3", 7)),
    (store.items.is_locked, (7, 7)),
    (store.items.is_unlocked, (7, 7)),
    (store.actions.begin, ("queue 3", SOME, 6)),
    (store.actions.earliest, ("queue 3",)),
    (store.deliveries.next_due, ()),
    (store.deliveries.remove_some, (3, 200)),
    (store.deliveries.drop_payloads, (NOW, 200)),
    (store.deliveries.remove_old, (NOW, 200)),
    (store.audit.remove_old, (NOW, 200)),
    (store.environments.of_repository, (7,)),
    (store.environments.get, (7,)),
    (store.live.waits_for, (THERE,)),
    (store.live.is_any_in, (7,)),
    (store.live.waiting, (THERE, 5_000)),
    (store.live.waiting_with, (THERE, SHAS)),
    (store.live.there, (7,)),
    (store.live.there_with, (7, SHAS)),
    (store.live.landed_there, (7,)),
    (store.live.place_of, (7, 7)),
    (store.live.open_places, (7,)),
    (store.live.begin, (THERE, [7, 8])),
    (store.live.end, (THERE, [7, 8])),
    (store.live.forget_item, (7,)),
    (store.live.remove_old, (NOW, 200)),
    (store.live.places, ([7, 8, 9],)),
    (store.live.history, (7,)),
    (store.live.of_experiments, (["key-1", "key-2"],)),
    (store.live.in_production, (["key-1", "key-2"],)),
    (store.live.not_in_production, ("key-1", 3)),
    (store.live.still_open, ("key-1", 3)),
]
# Those that put together what few indexes say, and may go by what they have read just before.
MERGING: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    *(
        (store.activity.listed, (store.activity.Wanted("commit.pushed"), before, 51))
        for before in (None, PLACE)
    ),
    *(
        (store.shipped.listed, (store.shipped.Wanted(since, until, owner, key, where), before, 51))
        for since, until in ((None, None), (NOW, LATER))
        for owner, key in ((None, None), ("team-1", None), (None, "key-1"), ("team-1", "key-1"))
        for where in (None, HERE)
        for before in (None, PLACE)
    ),
    *(
        (store.activity.listed, (store.activity.Wanted(kind, key, where), before, 51))
        for kind, key, where in (
            (None, None, None),
            (None, None, HERE),
            ("commit.pushed", None, HERE),
            (None, "key-1", HERE),
            ("commit.pushed", "key-1", HERE),
        )
        for before in (None, PLACE)
    ),
    *(
        (store.experiments.listed, (wanted, sort, before, 51))
        for wanted in (Wanted(), Wanted(statuses=["active"]), Wanted(repository=HERE))
        for sort in ("activity", "open", "last_merged")
        for before in (None, (0, ROWS // 2))
    ),
]
