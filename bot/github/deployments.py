"""Deployments as GitHub tells of them, and what it says of one commit beside another.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_status
https://docs.github.com/en/rest/commits/commits#compare-two-commits
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bot.github.payloads import Event, Id, PullRequestCommit, Sha, Short, Time, User

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


class Comparison(Struct):
    """A page of what one commit has and another has not, the oldest first."""

    status: Literal["ahead", "behind", "diverged", "identical"]
    total_commits: int
    commits: list[PullRequestCommit] = []
