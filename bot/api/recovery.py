"""Recovery: what GitHub could not deliver is read from its API."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot import times
from bot.api.integrations import PATH
from bot.api.models import Id, Time
from bot.emails import without_emails
from bot.operations import recovery
from bot.web.operations import Call, Operations

operations = Operations("Integrations")
_RECOVER = f"{PATH}/{{integration_id}}/recover"


class Ordered(Struct):
    """What was asked for is going to be done."""

    action_id: Annotated[Id, Meta(description="`GET /api/v1/actions/{action_id}` tells of it.")]


class RecoveryProblem(Struct):
    """What could not be had."""

    where: Annotated[str, Meta(description="Such as `the webhook of acme/shop`.")]
    reason: str
    remedy: Annotated[str | None, Meta(description="What to do about it.")]
    permission: Annotated[str | None, Meta(description="The permission that is missing, if so.")]


class Recovery(Struct):
    """The sweep that is under way, else the last one, and what came of it.

    All but `running`, `next_at` and `problems` is null before the first.
    """

    running: Annotated[bool, Meta(description="A sweep is under way, or about to be.")]
    action_id: Id | None
    started_at: Time | None
    ended_at: Annotated[Time | None, Meta(description="null while it is under way.")]
    since: Annotated[
        Time | None, Meta(description="From when on GitHub's lists of deliveries were read.")
    ]
    next_at: Annotated[
        Time | None, Meta(description="When the next one is due; null if none is by itself.")
    ]
    listed: Annotated[int | None, Meta(description="Attempts to deliver, in GitHub's lists.")]
    taken_in: Annotated[int | None, Meta(description="Deliveries that were missed.")]
    known: Annotated[int | None, Meta(description="Attempts at what had been stored.")]
    not_handled: Annotated[int | None, Meta(description="Attempts at what nobody handles.")]
    not_allowed: Annotated[
        int | None, Meta(description="What is about repositories that are not allowed.")
    ]
    lost: Annotated[
        int | None, Meta(description="Deliveries whose payload GitHub does not have any more.")
    ]
    calls: Annotated[int | None, Meta(description="Calls that were made to GitHub.")]
    note: Annotated[
        str | None,
        Meta(
            description="Why there was nothing to read, such as `another integration sweeps this "
            "App`."
        ),
    ]
    waits_for: Annotated[
        str | None, Meta(description="Why the sweep that is under way waits, if it does.")
    ]
    problems: list[RecoveryProblem]


@operations.add(
    "POST",
    _RECOVER,
    role="developer",
    summary="Recover what GitHub could not deliver",
    answers={202: Ordered},
    problems=(409,),
)
async def order(call: Call) -> Any:
    """Reads GitHub's list of deliveries now, and takes in what is missed, at most three days old.

    With a token, the webhooks that lead here are looked for first: in the repositories of the
    allow-list, else in those that the token may administer. 409 if the integration is not active.
    """
    action_id = await recovery.order(call.services, call.actor, call.id("integration_id"))
    return 202, Ordered(action_id)


@operations.add(
    "GET",
    _RECOVER,
    role="developer",
    summary="Tell what was recovered",
    answers={200: Recovery},
)
async def get(call: Call) -> Any:
    """When GitHub was last asked, what was taken in, and what could not be had."""
    return shown(await recovery.state(call.services, call.id("integration_id")))


def shown(state: recovery.State) -> Recovery:
    """Return how recovery does as the API shows it."""
    sweep = state.sweep
    counts = ("listed", "taken_in", "known", "not_handled", "not_allowed", "lost", "calls", "note")
    return Recovery(
        running=state.is_running,
        action_id=sweep.action_id if sweep is not None else None,
        started_at=times.render(sweep.started_at if sweep is not None else None),
        ended_at=times.render(sweep.ended_at if sweep is not None else None),
        since=times.render(sweep.since if sweep is not None else None),
        next_at=times.render(state.next_at),
        **{name: getattr(sweep, name, None) for name in counts},
        waits_for=without_emails(state.waits_for) if state.waits_for else None,
        problems=[
            RecoveryProblem(one.where, one.reason, one.remedy, one.permission)
            for one in (sweep.troubles if sweep is not None else ())
        ],
    )
