"""Rows as types: what GitHub delivered and the store lacks (see rows.py).

What a column means is told in migrations/0022_recovery.sql.
"""

from typing import Annotated, Literal

from msgspec import Struct

from bot.storage.rows import JSON, Row

HookKind = Literal["app", "repository", "organization"]
OF_APP = 0  # the `hook_id` of an App's webhook, of which there is one


class Hook(Row, frozen=True):
    """`hooks`: a webhook that brings an integration's deliveries."""

    integration_id: str
    hook_id: int
    kind: HookKind
    target_id: int | None
    target: str
    heard_at: int | None = None
    confirmed_at: int | None = None
    asked_at: int | None = None
    read_to: int | None = None
    page: str | None = None
    newest_at: int | None = None
    is_read: bool = True
    reason: str | None = None
    remedy: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return "the App's webhook" if self.kind == "app" else f"the webhook of {self.target}"


class Trouble(Struct, frozen=True):
    """What could not be had: where, why, what people can do about it, the permission it takes."""

    where: str
    reason: str
    remedy: str | None = None
    permission: str | None = None

    def __str__(self) -> str:
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{self.where}: {self.reason}{remedy}"


class Sweep(Row, frozen=True):
    """`sweeps`: the sweep of an integration that is under way, else its last."""

    integration_id: str
    action_id: str
    started_at: int
    ended_at: int | None
    since: int | None
    searched: bool
    listed: int
    taken_in: int
    known: int
    not_handled: int
    not_allowed: int
    lost: int
    calls: int
    note: str | None
    troubles: Annotated[tuple[Trouble, ...], JSON]


class Missed(Row, frozen=True):
    """`missed`: a delivery that GitHub lists and the store lacks."""

    integration_id: str
    guid: str
    hook_id: int
    delivery_id: int
    first_id: int
    first_at: int
    event: str
    repository_id: int | None
    attempts: int = 0
    lost_at: int | None = None
