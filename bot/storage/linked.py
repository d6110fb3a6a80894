"""What is linked, as pages and the API list it."""

from bot import times
from bot.storage import live, query
from bot.storage.database import Transaction
from bot.storage.joined import (
    CountedRepositoryExperiment,
    LinkedCommit,
    ListedItem,
    PlacedItem,
    PullRequestDay,
    RepositoryExperiment,
    Target,
    UnresolvedKey,
    UnresolvedLink,
)
from bot.storage.query import Part, Place

_LINKED_ITEM = """links.id AS link_id, links.linked_by, links.linked_at,
        links.integration_id AS link_integration_id,
        repositories.full_name AS repository, items.*
    FROM links JOIN items ON items.id = links.target_id
    JOIN repositories ON repositories.id = items.repository_id"""


def items_of_experiment(
    tx: Transaction, key: str, kind: str, state: str | None, before: Place | None, limit: int
) -> Part[ListedItem]:
    """Return linked items by what happened last, the latest first: of one state by when they
    came to it, of all by when they were last heard of. That time is `listed_at`.
    """
    at = "links.state_at" if state else "links.last_at"
    sql = f"SELECT {at} AS listed_at, {_LINKED_ITEM}"
    where = [
        "links.experiment_key = :key",
        "links.kind = :kind",
        "links.state = :state" if state else None,
    ]
    by, known = {at: "listed_at", "links.id": "link_id"}, {"key": key, "kind": kind, "state": state}
    rows = query.page(tx, ListedItem, sql, where, by, before, limit, **known)
    return live.with_places(tx, rows) if kind == "pull_request" else rows


def item_of_experiment(tx: Transaction, key: str, kind: str, item_id: int) -> ListedItem | None:
    """Return one linked item as `items_of_experiment` does, but for where it is live."""
    sql = f"""SELECT links.last_at AS listed_at, {_LINKED_ITEM}
        WHERE links.target_id = :item_id AND links.kind = :kind AND links.experiment_key = :key"""
    return query.first(tx, ListedItem, sql, key=key, kind=kind, item_id=item_id)


_THERE = """FROM branch_commits AS here WHERE here.commit_id = commits.id
    AND (here.gone_at IS NULL OR here.gone_at < COALESCE(here.again_at, here.pushed_at))"""
# Asked only of a commit whose first branch has been rewritten without it.
_STILL = f"""(SELECT (SELECT MIN(here.ref) {_THERE}) FROM branch_commits AS gone
    WHERE gone.repository_id = commits.repository_id AND gone.ref = commits.ref
        AND gone.commit_id = commits.id AND gone.gone_at IS NOT NULL)"""


def _here(ref: str) -> str:
    """Return the branch of that name, if it has the commit."""
    return f"""(SELECT here.ref {_THERE}
        AND here.repository_id = commits.repository_id AND here.ref = {ref})"""


def commits_of_experiment(
    tx: Transaction, key: str, before: Place | None, limit: int
) -> Part[LinkedCommit]:
    """Return linked commits, the one committed last first. That time is `listed_at`.

    A commit lives in the default branch, else in the base of the pull request that it is linked
    through, else in the branch that it was pushed to first, or another if that has it no more.
    """
    sql = f"""SELECT links.id AS link_id, links.last_at AS listed_at, links.linked_by,
            CASE WHEN links.state IS NULL THEN 0 ELSE 1 END AS replaced,
            COALESCE({_here("repositories.default_branch")},
                {_here("(SELECT base_ref FROM items WHERE items.id = links.via_item_id)")},
                {_STILL}, commits.ref) AS lives_in,
            links.linked_at, repositories.full_name AS repository, commits.*
        FROM links JOIN commits ON commits.id = links.target_id
        JOIN repositories ON repositories.id = commits.repository_id"""
    where = ["links.experiment_key = :key", "links.kind = 'commit'"]
    by = {"links.last_at": "listed_at", "links.id": "link_id"}
    return query.page(tx, LinkedCommit, sql, where, by, before, limit, key=key)


_TARGET = """repositories.full_name AS repository, items.number,
        COALESCE(items.title, commits.message) AS title, commits.sha,
        COALESCE(items.html_url, commits.html_url) AS html_url"""


def unresolved(tx: Transaction, before: Place | None, limit: int) -> Part[UnresolvedLink]:
    """Return links whose experiment does not exist, the newest first."""
    sql = f"""SELECT links.*, {_TARGET} FROM links
        LEFT JOIN items ON links.kind <> 'commit' AND items.id = links.target_id
        LEFT JOIN commits ON links.kind = 'commit' AND commits.id = links.target_id
        JOIN repositories
            ON repositories.id = COALESCE(items.repository_id, commits.repository_id)"""
    where = ["links.resolved = 0"]
    return query.page(tx, UnresolvedLink, sql, where, {"links.id": "id"}, before, limit)


_COUNTED = 1000  # of one experiment in one repository; a list counts no further


_COUNTS_HERE = ", ".join(
    f"""(SELECT COUNT(*) FROM (SELECT 1 FROM links WHERE links.repository_id = :id
            AND links.experiment_key = found.key AND links.kind = '{kind}' {state}
            LIMIT {_COUNTED}) AS linked) AS {name}"""
    for name, kind, state in (
        ("open_pull_requests", "pull_request", "AND links.state = 'open'"),
        ("merged_pull_requests", "pull_request", "AND links.state = 'merged'"),
        ("issues", "issue", ""),
        ("commits", "commit", "AND links.state IS NULL"),
    )
)


