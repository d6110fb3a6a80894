"""Queries that take out what was told of a repository: by one integration alone, or by all."""

from collections import Counter
from collections.abc import Sequence

from bot.storage import environments, live, query, tallies
from bot.storage.database import Transaction
from bot.storage.rows import Activity, Item

# What hangs on an item or a commit, by the column that names it.
_OF_ITEM = (
    "DELETE FROM versions WHERE item_id IN ({names})",
    "DELETE FROM decisions WHERE item_id IN ({names})",
    "DELETE FROM posts WHERE item_id IN ({names})",
    "DELETE FROM listed_commits WHERE item_id IN ({names})",
    "DELETE FROM diffs WHERE item_id IN ({names})",
    "DELETE FROM diff_references WHERE item_id IN ({names})",
    "DELETE FROM live WHERE item_id IN ({names})",
    "DELETE FROM rules_problems WHERE item_id IN ({names})",
    "DELETE FROM links WHERE kind <> 'commit' AND target_id IN ({names})",
    "DELETE FROM tellers WHERE kind = 'item' AND target_id IN ({names})",
    "UPDATE deliveries SET item_id = NULL, told = NULL WHERE item_id IN ({names})",
    "DELETE FROM items WHERE id IN ({names})",
)
_OF_COMMIT = (
    "DELETE FROM branch_commits WHERE commit_id IN ({names})",
    "DELETE FROM listed_commits WHERE commit_id IN ({names})",
    "DELETE FROM tellers WHERE kind = 'commit' AND target_id IN ({names})",
    "DELETE FROM commits WHERE id IN ({names})",
)
_OF_REPOSITORY = (
    "branch_starts",
    "rewrites",
    "merge_groups",
    "actions",
    "activity",
    "commands",
    "command_comments",
    "repository_installations",
    "allowed_repositories",
    "speakers",
    "former_names",
    "backfills",
    "reconciled",
    "code_references",
    "code_maps",
    "repository_rules",
)


def told_alone(tx: Transaction, table: str, repository_id: int, integration_id: str) -> list[int]:
    """Return the ids of what one integration alone told of: items, commits or environments."""
    kind = table.removesuffix("s")
    sql = f"""SELECT id FROM {table} WHERE repository_id = :repository_id
        AND integration_id = :integration_id AND NOT EXISTS (SELECT 1 FROM tellers
            WHERE tellers.kind = '{kind}' AND tellers.target_id = {table}.id)"""
    return query.values(tx, sql, repository_id=repository_id, integration_id=integration_id)


def all_of(tx: Transaction, table: str, repository_id: int) -> list[int]:
    """Return the ids of all items, commits or environments of a repository."""
    sql = f"SELECT id FROM {table} WHERE repository_id = :repository_id"
    return query.values(tx, sql, repository_id=repository_id)


def linked(tx: Transaction, item_ids: Sequence[int]) -> list[Item]:
    """Return those of some items that are linked."""
    sql = """SELECT * FROM items WHERE id IN ({names}) AND EXISTS (SELECT 1 FROM links
        WHERE links.target_id = items.id AND links.kind = items.kind)"""
    return query.in_parts(tx, Item, sql, item_ids)


def experiments_of(tx: Transaction, repository_id: int) -> list[str]:
    """Return the keys in whose feeds a repository is."""
    sql = "SELECT DISTINCT experiment_key FROM activity WHERE repository_id = :repository_id"
    return query.values(tx, sql, repository_id=repository_id)


def remove_items(tx: Transaction, item_ids: Sequence[int]) -> None:
    for sql in _OF_ITEM:
        query.run_in_parts(tx, sql, item_ids)


def remove_commits(tx: Transaction, commit_ids: Sequence[int]) -> None:
    sql = """DELETE FROM links WHERE kind = 'commit' AND target_id IN ({names})
        RETURNING CASE WHEN state IS NULL THEN experiment_key END"""
    counted = Counter(query.values_in_parts(tx, sql, commit_ids))
    del counted[None]
    tallies.commits_removed(tx, counted)
    for sql in _OF_COMMIT:
        query.run_in_parts(tx, sql, commit_ids)


def remove_repository(tx: Transaction, repository_id: int) -> None:
    """Take out all that hangs on a repository, and leave nothing of it but its number.

    That is never another's: versions of pull requests elsewhere may name it as their head's.
    """
    for table in _OF_REPOSITORY:
        tx.run(f"DELETE FROM {table} WHERE repository_id = :id", {"id": repository_id})
    sql = """UPDATE repositories SET host = '', github_id = NULL, full_name = '', name_key = '',
        named_at = NULL, default_branch = NULL, deleted_at = NULL, last_activity = 0,
        visibility = NULL, visibility_at = NULL, archived = NULL, archived_at = NULL,
        speaker_id = NULL, is_contested = 0, owner_id = NULL
        WHERE id = :id"""
    tx.run(sql, {"id": repository_id})


# Commands that an integration has told of and GitHub has not confirmed, or that are in no item.
_LOOSE_COMMANDS = """SELECT commands.id FROM commands
    JOIN command_comments AS said ON said.id = commands.comment_row
    WHERE said.repository_id = :repository_id AND said.integration_id = :integration_id
    AND (said.verified = 0 OR NOT EXISTS (SELECT 1 FROM items
        WHERE items.repository_id = said.repository_id AND items.kind = said.kind
        AND items.number = said.number))"""


