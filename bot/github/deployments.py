"""Deployments as GitHub tells of them.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_status
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot.github.payloads import Event, Id, Sha, Short, Time, User

Environment = Annotated[str, Meta(min_length=1, max_length=255)]


class Deployment(Struct):
    id: Id | None = None
    sha: Sha | None = None
    ref: Short | None = None
    environment: Environment | None = None
    production_environment: Any = None  # of GitHub Actions false more often than not
    transient_environment: Any = None  # true of what goes when its pull request does
    creator: User | None = None
    created_at: Time = None


class DeploymentStatus(Struct):
    id: Id | None = None
    state: Short | None = None
    environment: Environment | None = None  # where it is another than the deployment's
    creator: User | None = None
    created_at: Time = None
    updated_at: Time = None


class DeploymentStatusEvent(Event, kw_only=True):
    deployment_status: DeploymentStatus
    deployment: Deployment
