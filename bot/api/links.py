"""What is linked to experiments, what waits for one, and pull requests seen from their own side."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from bot import storage as store
from bot import times
from bot.api.models import Id, Time
from bot.domain.errors import NotFound
from bot.emails import name_without_email, without_emails
from bot.operations import experiments
from bot.storage import ExperimentStatus as Status
from bot.storage import LinkedBy
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Links")
EXPERIMENT = "/api/v1/experiments/{key}"


class PullRequest(Struct):
    """A pull request as GitHub last told of it."""

    repository: str
    number: int
    title: str
    html_url: str
    state: Literal["open", "closed", "merged"]
    draft: bool
    author: str | None
    head_ref: str | None
    head_sha: str | None
    base_ref: str | None
    created_at: Time
    merged_at: Time | None
    closed_at: Time | None
    integration_id: Id | None


class LinkedPullRequest(PullRequest):
    """A pull request of an experiment."""

    linked_by: LinkedBy
    linked_at: Time


class LinkedExperiment(Struct):
    """An experiment that a pull request names; `name` and `status` are null until it exists."""

    key: str
    name: str | None
    status: Status | None
    linked_by: LinkedBy


class PullRequestDetail(PullRequest):
    """A pull request and the experiments it belongs to."""

    experiments: list[LinkedExperiment]


class LinkedIssue(Struct):
    """An issue of an experiment."""

    repository: str
    number: int
    title: str
    html_url: str
    state: Literal["open", "closed"]
    labels: list[str]
    linked_by: LinkedBy
    linked_at: Time
    integration_id: Id | None


class LinkedCommit(Struct):
    """A commit of an experiment, without anybody's e-mail address."""

    repository: str
    sha: str
    message: str
    author: str | None
    html_url: str
    ref: str
    committed_at: Time
    linked_by: LinkedBy
    integration_id: Id | None


class UnresolvedLink(Struct):
    """A link to an experiment that does not exist yet."""

    experiment_key: str
    kind: Literal["pull_request", "issue", "commit"]
    repository: str
    number: int | None
    sha: str | None
    title: str
    html_url: str
    linked_by: LinkedBy
    linked_at: Time
    integration_id: Id | None


class PullRequestQuery(Paged, forbid_unknown_fields=True):
    state: Literal["open", "closed", "merged"] | None = None


class IssueQuery(Paged, forbid_unknown_fields=True):
    state: Literal["open", "closed"] | None = None


@operations.add(
    "GET",
    f"{EXPERIMENT}/pull-requests",
    role="viewer",
    summary="List an experiment's pull requests",
    query=PullRequestQuery,
    answers={200: Page[LinkedPullRequest]},
    problems=(404,),
)
async def pull_requests(call: Call) -> Any:
    """By what happened last, the latest first: those that are `open` by when they were updated,
    `merged` by when they were merged, `closed` by when they were closed; all of them by the latest
    of these."""
    return await _items(call, "pull_request", linked_pull_request)


@operations.add(
    "GET",
    f"{EXPERIMENT}/issues",
    role="viewer",
    summary="List an experiment's issues",
    query=IssueQuery,
    answers={200: Page[LinkedIssue]},
    problems=(404,),
)
async def issues(call: Call) -> Any:
    """By what happened last, the latest first: those that are `open` by when they were updated,
    `closed` by when they were closed; all of them by the latest of these."""
    return await _items(call, "issue", linked_issue)


@operations.add(
    "GET",
    f"{EXPERIMENT}/commits",
    role="viewer",
    summary="List an experiment's commits",
    query=Paged,
    answers={200: Page[LinkedCommit]},
    problems=(404,),
)
async def commits(call: Call) -> Any:
    """By `committed_at`, the latest first."""
    query: Paged = call.query
    key, before = call.path("key"), call.position(2)
    rows = await experiments.read(
        call.services,
        key,
        lambda tx: store.linked.commits_of_experiment(tx, key, before, query.limit),
    )
    return call.page(rows, linked_commit)


