"""What is linked to experiments, what waits for one, and pull requests seen from their own side."""

from collections.abc import Callable
from typing import Any

from bot import storage as store
from bot import times
from bot.api import models
from bot.api.routing import Call, Operations
from bot.emails import name_without_email, without_emails
from bot.web.problems import not_found

operations = Operations("Links")
EXPERIMENT = "/api/v1/experiments/{key}"


@operations.add(
    "GET",
    f"{EXPERIMENT}/pull-requests",
    role="viewer",
    summary="List an experiment's pull requests",
    query=models.PullRequestQuery,
    answers={200: models.Page[models.LinkedPullRequest]},
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
    query=models.IssueQuery,
    answers={200: models.Page[models.LinkedIssue]},
    problems=(404,),
)
async def issues(call: Call) -> Any:
    """By what happened last, the latest first: those that are `open` by when they were updated,
    `closed` by when they were closed; all of them by the latest of these."""
    return await _items(call, "issue", _linked_issue)


@operations.add(
    "GET",
    f"{EXPERIMENT}/commits",
    role="viewer",
    summary="List an experiment's commits",
    query=models.Paged,
    answers={200: models.Page[models.LinkedCommit]},
    problems=(404,),
)
async def commits(call: Call) -> Any:
    """By `committed_at`, the latest first."""
    query: models.Paged = call.query
    before = call.position(2)

    def job(tx: store.Transaction) -> Any:
        rows = store.links.commits_of_experiment(tx, call.path("key"), before, query.limit)
        return call.page(rows, _linked_commit)

    return await _of_experiment(call, job)


@operations.add(
    "GET",
    "/api/v1/links/unresolved",
    role="viewer",
    summary="List links whose experiment does not exist yet",
    query=models.Paged,
    answers={200: models.Page[models.UnresolvedLink]},
)
async def unresolved(call: Call) -> Any:
    """The newest first. Creating the experiment resolves them."""
    query: models.Paged = call.query
    before = call.position(1)

    def job(tx: store.Transaction) -> Any:
        rows = store.links.unresolved(tx, before, query.limit)
        return call.page(rows, _unresolved)

    return await call.services.database.read(job)


@operations.add(
    "GET",
    "/api/v1/pull-requests/{owner}/{repo}/{number}",
    role="viewer",
    summary="Get a pull request and its experiments",
    answers={200: models.PullRequestDetail},
    problems=(404,),
)
async def pull_request(call: Call) -> Any:
    """404 if the bot never saw it. Names ignore case, as GitHub's do."""
    full_name = f"{call.path('owner')}/{call.path('repo')}"
    number = int(call.path("number"))

    def job(tx: store.Transaction) -> models.PullRequestDetail | None:
        row = store.facts.item_by_name(tx, full_name, "pull_request", number)
        if row is None:
            return None
        linked = store.links.of_targets_with_experiments(tx, "pull_request", row.id)
        return models.PullRequestDetail(
            **_pull_request(row, row.integration_id),
            experiments=[
                models.LinkedExperiment(
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
        raise not_found("pull request that the bot has seen")
    return found


async def _of_experiment(call: Call, job: Callable[[store.Transaction], Any]) -> Any:
    def checked(tx: store.Transaction) -> Any:
        if not store.experiments.exists(tx, call.path("key")):
            return None
        return job(tx)

    found = await call.services.database.read(checked)
    if found is None:
        raise not_found("experiment")
    return found


async def _items(call: Call, kind: str, item: Callable[[Any], Any]) -> Any:
    query = call.query
    before = call.position(2)

    def job(tx: store.Transaction) -> Any:
        rows = store.links.items_of_experiment(
            tx, call.path("key"), kind, query.state, before, query.limit
        )
        return call.page(rows, item)

    return await _of_experiment(call, job)


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


def linked_pull_request(row: store.LinkedItem) -> models.LinkedPullRequest:
    """Return a linked pull request's row as the API shows it."""
    return models.LinkedPullRequest(
        **_pull_request(row, row.link_integration_id),
        linked_by=row.linked_by,
        linked_at=times.render(row.linked_at),
    )


def _linked_issue(row: store.LinkedItem) -> models.LinkedIssue:
    return models.LinkedIssue(
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


def _linked_commit(row: store.LinkedCommit) -> models.LinkedCommit:
    return models.LinkedCommit(
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


def _unresolved(row: store.UnresolvedLink) -> models.UnresolvedLink:
    return models.UnresolvedLink(
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
