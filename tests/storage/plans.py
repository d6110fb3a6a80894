"""A large database, on which plans of queries can be told."""

import random
from collections.abc import Sequence
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
                "repository_id": n % 50 + 1,  # most lead into one branch of a few repositories
                "base_ref": "main",
                "kind": ("pull_request", "issue")[n % 2],
                "number": n,
                "title": "T",
                "html_url": f"https://github.com/{n}",
                "state": ("open", "closed", "merged")[n % 3],
                "draft": 0,
                "head_repository_id": n + 1 if n % 4 else 1,
                "head_ref": f"branch-{n}" if n % 4 else "train",
                "closed_at": at(n) if n % 3 else None,
                "merge_sha": f"{n:040x}" if n % 3 == 2 else None,
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
                "repository_id": n % 50 + 1,
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
        "commits",
        [
            {
                "repository_id": 1,
                "sha": f"{ROWS + n:040x}",
                "message": "Alone",
                "html_url": f"https://github.com/{n}",
                "ref": "train",
                "committed_at": at(n),
                "pushed_at": at(n),
                "was_new": 1,
                "made_branch": 0 if n % 500 else 1,
            }
            for n in range(ROWS)
        ],
    )
    add(
        "rewrites",
        [
            {
                "repository_id": n % 50 + 1,
                "ref": f"branch-{n % 100}" if n % 4 else "train",
                "pushed_at": at(n),
                "before_sha": f"{n:040x}",
                "after_sha": f"{n + 1:040x}",
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
                "state": (("open", "merged")[n % 2], "open", None)[n % 3],
                "owner": f"team-{(n + n // ROWS) % 20 % 4}",
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
                "waits": 0 if n % 400 else 2,
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
                "repository_id": n % 50 + 1 if n % 4 else 1,
                "ref": "main" if n % 4 else "train",
                "commit_id": n + 1,
                "pushed_at": at(n),
            }
            for n in range(ROWS)
        ],
    )

    add(
        "audit",
        [
            {
                "id": f"entry {n}",
                "at": at(n),
                "actor_kind": "token",
                "actor_id": f"token {n % 50}",
                "actor_name": f"name {n % 40}",
                "type": ("sign_in", "experiment.changed", "token.created")[n % 3],
                "target_kind": "experiment",
                "target_id": f"key-{n % 20}",
                "target_name": f"Experiment {n % 20}",
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
    add(
        "environments",
        [
            {
                "repository_id": n // 4 + 1,
                "name_key": f"env {n % 4}",
                "name": f"Env {n % 4}",
                "is_production": 1 if n % 4 == 0 else 0,
                "sha": f"{n:040x}",
                "deployed_at": at(n),
                "begun_at": at(n),
                "told_at": at(n),
                "told_id": n,
                "guid": f"guid {n}",
                "integration_id": f"integration {n % 20}",
            }
            for n in range(ROWS)
        ],
    )
    add(
        "live",
        [
            {
                "item_id": n + 1,
                "environment_id": n % 500 + 1,
                "at": at(n),
                "ended_at": at(n) if n % 10 == 0 else None,
                "guid": f"guid {n}",
            }
            for n in range(ROWS)
        ],
    )


def analyze(tx: store.Transaction) -> None:
    tx.run("ANALYZE")