@operations.add(
    "GET",
    "/api/v1/links/unresolved",
    role="viewer",
    summary="List links whose experiment does not exist yet",
    query=Paged,
    answers={200: Page[UnresolvedLink]},
)
async def unresolved(call: Call) -> Any:
    """The newest first. Creating the experiment resolves them."""
    query: Paged = call.query
    before = call.position(1)
    rows = await call.services.database.read(
        lambda tx: store.linked.unresolved(tx, before, query.limit)
    )
    return call.page(rows, _unresolved)


@operations.add(
    "GET",
    "/api/v1/pull-requests/{owner}/{repo}/{number}",
    role="viewer",
    summary="Get a pull request and its experiments",
    answers={200: PullRequestDetail},
    problems=(404,),
)
async def pull_request(call: Call) -> Any:
    """404 if the bot never saw it. Names ignore case, as GitHub's do."""
    full_name = f"{call.path('owner')}/{call.path('repo')}"
    number = int(call.path("number"))

    def job(tx: store.Transaction) -> PullRequestDetail | None:
        row = store.items.by_name(tx, full_name, "pull_request", number)
        if row is None:
            return None
        linked = store.links.of_targets_with_experiments(tx, "pull_request", row.id)
        return PullRequestDetail(
            **_pull_request(row, row.integration_id),
            experiments=[
                LinkedExperiment(
                    key=link.experiment_key,
                    name=link.name,
                    status=link.status,
                    linked_by=link.linked_by,
                )
                for link in linked
            ],
        )

    found = await call.services.database.read(job)
    if found is None:
        raise NotFound("pull request that the bot has seen")
    return found


async def _items(call: Call, kind: str, item: Callable[[Any], Any]) -> Any:
    key, query = call.path("key"), call.query
    before = call.position(2)
    rows = await experiments.read(
        call.services,
        key,
        lambda tx: store.linked.items_of_experiment(
            tx, key, kind, query.state, before, query.limit
        ),
    )
    return call.page(rows, item)


def _pull_request(row: store.NamedItem, integration_id: str | None) -> dict[str, Any]:
    return {
        "repository": row.repository,
        "number": row.number,
        "title": without_emails(row.title),
        "html_url": row.html_url,
        "state": row.state,
        "draft": row.draft,
        "author": name_without_email(row.author),
        "head_ref": row.head_ref,
        "head_sha": row.head_sha,
        "base_ref": row.base_ref,
        "created_at": times.render(row.created_at),
        "merged_at": times.render(row.merged_at),
        "closed_at": times.render(row.closed_at),
        "integration_id": integration_id,
    }


def linked_pull_request(row: store.LinkedItem) -> LinkedPullRequest:
    """Return a linked pull request's row as the API shows it."""
    return LinkedPullRequest(
        **_pull_request(row, row.link_integration_id),
        linked_by=row.linked_by,
        linked_at=times.render(row.linked_at),
    )


def linked_issue(row: store.LinkedItem) -> LinkedIssue:
    """Return a linked issue's row as the API shows it."""
    return LinkedIssue(
        repository=row.repository,
        number=row.number,
        title=without_emails(row.title),
        html_url=row.html_url,
        state="open" if row.state == "open" else "closed",
        labels=[without_emails(label) for label in row.labels],
        linked_by=row.linked_by,
        linked_at=times.render(row.linked_at),
        integration_id=row.link_integration_id,
    )


def linked_commit(row: store.LinkedCommit) -> LinkedCommit:
    """Return a linked commit's row as the API shows it."""
    return LinkedCommit(
        repository=row.repository,
        sha=row.sha,
        message=without_emails(row.message),
        author=name_without_email(row.author),
        html_url=row.html_url,
        ref=f"refs/heads/{row.ref}",
        committed_at=times.render(row.committed_at),
        linked_by=row.linked_by,
        integration_id=row.integration_id,
    )


def _unresolved(row: store.UnresolvedLink) -> UnresolvedLink:
    return UnresolvedLink(
        experiment_key=row.experiment_key,
        kind=row.kind,
        repository=row.repository,
        number=row.number,
        sha=row.sha,
        title=without_emails(row.title.split("\n", 1)[0]),
        html_url=row.html_url,
        linked_by=row.linked_by,
        linked_at=times.render(row.linked_at),
        integration_id=row.integration_id,
    )
