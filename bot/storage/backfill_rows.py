"""Rows of backfills and of reconciliation as types (see rows.py)."""

from typing import Annotated, Literal

from msgspec import Struct

from bot.storage.rows import JSON, Row

BackfillStatus = Literal["waiting", "reading", "done", "failed", "stopped"]
Stage = Literal["pull_request", "issue"]


class Listing(Struct, frozen=True):
    """What is still to be asked for the repositories that it may see.

    `installations` are those of an App, the present one first; `page` is the query of its next
    page, null for the first.
    """

    installations: tuple[int, ...]
    page: str | None = None


class BackfillRun(Row, frozen=True):
    """`backfill_runs`: the last backfill of an integration.

    `error`: why it cannot be found out which repositories are to be read, until that is retried.
    """

    integration_id: str
    number: int
    dry_run: bool
    days: int
    listing: Annotated[Listing | None, JSON]
    started_at: int
    error: str | None = None


class Backfill(Row, frozen=True):
    """`backfills`: a repository that an integration reads; migrations/0025_backfill.sql tells more.

    `linked` counts what names an experiment.
    """

    integration_id: str
    name_key: str
    full_name: str
    github_id: int | None
    repository_id: int | None
    run: int
    days: int
    dry_run: bool
    status: BackfillStatus
    since: int
    stage: Stage
    page: str | None
    boundary: int | None
    top: int | None
    caught_up_to: int | None
    unread: Annotated[tuple[int, ...], JSON]
    step: int
    pull_requests: int
    issues: int
    linked: int
    error: str | None
    started_at: int | None
    finished_at: int | None

    @property
    def is_open(self) -> bool:
        """Tell whether something of it is still to be read."""
        return self.status in ("waiting", "reading")


class BackfillSums(Row, frozen=True):
    """What has become of the repositories of a run, all together."""

    total: int
    waiting: int
    reading: int
    failed: int
    stopped: int
    pull_requests: int
    issues: int
    linked: int
    finished_at: int | None


class Stale(Row, frozen=True):
    """A pull request, or with number 0 a repository, that nobody has heard of for long."""

    repository_id: int
    number: int
    item_id: int | None
    integration_id: str
