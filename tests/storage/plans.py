"""A large database, the queries that run on it, and what is wrong with their plans."""

import random
from collections.abc import Callable, Sequence
from typing import Any, get_args

from bot import storage as store
from bot import times

ROWS = 20_000
NOW = times.parse("2026-03-02T10:00:00Z") or 0


def fill(tx: store.Transaction) -> None:
    """Store rows enough that an index is worth its while, spread as in life."""
    rng = random.Random(1)

    def add(table: str, rows: Sequence[dict[str, Any]]) -> None:
        names = list(rows[0])
        columns, values = ", ".join(names), ", ".join(f":{name}" for name in names)
        tx.run_many(f"INSERT INTO {table} ({columns}) VALUES ({values})", rows)

    def at(n: int) -> int:
        return NOW + n * times.SECOND

    add(
        "integrations",
        [
            {
                "id": f"integration {n}",
                "name": "Tests",
                "integration_type": "GITHUB",
                "is_active": 1,
                "config": "{}",
                "secrets": "",
                "created_at": NOW,
                "updated_at": NOW,
            }
            for n in range(20)
        ],
    )
    add(
        "deliveries",
        [
            {
                "integration_seq": n % 20 + 1,
                "guid": f"guid {n}",
                "event": rng.choice(("push", "pull_request", "pull_request", "issues")),
                "status": "processed" if n % 50 else "failed",
                "received_at": at(n),
                "attempts": 1,
                "next_attempt_at": at(n) if n % 500 == 1 else None,
                "headers": "{}" * 100,
                "payload": b"x" * 300 if n > ROWS / 2 else None,
            }
            for n in range(ROWS)
        ],
    )
    statuses = get_args(store.ExperimentStatus)
    add(
        "experiments",
        [
            {
                "key": f"key-{n}",
                "name": f"Experiment {n}",
                "status": statuses[n % 5],
                "owner": f"team-{n % 100}",
                "tags": "[]",
                "search": f"key-{n} experiment {n}",
                "created_at": at(n),
                "updated_at": at(n),
            }
            for n in range(ROWS)
        ],
    )
    add(
        "repositories",
        [
            {
                "host": "github.com",
                "github_id": n,
                "full_name": f"acme/repo-{n}",
                "name_key": f"acme/repo-{n}",
                "last_activity": at(n),
            }
            for n in range(1, ROWS + 1)
        ],
    )
    add(
        "items",
        [
            {
                "repository_id": n + 1,
                "kind": ("pull_request", "issue")[n % 2],
                "number": n,
                "title": "T",
                "html_url": f"https://github.com/{n}",
                "state": ("open", "closed", "merged")[n % 3],
                "draft": 0,
                "head_repository_id": n + 1 if n % 4 else 1,
                "head_ref": f"branch-{n}" if n % 4 else "train",
                "closed_at": at(n) if n % 3 else None,
                "labels": "[]",
                "created_at": at(n),
                "version_at": at(n),
                "version_rank": 0,
            }
            for n in range(ROWS)
        ],
    )
    add(
        "commits",
        [
            {
                "repository_id": n + 1,
                "sha": f"{n:040x}",
                "message": "M",
                "html_url": f"https://github.com/{n}",
                "ref": "main",
                "committed_at": at(n),
                "pushed_at": at(n),
            }
            for n in range(ROWS)
        ],
    )
    add(
        "links",
        [
            {
                "experiment_key": f"key-{(n + n // ROWS) % 20}",
                "kind": ("pull_request", "issue", "commit")[n % 3],
                "target_id": n % ROWS + 1,
                "linked_by": "body",
                "linked_at": at(n),
                "resolved": 0 if n % 40 == 0 else 1,
                "repository_id": n % ROWS + 1,
                "state": (None if n % 3 == 2 else "open"),
                "state_at": at(n),
                "last_at": at(n),
            }
            for n in range(3 * ROWS)
        ],
    )
    kinds = ("pull_request.opened", "pull_request.linked", "commit.pushed", "issue.closed")
    add(
        "activity",
        [
            {
                "type": rng.choice(kinds),
                "experiment_key": f"key-{n % 20}",
                "position": at(n),
                "recorded_at": at(n),
                "summary": "S",
                "repository_id": n % ROWS + 1,
            }
            for n in range(3 * ROWS)
        ],
    )
    add(
        "versions",
        [
            {
                "item_id": n + 1,
                "guid": f"guid {n}",
                "version_at": at(n),
                "version_rank": 0,
                "snapshot": "{}",
            }
            for n in range(ROWS)
        ],
    )
    add(
        "actions",
        [
            {
                "id": f"action {n}",
                "kind": ("pull_request", "commands", "tracking_issue")[n % 3],
                "queue": f"queue {n % 20}",
                "lane": f"lane {n}",
                "priority": 1,
                "integration_id": f"integration {n % 20}",
                "repository_id": n + 1,
                "request": "{}",
                "status": "done" if n % 40 else ("pending", "failed")[n // 40 % 2],
                "attempts": 1,
                "give_up_at": at(n),
                "created_at": at(n),
                "finished_at": at(n),
            }
            for n in range(ROWS)
        ],
    )
    add(
        "branch_starts",
        [
            {"repository_id": n % 500 + 1, "ref": f"branch-{n}", "started_at": at(n)}
            for n in range(ROWS)
        ],
    )
    add(
        "listed_commits",
        [
            {"item_id": n % 500 + 1, "commit_id": n + 1, "base_ref": "main", "listed": n % 2}
            for n in range(ROWS)
        ],
    )
    add(
        "branch_commits",
        [
            {
                "repository_id": n + 1 if n % 4 else 1,
                "ref": "main" if n % 4 else "train",
                "commit_id": n + 1,
                "pushed_at": at(n),
            }
            for n in range(ROWS)
        ],
    )

    add("posts", [{"item_id": n + 1, "marker": f"m{n}", "comment_id": n} for n in range(ROWS)])
    add(
        "merge_groups",
        [
            {
                "repository_id": n + 1,
                "head_sha": f"{n:040}",
                "head_ref": f"refs/heads/gh-readonly-queue/main/pr-{n}-{n:040}",
                "number": n,
                "marker": f"marker {n}",
                "created_at": at(n),
            }
            for n in range(ROWS)
        ],
    )


def analyze(tx: store.Transaction) -> None:
    tx.run("ANALYZE")


def load(tx: store.Transaction) -> None:
    store.items.known(tx).load([(7, "pull_request", 6), (8, "issue", 6)])
    store.deliveries.known(tx).load([(3, "guid 2"), (4, "guid 3")])


SOME = NOW + ROWS // 2 * times.SECOND
LATER = SOME + 100 * times.SECOND
PLACE = (SOME, ROWS // 2)
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
    (store.activity.last_seq, ()),
    *(
        (store.deliveries.listed, (3, status, event, before, 51))
        for status in (None, "failed")
        for event in (None, "push")
        for before in (None, (ROWS // 2,))
    ),
    *(
        (store.experiments.listed, (status, None, before, 51))
        for status in (None, "active")
        for before in (None, (ROWS // 2,))
    ),
    *((store.integrations.listed, (before, 51)) for before in (None, (10,))),
    *(
        (store.actions.listed, (status, kind, before, 51))
        for status in ("failed", store.actions.OWED)
        for kind in (None, "pull_request")
        for before in (None, (ROWS // 2,))
    ),
    (store.deliveries.failures, (3, SOME, 100)),
    (store.deliveries.failing, (3, ROWS // 2, 101)),
    (store.activity.of_delivery, ("guid 2", 200)),
]
OTHERS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (store.repositories.find, ("acme/repo-7",)),
    (store.items.last_version, ()),
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
    (store.items.load_versions, ([(7, "guid 7"), (8, "guid 8")],)),
    (store.items.last_version_up_to, (7, (NOW, 1))),
    (store.items.versions_after, (7, (NOW, 1), 7, 50)),
    (store.deliveries.told_of, (7,)),
    (load, ()),
    (store.repositories.load, ([("github.com", 7), ("github.com", 8)],)),
    (store.repositories.load_named, ([("github.com", "acme/repo-7"), ("x", "a/b")],)),
    (store.integrations.load, (["integration 3", "integration 4"],)),
    (store.repositories.by_name, ("github.com", "acme/repo-7")),
    (store.repositories.by_github_id, ("github.com", 7)),
    (store.branches.commits_by_sha, (7, SHAS)),
    (store.branches.commits_by_id, ([7, 8, 9],)),
    (store.branches.on_branch, (7, "main", [7, 8, 9])),
    (store.branches.ids_by_sha, (SHAS,)),
    (store.branches.heads_of, ([7, 8, 9],)),
    (store.branches.is_base, (7, "main")),
    (store.branches.last_start, (7, "main", SOME)),
    (store.branches.linked_into, (7, "main", SOME)),
    *((store.branches.pushed_to_head, (PULL, (SOME, LATER), ids)) for ids in (None, [7, 8, 9])),
    (store.branches.newest_on_branch, (1, "main", SOME)),
    (
        store.branches.set_first_push,
        ([{"id": 7, "ref": "a", "pushed_at": 1, "actor": "", "guid": ""}],),
    ),
    (store.branches.end_before, (PULL,)),
    (store.branches.first_end, (1, "train", SOME)),
    *(
        (store.branches.linked_between, (1, ["train"], (SOME, LATER), base))
        for base in (None, (1, "main"))
    ),
    (store.branches.linked_next, (1, "train", SOME, 7)),
    (store.links.of_target, ("pull_request", 7)),
    (store.links.load, ([(7, "pull_request"), (8, "issue")],)),
    (store.links.of_targets_with_experiments, ("pull_request", 7)),
    (store.experiments.find_with_counts, ("key-1",)),
    *(
        (store.experiments.page, (None, None, None, sort, 500, 50))
        for sort in store.experiments.SORTS
    ),
    *(
        (store.experiments.page, (None, "team-1", None, sort, 0, 50))
        for sort in store.experiments.SORTS
    ),
    (store.activity.weeks_of, (["key-1", "key-2"], [NOW, SOME, SOME + 1], 500)),
    (store.linked.counts_by_state, ("key-1",)),
    (store.links.counts_by_kind, ("key-1",)),
    (store.linked.pull_request_days, ("key-1",)),
    *((store.links.via_item, (7, ids)) for ids in (None, [7, 8, 9])),
    (store.links.places_of_commits, ([7, 8, 9],)),
    (store.links.set_via_item, (7, 8)),
    (store.activity.told_of_item, (7, ["guid 7", "guid 8"])),
    (store.activity.remove_of_commits, ("key-1", [7])),
    (store.experiments.find, ("key-1",)),
    (store.integrations.find, ("integration 3",)),
    (store.tokens.by_hash, ("a" * 64,)),
    (store.deliveries.find, (3, "guid 2")),
    (store.deliveries.last_received, (3,)),
    (store.deliveries.due, (NOW, 50)),
    (store.deliveries.events_of, (3, 50)),
    (store.actions.owed_by, ("integration 3",)),
    (store.actions.begin, ("queue 3", SOME, 6)),
    (store.actions.earliest, ("queue 3",)),
    (store.actions.acting, (7, "integration 3", None)),
    (store.deliveries.next_due, ()),
    (store.deliveries.remove_some, (3, 200)),
    (store.deliveries.drop_payloads, (NOW, 200)),
    (store.deliveries.remove_old, (NOW, 200)),
]
