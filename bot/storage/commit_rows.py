"""Rows as types: commits and the branches that they are on (see rows.py)."""

from bot.storage.rows import Row


class Commit(Row, frozen=True):
    """`commits`. `ref`, `pushed_at`, `actor` and `guid` are those of the first push.

    `made_branch` is null unless that push is the only one: then `branch_commits` has no row of it.
    """

    id: int
    repository_id: int
    sha: str
    message: str
    author: str | None
    actor: str | None
    html_url: str
    ref: str
    committed_at: int
    pushed_at: int
    integration_id: str
    guid: str | None
    was_new: bool | None
    made_branch: bool | None


class BranchCommit(Row, frozen=True):
    """`branch_commits`: where and when a commit was pushed, and whether it was new then."""

    id: int
    repository_id: int
    ref: str
    commit_id: int
    pushed_at: int
    is_new: bool | None


class BranchStart(Row, frozen=True):
    """`branch_starts`: when a branch was made."""

    repository_id: int
    ref: str
    started_at: int
