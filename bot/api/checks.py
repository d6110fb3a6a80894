"""Checks: whether GitHub reaches an integration, and whether it may do its work there."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot import doctor, times
from bot.api.integrations import PATH
from bot.api.models import Id, Time, shaped
from bot.operations import found
from bot.services import Services
from bot.web.operations import Call, Operations

operations = Operations("Integrations")


class CheckFinding(Struct):
    """What one step of a check found."""

    check: Annotated[str, Meta(description="The step, such as `credential` or `webhook`.")]
    status: doctor.Status
    message: Annotated[str, Meta(description="What was found.")]
    remedy: Annotated[str | None, Meta(description="What to do about it; null where all is well.")]


class IntegrationCheck(Struct):
    """How an integration does, step by step."""

    integration_id: Id
    checked_at: Time
    ok: Annotated[bool, Meta(description="No finding is a problem; there may be warnings.")]
    findings: list[CheckFinding]


@operations.add(
    "POST",
    f"{PATH}/{{integration_id}}/check",
    role="developer",
    summary="Check an integration",
    answers={200: IntegrationCheck},
)
async def run(call: Call) -> Any:
    """Asks GitHub who the credential is, what it may do, and where the webhook points.

    Looks at recent deliveries and actions as well. On GitHub it only reads, and each warning and
    problem has its remedy. What the installations of an App were granted is kept. May take a while.
    """
    return await check(call.services, call.id("integration_id"))


async def check(services: Services, integration_id: str) -> IntegrationCheck:
    """Look an integration over; raises NotFound."""
    checked_at = times.now()
    findings = found(await doctor.check(services, integration_id), "integration")
    return IntegrationCheck(
        integration_id=integration_id,
        checked_at=times.render(checked_at),
        ok=all(one.status != "problem" for one in findings),
        findings=[shaped(CheckFinding, one) for one in findings],
    )
