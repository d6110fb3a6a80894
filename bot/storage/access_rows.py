"""Rows as types: who may use the service, and what they changed (see rows.py)."""

from typing import Annotated, Any

from bot.storage import columns
from bot.storage.rows import JSON, Row


class Token(Row, frozen=True):
    """`api_tokens`: of the token itself only the hash is kept.

    `maker` is the id of the token, or the subject of the session, that made it.
    """

    seq: int
    id: str
    name: str
    role: columns.Role
    hash: str
    is_bootstrap: bool
    created_at: int
    last_used_at: int | None
    revoked_at: int | None
    maker: str | None
    created_by: str | None  # what the maker was called


class Session(Row, frozen=True):
    """`sessions` of the dashboard; `hash` is of what is in the cookie.

    Who came through GitHub has an App, the client that it was then, and a sealed token.
    """

    seq: int
    id: str
    hash: str
    subject: str
    name: str
    role: columns.Role
    token_id: str | None
    integration_id: str | None
    client_id: str | None
    credential: str | None
    confirmed_at: int | None
    ask_at: int | None
    asking_until: int | None
    created_at: int
    seen_at: int


class Audit(Row, frozen=True):
    """`audit`: who changed what. `before` and `after` are without secrets."""

    seq: int
    id: str
    at: int
    actor_kind: str
    actor_id: str
    actor_name: str
    type: str
    target_kind: str
    target_id: str
    target_name: str
    before: Annotated[dict[str, Any] | None, JSON]
    after: Annotated[dict[str, Any] | None, JSON]