def prune_commands(tx: Transaction, repository_id: int, integration_id: str) -> None:
    """Take out of the feeds such commands. What became of them is still told in their list."""
    place = {"repository_id": repository_id, "integration_id": integration_id}
    guids = [f"command:{one}" for one in query.values(tx, _LOOSE_COMMANDS, **place)]
    told = query.in_parts(tx, Activity, "SELECT * FROM activity WHERE guid IN ({names})", guids)
    if told:
        query.run_in_parts(tx, "DELETE FROM activity WHERE guid IN ({names})", guids)
        _heard_last(tx, repository_id, list({one.experiment_key for one in told}))


# What the feed tells of a repository's deployments of which one integration alone has told, but for
# what is live since then, in an environment that stays.
_TOLD_OF_LIVE = """FROM activity WHERE repository_id = :repository_id AND type = 'pull_request.live'
    AND EXISTS (SELECT 1 FROM integrations JOIN deliveries
        ON deliveries.integration_seq = integrations.seq AND deliveries.guid = activity.guid
        WHERE integrations.id = :integration_id)
    AND NOT EXISTS (SELECT 1 FROM integrations JOIN deliveries
        ON deliveries.integration_seq = integrations.seq AND deliveries.guid = activity.guid
        WHERE integrations.id <> :integration_id)
    AND NOT EXISTS (SELECT 1 FROM live WHERE live.item_id = activity.item_id
        AND live.guid = activity.guid AND live.ended_at IS NULL)"""


def remove_environments(tx: Transaction, repository_id: int, integration_id: str) -> list[Item]:
    """Take out environments that one integration alone told of; return what was live there.

    With what the feed tells of them, and of its deployments to others.
    """
    shown: list[Item] = []
    keys = experiments_of(tx, repository_id)
    place = {"repository_id": repository_id}
    environment_ids = told_alone(tx, "environments", repository_id, integration_id)
    for environment_id in environment_ids:
        shown += live.there(tx, environment_id)
        sql = """DELETE FROM activity WHERE repository_id = :repository_id
            AND EXISTS (SELECT 1 FROM live WHERE live.environment_id = :id
                AND live.item_id = activity.item_id AND live.guid = activity.guid)"""
        tx.run(sql, {**place, "id": environment_id})
    environments.remove(tx, environment_ids)
    gone = tx.run(f"DELETE {_TOLD_OF_LIVE}", {**place, "integration_id": integration_id})
    if environment_ids or gone:
        _heard_last(tx, repository_id, keys)
    return shown


def hand_over(tx: Transaction, repository_id: int, integration_id: str) -> list[Item]:
    """Let what others told of too be theirs alone; return the items among it."""
    place = {"repository_id": repository_id, "integration_id": integration_id}
    handed = []
    kinds = (("items", "item"), ("commits", "commit"), ("environments", "environment"))
    for table, kind in kinds:
        sql = f"""SELECT id FROM {table} WHERE repository_id = :repository_id
            AND integration_id = :integration_id"""
        found = query.values(tx, sql, **place)
        if kind == "item":
            handed = found
        query.run_in_parts(tx, _next_teller(table, kind), found)
        query.run_in_parts(tx, _no_teller(table, kind), found)
        sql = f"""DELETE FROM tellers WHERE kind = '{kind}' AND integration_id = :integration_id
            AND target_id IN (SELECT id FROM {table} WHERE repository_id = :repository_id)"""
        tx.run(sql, place)
    query.run_in_parts(
        tx, "UPDATE posts SET integration_id = NULL WHERE item_id IN ({names})", handed
    )
    sql = """UPDATE links SET integration_id = COALESCE((SELECT integration_id FROM items
            WHERE items.id = links.target_id AND links.kind <> 'commit'),
            (SELECT integration_id FROM commits WHERE commits.id = links.target_id
            AND links.kind = 'commit'), integration_id)
        WHERE repository_id = :repository_id AND integration_id = :integration_id"""
    tx.run(sql, place)
    return query.in_parts(tx, Item, "SELECT * FROM items WHERE id IN ({names})", handed)


def _next_teller(table: str, kind: str) -> str:
    told = f"FROM tellers WHERE kind = '{kind}' AND target_id = {table}.id"
    return f"""UPDATE {table} SET integration_id = COALESCE(
        (SELECT MIN(integration_id) {told} AND integration_id IN (
            SELECT id FROM integrations WHERE deleted_at IS NULL)),
        (SELECT MIN(integration_id) {told})) WHERE id IN ({{names}})"""


def _no_teller(table: str, kind: str) -> str:
    return f"""DELETE FROM tellers WHERE kind = '{kind}' AND target_id IN ({{names}})
        AND integration_id = (SELECT integration_id FROM {table}
            WHERE {table}.id = tellers.target_id)"""


def prune_feeds(tx: Transaction, repository_id: int) -> None:
    """Take out of the feeds what tells of items and commits of a repository that are gone.

    When the last thing happened is found out anew. Walks the whole feed, which is rare enough.
    """
    keys = experiments_of(tx, repository_id)
    sql = """DELETE FROM activity WHERE repository_id = :id AND (
        (item_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM items WHERE items.id = item_id))
        OR (commit_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM commits WHERE commits.id = commit_id)))"""
    tx.run(sql, {"id": repository_id})
    _heard_last(tx, repository_id, keys)


def _heard_last(tx: Transaction, repository_id: int, keys: Sequence[str]) -> None:
    """Find out anew when a repository, and some experiments, were last heard of."""
    sql = """UPDATE repositories SET last_activity = COALESCE((SELECT MAX(position) FROM activity
        WHERE activity.repository_id = repositories.id), 0) WHERE id = :id"""
    tx.run(sql, {"id": repository_id})
    sql = """UPDATE experiments SET last_activity = COALESCE((SELECT MAX(position) FROM activity
        WHERE activity.experiment_key = experiments.key), 0) WHERE key IN ({names})"""
    query.run_in_parts(tx, sql, keys)
