"""Rows of what was read of the diffs of pull requests; migrations/0027_diffs.sql tells more."""

from typing import Annotated, Literal

from bot.storage.code_rows import Unread
from bot.storage.rows import JSON, Row

Change = Literal["added", "removed", "moved"]


class Diff(Row, frozen=True):
    """`diffs`: what was read of a pull request's diff. `base_sha` is the merge base."""

    item_id: int
    head_sha: str
    base_ref: str
    base_sha: str | None
    status: Literal["read", "partial"]
    unread: Annotated[tuple[Unread, ...], JSON]
    unread_count: int
    vocabulary: int
    rules: str
    words: bytes | None
    files: int
    read_at: int
    integration_id: str


class DiffReference(Row, frozen=True):
    """`diff_references`. `alias` is '' where the key itself is what is written."""

    item_id: int
    experiment_key: str
    change: Change
    path: str
    line: int
    alias: str
