"""Backfills: read what repositories had before the bot heard of them."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from bot import times
from bot.api.integrations import PATH
from bot.api.models import Reason, Time, shaped
from bot.operations import backfills
from bot.web.operations import Call, Operations

operations = Operations("Integrations")
_PATH = f"{PATH}/{{integration_id}}/backfill"

_Days = Annotated[
    int,
    Meta(
        ge=1,
        le=365,
        description="What was updated in so many days is read: as many as `backfill_days` of the "
        "integration unless given, or 30 if that is 0.",
    ),
]
_Names = Annotated[
    list[Annotated[str, Meta(max_length=210, description="`owner/name`.")]],
    Meta(
        min_length=1,
        max_length=1000,
        description="Unless given, all that the integration is known to serve, those of its "
        "allow-list, and of an App all that its installations may see.",
    ),
]


class BackfillOrder(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to read."""

    repositories: _Names | UnsetType | None = UNSET
    days: _Days | UnsetType | None = UNSET
    dry_run: Annotated[
        bool, Meta(description="Read and count, and change nothing but what this says.")
    ] = False


class BackfillRepositories(Struct):
    """How many repositories are read, of how many."""

    done: Annotated[int, Meta(description="Those that could not be read are among them.")]
    total: int


class Backfill(Struct):
    """How far the last backfill is."""

    status: Annotated[
        backfills.Status,
        Meta(
            description="`pending` until the first repository is begun; `failed` if one could not "
            "be read, GitHub could not be asked which there are, or it was stopped. `done` with "
            "nothing in it if there was none yet."
        ),
    ]
    repositories: BackfillRepositories
    pull_requests: Annotated[int, Meta(description="Pull requests that were read.")]
    issues: Annotated[int, Meta(description="Issues that were read.")]
    linked: Annotated[
        int,
        Meta(description="Of both, those that are linked, or in a dry run name an experiment."),
    ]
    dry_run: bool
    started_at: Time | None
    finished_at: Time | None
    error: Annotated[
        Reason | None, Meta(description="Which repository could not be read, and why.")
    ]
    waits_for: Annotated[Reason | None, Meta(description="Why it does not go on now, if so.")]


@operations.add(
    "POST",
    _PATH,
    role="developer",
    summary="Read what repositories had before",
    body=BackfillOrder,
    is_body_optional=True,
    answers={202: Backfill},
    problems=(409,),
)
async def start(call: Call) -> Any:
    """Pull requests and issues are read, those updated last first, and linked as if their
    deliveries had come; with those linked, the commits of pull requests. What deliveries said
    stands. While another is under way this joins it, unless only one of them is a dry run."""
    order: BackfillOrder = call.body
    names, days = order.repositories or None, order.days or None
    started = await backfills.start(
        call.services, call.actor, call.id("integration_id"), names, days, dry_run=order.dry_run
    )
    return 202, shown(started)


@operations.add(
    "GET",
    _PATH,
    role="developer",
    summary="Get how far a backfill is",
    answers={200: Backfill},
)
async def get(call: Call) -> Any:
    """The last one of the integration, whoever started it."""
    integration_id = call.id("integration_id")
    found = await call.services.database.read(lambda tx: backfills.progress(tx, integration_id))
    return shown(found)


@operations.add(
    "DELETE",
    _PATH,
    role="developer",
    summary="Stop a backfill",
    answers={204: None},
)
async def stop(call: Call) -> Any:
    """Nothing more is read; what was read stays."""
    await backfills.stop(call.services, call.actor, call.id("integration_id"))
    return 204, None


def shown(found: backfills.Progress) -> Backfill:
    """Return how far a backfill is as the API shows it."""
    counted = found.repositories
    return shaped(
        Backfill,
        found,
        repositories=BackfillRepositories(counted.done, counted.total),
        started_at=times.render(found.started_at),
        finished_at=times.render(found.finished_at),
    )
