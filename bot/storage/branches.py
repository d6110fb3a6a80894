"""Queries for pushed commits, the branches they are on, and the pull requests of a branch.

Each asks for what it needs by an index, and for many commits at once: what a delivery costs does
not depend on how long its branch has been in use. Where commits are given, each is looked up on
the branch by itself: neither the whole branch is walked for them, nor all branches that have them.
Only what asks by time says `ref || ''`, as the index by time does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction, placeholders

FOREVER = 2**62  # later than anything that happens

# --- Commits


def add_commits(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add commits that are not there yet; those of one repository are told apart by their SHA."""
    tx.run_many(
        """INSERT INTO commits (repository_id, sha, message, author, actor, html_url, ref,
                committed_at, pushed_at, integration_id, guid)
            VALUES (:repository_id, :sha, :message, :author, :actor, :html_url, :ref,
                :committed_at, :pushed_at, :integration_id, :guid)
            ON CONFLICT DO NOTHING""",
        rows,
    )


def commits_by_sha(tx: Transaction, repository_id: int, shas: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for names, values in placeholders("sha", shas):
        rows = tx.all(
            f"SELECT * FROM commits WHERE repository_id = :repository_id AND sha IN ({names})",
            {"repository_id": repository_id, **values},
        )
        found.update((row["sha"], row) for row in rows)
    return found


def commits_by_id(tx: Transaction, commit_ids: Sequence[int]) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for names, values in placeholders("id", commit_ids):
        rows = tx.all(f"SELECT * FROM commits WHERE id IN ({names})", values)
        found.update((row["id"], row) for row in rows)
    return found


def set_first_push(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Change which push was the first that brought each of some commits (`id`)."""
    tx.run_many(
        """UPDATE commits SET ref = :ref, pushed_at = :pushed_at, actor = :actor, guid = :guid
            WHERE id = :id""",
        rows,
    )


# --- Commits on branches


def _places(tx: Transaction, repository_id: int, ref: str, commit_ids: Sequence[int]) -> list[int]:
    """Return the ids of the rows of `branch_commits` that place some commits on a branch."""
    found: list[int] = []
    for names, values in placeholders("id", commit_ids):
        rows = tx.all(
            f"""SELECT (SELECT place.id FROM branch_commits AS place
                    WHERE place.repository_id = :repository_id AND place.ref = :ref
                        AND place.commit_id = commits.id) AS id
                FROM commits WHERE commits.id IN ({names})""",
            {"repository_id": repository_id, "ref": ref, **values},
        )
        found += [row["id"] for row in rows if row["id"] is not None]
    return found


def on_branch(
    tx: Transaction, repository_id: int, ref: str, commit_ids: Sequence[int]
) -> dict[int, Row]:
    """Return when those of some commits that are on a branch were first pushed to it."""
    found: dict[int, Row] = {}
    places = _places(tx, repository_id, ref, commit_ids)
    for names, values in placeholders("id", places):
        rows = tx.all(f"SELECT * FROM branch_commits WHERE id IN ({names})", values)
        found.update((row["commit_id"], row) for row in rows)
    return found


def set_on_branch(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note when some commits were first pushed to a branch, and whether they were new then."""
    tx.run_many(
        """INSERT INTO branch_commits (repository_id, ref, commit_id, pushed_at, is_new)
            VALUES (:repository_id, :ref, :commit_id, :pushed_at, :is_new)
            ON CONFLICT (repository_id, ref, commit_id)
                DO UPDATE SET pushed_at = excluded.pushed_at, is_new = excluded.is_new""",
        rows,
    )


def ids_by_sha(tx: Transaction, shas: Sequence[str]) -> list[int]:
    """Return the ids that some commits have, in every repository: a fork has rows of its own."""
    found: list[int] = []
    for names, values in placeholders("sha", shas):
        rows = tx.all(f"SELECT id FROM commits WHERE sha IN ({names})", values)
        found += [row["id"] for row in rows]
    return found


def heads_of(tx: Transaction, commit_ids: Sequence[int]) -> list[Row]:
    """Return the branches that some commits are on, with their `earliest` and `latest` push."""
    found: list[Row] = []
    for names, values in placeholders("id", commit_ids):
        found += tx.all(
            f"""SELECT repository_id, ref, MIN(pushed_at) AS earliest, MAX(pushed_at) AS latest
                FROM branch_commits WHERE commit_id IN ({names}) GROUP BY repository_id, ref""",
            values,
        )
    return found


_BASE = """FROM branch_commits AS base
    WHERE base.repository_id = :base_repository_id AND base.ref = :base_ref
        AND base.commit_id = (SELECT theirs.id FROM commits AS theirs
            WHERE theirs.repository_id = :base_repository_id AND theirs.sha = commits.sha)"""
_PUSHED = f"""SELECT commits.*, here.pushed_at AS on_branch_at, here.is_new,
        (SELECT base.pushed_at {_BASE}) AS on_base_at,
        (SELECT base.is_new {_BASE}) AS is_new_on_base,
        (SELECT answers.listed FROM listed_commits AS answers
            WHERE answers.item_id = :item_id AND answers.commit_id = commits.id
                AND answers.base_ref = :base_ref) AS listed
    FROM branch_commits AS here JOIN commits ON commits.id = here.commit_id"""


def pushed_to_head(
    tx: Transaction,
    pull: Row,
    time: tuple[int, int],
    commit_ids: Sequence[int] | None = None,
) -> list[Row]:
    """Return the commits that were pushed to the head of a pull request within (since, until].

    With `on_branch_at` and `is_new` of that push, `on_base_at` and `is_new_on_base` of the push
    that brought the same commit to its base, and `listed`, what GitHub has answered. With
    `commit_ids` only those among them.
    """
    known = {
        "item_id": pull["id"],
        "base_repository_id": pull["repository_id"],
        "base_ref": pull["base_ref"] or "",
        "repository_id": pull["head_repository_id"],
        "ref": pull["head_ref"],
        "since": time[0],
        "until": time[1],
    }
    if commit_ids is None:
        return list(
            tx.all(
                f"""{_PUSHED} WHERE here.repository_id = :repository_id AND here.ref || '' = :ref
                    AND here.pushed_at > :since AND here.pushed_at <= :until
                    ORDER BY here.pushed_at, here.id""",
                known,
            )
        )
    places = _places(tx, pull["head_repository_id"], pull["head_ref"], commit_ids)
    found: list[Row] = []
    for names, values in placeholders("id", places):
        found += tx.all(
            f"""{_PUSHED} WHERE here.id IN ({names})
                AND here.pushed_at + 0 > :since AND here.pushed_at + 0 <= :until
                ORDER BY here.pushed_at, here.id""",
            {**known, **values},
        )
    return found


def newest_on_branch(tx: Transaction, repository_id: int, ref: str, until: int) -> Sequence[Row]:
    """Return the commits that the last push to a branch up to a time brought, the last one first.

    With `on_branch_at`, when that was, and `is_new`.
    """
    return tx.all(
        """SELECT commits.sha, here.pushed_at AS on_branch_at, here.is_new
            FROM branch_commits AS here JOIN commits ON commits.id = here.commit_id
            WHERE here.repository_id = :repository_id AND here.ref || '' = :ref
                AND here.pushed_at = (SELECT MAX(pushed_at) FROM branch_commits
                    WHERE repository_id = :repository_id AND ref || '' = :ref
                        AND pushed_at <= :until)
            ORDER BY here.id DESC""",
        {"repository_id": repository_id, "ref": ref, "until": until},
    )


def add_start(tx: Transaction, repository_id: int, ref: str, started_at: int) -> bool:
    """Keep when a branch was made; False if that is known."""
    added = tx.run(
        """INSERT INTO branch_starts (repository_id, ref, started_at)
            VALUES (:repository_id, :ref, :started_at) ON CONFLICT DO NOTHING""",
        {"repository_id": repository_id, "ref": ref, "started_at": started_at},
    )
    return added == 1


def last_start(tx: Transaction, repository_id: int, ref: str, until: int) -> int | None:
    """Return when a branch was made, the last time up to `until`; None if it was always there."""
    row = tx.one(
        """SELECT started_at FROM branch_starts WHERE repository_id = :repository_id AND ref = :ref
            AND started_at <= :until ORDER BY started_at DESC LIMIT 1""",
        {"repository_id": repository_id, "ref": ref, "until": until},
    )
    return row["started_at"] if row else None


def set_listed(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep whether GitHub lists some commits on the page of a pull request with a base."""
    tx.run_many(
        """INSERT INTO listed_commits (item_id, commit_id, base_ref, listed)
            VALUES (:item_id, :commit_id, :base_ref, :listed)
            ON CONFLICT (item_id, commit_id)
                DO UPDATE SET base_ref = excluded.base_ref, listed = excluded.listed""",
        rows,
    )


# --- The pull requests of a branch

_STANDS = "kind = 'pull_request' AND gone_at IS NULL"
_OF_HEAD = f"head_repository_id = :repository_id AND head_ref = :ref AND {_STANDS}"
# Not EXISTS, which PostgreSQL would answer for all items of the branch by reading all links.
_LINKED = """(SELECT links.id FROM links
    WHERE links.target_id = items.id AND links.kind = 'pull_request' LIMIT 1) IS NOT NULL"""


def end_before(tx: Transaction, pull: Row) -> int | None:
    """Return when the last pull request of the same head before this one was closed."""
    row = tx.one(
        f"""SELECT closed_at FROM items WHERE {_OF_HEAD} AND closed_at <= :created_at
                AND id <> :id ORDER BY closed_at DESC LIMIT 1""",
        {
            "repository_id": pull["head_repository_id"],
            "ref": pull["head_ref"],
            "created_at": pull["created_at"],
            "id": pull["id"],
        },
    )
    return row["closed_at"] if row else None


def first_end(tx: Transaction, repository_id: int, ref: str, at: int, but: int = 0) -> int:
    """Return when the first pull request of a head, `but` one, was closed at a time or later."""
    row = tx.one(
        f"""SELECT closed_at FROM items WHERE {_OF_HEAD} AND closed_at >= :at
                AND id <> :but ORDER BY closed_at LIMIT 1""",
        {"repository_id": repository_id, "ref": ref, "at": at, "but": but},
    )
    return int(row["closed_at"]) if row else FOREVER


def is_base(tx: Transaction, repository_id: int, ref: str) -> bool:
    """Tell whether a pull request, linked or not, leads into a branch."""
    row = tx.one(
        """SELECT 1 FROM items WHERE repository_id = :repository_id AND base_ref = :ref
            AND base_ref IS NOT NULL LIMIT 1""",
        {"repository_id": repository_id, "ref": ref},
    )
    return row is not None


def linked_into(tx: Transaction, repository_id: int, ref: str, since: int) -> Sequence[Row]:
    """Return the linked pull requests that lead into a branch, and began to at a time or later."""
    return tx.all(
        f"""SELECT * FROM items WHERE repository_id = :repository_id AND base_ref = :ref
                AND base_ref IS NOT NULL AND COALESCE(base_since, created_at) >= :since
                AND {_STANDS} AND {_LINKED} ORDER BY created_at, id""",
        {"repository_id": repository_id, "ref": ref, "since": since},
    )


def linked_between(
    tx: Transaction,
    repository_id: int,
    refs: Sequence[str],
    times: tuple[int, int],
    base: tuple[int, str] | None = None,
) -> list[Row]:
    """Return the linked pull requests that may have what was pushed to their heads in a time.

    Those that had ended when it began, or that came after another had ended since, do not. `refs`
    are the heads, all of one repository. With `base` (repository, branch) only those into it.
    """
    known: dict[str, Any] = {
        "repository_id": repository_id,
        "earliest": times[0],
        "latest": times[1],
    }
    into = ""
    if base is not None:
        into = "AND items.repository_id = :base_repository_id AND items.base_ref = :base_ref"
        known.update(base_repository_id=base[0], base_ref=base[1])
    found: list[Row] = []
    for names, values in placeholders("ref", refs):
        for open_or_closed_later in ("closed_at IS NULL", "closed_at >= :earliest"):
            found += tx.all(
                f"""SELECT * FROM items WHERE head_repository_id = :repository_id
                        AND head_ref IN ({names}) AND head_ref IS NOT NULL
                        AND {open_or_closed_later} AND {_STANDS} {into} AND {_LINKED}
                        AND (SELECT other.id FROM items AS other
                            WHERE other.head_repository_id = items.head_repository_id
                                AND other.head_ref = items.head_ref AND {_STANDS}
                                AND other.closed_at > :latest
                                AND other.closed_at <= items.created_at
                                AND other.id <> items.id LIMIT 1) IS NULL""",
                {**known, **values},
            )
    return sorted(found, key=lambda pull: (pull["created_at"], pull["id"]))


def linked_next(tx: Transaction, repository_id: int, ref: str, end: int, but: int) -> Sequence[Row]:
    """Return the linked pull requests of a head whose time begins, or would, at `end`.

    They were created after it, and before the next one, `but` one, was closed.
    """
    return tx.all(
        f"""SELECT * FROM items WHERE {_OF_HEAD} AND created_at >= :end
                AND created_at <= :latest AND id <> :but AND {_LINKED} ORDER BY created_at, id""",
        {
            "repository_id": repository_id,
            "ref": ref,
            "end": end,
            "latest": first_end(tx, repository_id, ref, end + 1, but),
            "but": but,
        },
    )
