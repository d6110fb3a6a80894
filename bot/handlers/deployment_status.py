"""`deployment_status`: a commit runs in an environment, once its deployment has succeeded.

What goes when its pull request does (a preview) is not deployed: it is `transient_environment`, or
its `ref` is the pull request's own.
https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_status
"""

from gidgethub.routing import Router

from bot.domain import live
from bot.github.delivered import DeliveredEvent
from bot.github.deployments import DeploymentStatusEvent
from bot.github.events import DEPLOYMENTS, Heard
from bot.handlers.dispatch import Delivery

HEARS = Heard(
    "deployment_status",
    "which commit runs where: it tells which merged pull requests are live",
    DEPLOYMENTS,
    webhook="Deployment statuses",
    reads=DeploymentStatusEvent,
)
router = Router()
_PULL_REQUESTS = "refs/pull/"  # with what the refs of pull requests begin


@router.register("deployment_status")
async def told(event: DeliveredEvent, delivery: Delivery) -> None:
    """One that has not succeeded changes nothing: what was there before is there still."""
    payload = event.read(DeploymentStatusEvent)
    status, deployment = payload.deployment_status, payload.deployment
    environment = status.environment or deployment.environment
    is_preview = deployment.transient_environment is True or (deployment.ref or "").startswith(
        _PULL_REQUESTS
    )
    if payload.repository is None or status.state != "success" or is_preview:
        return
    if deployment.sha is None or environment is None:
        return
    told_at = (
        delivery.time(status.created_at) or delivery.time(status.updated_at) or delivery.received_at
    )
    creator = status.creator or deployment.creator or payload.sender
    live.deployed(
        delivery.tx,
        live.Deployment(
            repository_id=delivery.repository(payload.repository),
            environment=environment,
            says_production=deployment.production_environment,
            sha=deployment.sha,
            begun_at=delivery.time(deployment.created_at) or told_at,
            told_at=told_at,
            told_id=status.id or 0,
            actor=creator.login if creator is not None else None,
            guid=delivery.guid,
            integration_id=delivery.integration_id,
        ),
    )
