"""Rows of what `.github/experiments.yml` says; see migrations/0029_rules.sql."""

from typing import Annotated, Any, Literal

from bot.storage.rows import JSON, Row

Source = Literal["own", "owner"]


class RepositoryRules(Row, frozen=True):
    """`repository_rules`: what the file says in a repository, as it was last read."""

    repository_id: int
    source: Source | None
    sha: str | None
    settings: Annotated[dict[str, Any] | None, JSON]
    problems: Annotated[list[dict[str, Any]], JSON]
    is_stale: bool
    read_at: int
    integration_id: str


class RulesProblems(Row, frozen=True):
    """`rules_problems`: what is wrong with the file at the head of a pull request."""

    item_id: int
    head_sha: str
    problems: Annotated[list[dict[str, Any]], JSON]
