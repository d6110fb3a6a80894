"""The audit: who changed what, when, from what to what. It is only read."""

from typing import Annotated, Any, get_args

from msgspec import Meta, Struct

from bot import storage as store
from bot.api.models import Id, Time, shaped, text
from bot.domain import audit
from bot.domain.actors import Kind
from bot.domain.errors import Invalid
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Audit")
AuditType = Annotated[
    str, Meta(description="What was done.", extra_json_schema={"enum": list(audit.TYPES)})
]
ActorKind = Annotated[
    str,
    Meta(
        description="An API token, a session of the dashboard, somebody on GitHub who gave a "
        "command, the command line, or the bot itself.",
        extra_json_schema={"enum": list(get_args(Kind))},
    ),
]
Fields = Annotated[
    dict[str, Any],
    Meta(description="The fields that changed. Secrets are `********`, long texts are cut."),
]


class AuditActor(Struct):
    """Who did it. The `id` is a token's, also of the sessions that it began; of a session of
    somebody from GitHub `github:HOST:NUMBER`, of a command there `github:HOST:LOGIN`; else `cli` or
    `system`."""

    kind: ActorKind
    id: str
    name: str


class AuditTarget(Struct):
    """What it was done to, by the name that it had then."""

    kind: str
    id: str
    name: str


class AuditEntry(Struct):
    """A change. `before` is null of what was made, `after` of what was deleted."""

    id: Id
    at: Time
    actor: AuditActor
    type: AuditType
    target: AuditTarget
    before: Fields | None
    after: Fields | None


class AuditQuery(Paged, forbid_unknown_fields=True):
    actor: Annotated[str, text(200, "The id or the name of whoever did it.", minimum=1)] | None = (
        None
    )
    type: AuditType | None = None

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in audit.TYPES:
            raise Invalid.field("type", "choice")


@operations.add(
    "GET",
    "/api/v1/audit",
    role="admin",
    summary="List who changed what",
    query=AuditQuery,
    answers={200: Page[AuditEntry]},
)
async def list_all(call: Call) -> Any:
    """The newest first. Entries are kept for a year, and nothing changes or removes one before."""
    query: AuditQuery = call.query
    return await call.page(
        1, lambda tx, *part: store.audit.listed(tx, query.actor, query.type, *part), shown
    )


def shown(row: store.Audit) -> AuditEntry:
    """Return a row of the audit as the API shows it."""
    actor = AuditActor(row.actor_kind, row.actor_id, row.actor_name)
    target = AuditTarget(row.target_kind, row.target_id, row.target_name)
    return shaped(AuditEntry, row, actor=actor, target=target)
