"""Clean-up issues: what is left of an experiment that is over is to be taken out of the code."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot.api.links import EXPERIMENT
from bot.api.models import Id, RepositoryName, shaped
from bot.operations import clean_ups
from bot.web.operations import Call, Operations

operations = Operations("Code")


class CleanUpOrder(Struct, forbid_unknown_fields=True):
    """Where the code is to be cleaned up."""

    integration_id: Annotated[Id, Meta(max_length=36)]
    repository: (
        Annotated[
            RepositoryName,
            Meta(
                description="Unless given, every repository that the integration serves and that "
                "has something left of the experiment."
            ),
        ]
        | None
    ) = None


class OrderedCleanUp(Struct):
    """The clean-up of a repository; the action tells how it goes, and which issue it is."""

    repository: str
    action_id: Id


class OrderedCleanUps(Struct):
    """What was ordered."""

    items: list[OrderedCleanUp]


@operations.add(
    "POST",
    f"{EXPERIMENT}/clean-up",
    role="developer",
    summary="Order clean-up issues",
    body=CleanUpOrder,
    answers={202: OrderedCleanUps},
    problems=(409,),
)
async def order(call: Call) -> Any:
    """One issue for each repository, made once, that lists where a completed or archived
    experiment still stands in the default branch. One that was closed is opened again, and one that
    was deleted made anew.

    409 says that the experiment is not over, that nothing of it is in the code, or that the code
    was not read yet.
    """
    body: CleanUpOrder = call.body
    ordered = await clean_ups.order(
        call.services, call.actor, call.path("key"), body.integration_id, body.repository
    )
    return 202, OrderedCleanUps([shaped(OrderedCleanUp, one) for one in ordered])