def _of_repository(counts: str, is_behind: str | None = None) -> str:
    """Return the query of the experiments of a repository, which steps from key to key."""
    return f"""WITH RECURSIVE keys(key) AS (
            SELECT MIN(experiment_key) FROM links
                {query.where_all("repository_id = :id", is_behind)}
            UNION ALL
            SELECT (SELECT MIN(experiment_key) FROM links
                    WHERE repository_id = :id AND experiment_key > keys.key)
                FROM keys WHERE keys.key IS NOT NULL)
        SELECT found.key, experiments.name, experiments.status, experiments.last_activity {counts}
        FROM (SELECT key FROM keys WHERE key IS NOT NULL LIMIT :limit) AS found
        LEFT JOIN experiments ON experiments.key = found.key ORDER BY found.key"""


def keys_of_repository(tx: Transaction, id: int, limit: int) -> list[RepositoryExperiment]:
    """Return the keys linked in a repository, in their order, `limit` at most."""
    return query.select(tx, RepositoryExperiment, _of_repository(""), id=id, limit=limit)


def experiments_of_repository(
    tx: Transaction, id: int, after: Place | None, limit: int
) -> Part[CountedRepositoryExperiment]:
    """Return the keys linked in a repository, in their order, with how much is linked there."""
    is_behind, place = query.behind(["experiment_key"], after, ">")
    sql = _of_repository(f", {_COUNTS_HERE}", is_behind)
    return query.part(tx, CountedRepositoryExperiment, sql, ["key"], limit, id=id, **place)


def items_of_repository(
    tx: Transaction, repository_id: int, kind: str, before: Place | None, limit: int
) -> Part[PlacedItem]:
    """Return a repository's linked items: open before merged before closed, each by what happened
    last, which is `state_at`.
    """
    is_behind, place = query.behind(["state", "state_at", "target_id"], before)
    where = query.where_all("repository_id = :id", "kind = :kind", "state IS NOT NULL", is_behind)
    sql = f"""SELECT items.*, repositories.full_name AS repository, found.state_at
        FROM (SELECT DISTINCT state, state_at, target_id
            FROM links {where}
            ORDER BY state DESC, state_at DESC, target_id DESC LIMIT :limit) AS found
        JOIN items ON items.id = found.target_id
        JOIN repositories ON repositories.id = items.repository_id
        ORDER BY found.state DESC, found.state_at DESC, found.target_id DESC"""
    by = ["state", "state_at", "id"]
    return query.part(tx, PlacedItem, sql, by, limit, id=repository_id, kind=kind, **place)


def unresolved_keys(
    tx: Transaction, text: str, after: Place | None, limit: int
) -> Part[UnresolvedKey]:
    """Return the keys that no experiment has, in their order, with how many links wait for each.

    `text` is a part of a key. `first_at` is when the first of the links was made.
    """
    counts = ", ".join(
        f"SUM(CASE WHEN kind = '{kind}' THEN 1 ELSE 0 END) AS {kind}s"
        for kind in ("pull_request", "issue", "commit")
    )
    is_behind, place = query.behind(["experiment_key"], after, ">")
    has_text = "LOWER(experiment_key) LIKE :pattern ESCAPE '!'" if text else None
    sql = f"""SELECT experiment_key, {counts}, MIN(linked_at) AS first_at FROM links
        {query.where_all("resolved = 0", has_text, is_behind)}
        GROUP BY experiment_key ORDER BY experiment_key LIMIT :limit"""
    known = {"pattern": query.containing(text.lower()), **place}
    return query.part(tx, UnresolvedKey, sql, ["experiment_key"], limit, **known)


def some_of_key(tx: Transaction, experiment_key: str, limit: int) -> list[Target]:
    """Return what some links of a key lead to, pull requests first."""
    sql = f"""SELECT few.kind, {_TARGET}
        FROM (SELECT * FROM links WHERE experiment_key = :experiment_key
            ORDER BY kind DESC, last_at DESC, id DESC LIMIT :limit) AS few
        LEFT JOIN items ON few.kind <> 'commit' AND items.id = few.target_id
        LEFT JOIN commits ON few.kind = 'commit' AND commits.id = few.target_id
        JOIN repositories ON repositories.id = few.repository_id
        ORDER BY few.kind DESC, few.last_at DESC, few.id DESC"""
    return query.select(tx, Target, sql, experiment_key=experiment_key, limit=limit)


def counts_by_state(tx: Transaction, experiment_key: str) -> dict[str, dict[str, int]]:
    """Return how many pull requests and issues of each state an experiment has."""
    found: dict[str, dict[str, int]] = {"pull_request": {}, "issue": {}}
    sql = """SELECT kind, state, COUNT(*) AS count FROM links WHERE experiment_key = :key
        AND kind IN ('pull_request', 'issue') AND state IS NOT NULL GROUP BY kind, state"""
    for row in tx.all(sql, {"key": experiment_key}):
        found[row["kind"]][row["state"]] = row["count"]
    return found


def pull_request_days(tx: Transaction, experiment_key: str) -> list[PullRequestDay]:
    """Return how many of all its pull requests were opened and merged on which day of UTC.

    Days are counted from 1970; `merged` is null for those that were not. It is one pass over the
    experiment's links; items are looked up one by one, so that nobody reads all there are.
    """
    sql = """SELECT
            (SELECT created_at FROM items WHERE items.id = links.target_id) / :day AS opened,
            CASE WHEN state = 'merged' THEN
                (SELECT merged_at FROM items WHERE items.id = links.target_id) / :day
            END AS merged,
            COUNT(*) AS count
        FROM links WHERE experiment_key = :key AND kind = 'pull_request' GROUP BY 1, 2"""
    return query.select(tx, PullRequestDay, sql, key=experiment_key, day=86_400 * times.SECOND)
