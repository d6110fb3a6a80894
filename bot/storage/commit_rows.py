"""Rows as types: commits and the branches that they are on (see rows.py)."""

from bot.storage.rows import Row

FETCHED = "fetched:"  # with what the `guid` of something begins that no delivery told


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

    @property
    def is_fetched(self) -> bool:
        """Tell whether GitHub lists it, and no push that was delivered told of it."""
        return self.guid is not None and self.guid.startswith(FETCHED)


class BranchCommit(Row, frozen=True):
    """`branch_commits`: where and when a commit was pushed first, and whether it was new then.

    `again_at` is when the branch last had it, if that was said later, `gone_at` when it had not.
    """

    id: int
    repository_id: int
    ref: str
    commit_id: int
    pushed_at: int
    is_new: bool | None
    again_at: int | None
    gone_at: int | None

    @property
    def is_gone(self) -> bool:
        """Whether the branch was rewritten without the commit, as far as is known."""
        return self.gone_at is not None and self.gone_at >= (self.again_at or self.pushed_at)


class Rewrite(Row, frozen=True):
    """`rewrites`: a force push, and the heads of the branch before and after it."""

    repository_id: int
    ref: str
    pushed_at: int
    before_sha: str
    after_sha: str


class BranchStart(Row, frozen=True):
    """`branch_starts`: when a branch was made."""

    repository_id: int
    ref: str
    started_at: int
