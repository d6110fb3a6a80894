"""What is linked to experiments, what waits for one, and pull requests seen from their own side."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bot import storage as store
from bot.api.models import Id, Person, Time, Written, shaped
from bot.domain import diffs
from bot.emails import without_emails
from bot.operations import experiments, found
from bot.storage import ExperimentStatus as Status
from bot.storage import LinkedBy
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Links")
EXPERIMENT = "/api/v1/experiments/{key}"


class Live(Struct):
    """An environment in which a merged pull request is live, and since when."""

    environment: Written
    is_production: bool
    at: Time


class PullRequest(Struct):
    """A pull request as GitHub last told of it."""

    repository: str
    number: int
    title: Written
    html_url: str
    state: Literal["open", "closed", "merged"]
    draft: bool
    author: Person | None
    head_ref: str | None
    head_sha: str | None
    base_ref: str | None
    created_at: Time
    merged_at: Time | None
    closed_at: Time | None
    integration_id: Id | None
    live: Annotated[
        list[Live],
        Meta(
            description="Where its merge commit is part of what is deployed, production first; "
            "empty where it is not, or nobody knows."
        ),
    ]


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


class CodeChange(Struct):
    """A reference to an experiment that a pull request changes.

    `line` is of the new file for what is added or moved, of the old one for what is removed, and
    `html_url` shows it at that commit. `alias` is what is written, null for the key itself.
    """

    experiment_key: str
    change: Literal["added", "removed", "moved"]
    path: str
    line: int
    alias: str | None
    html_url: str


class CodeUnread(Struct):
    """What was not read, and why."""

    path: Annotated[str | None, Meta(description="The file; null if it is more than one.")]
    reason: str


class PullRequestDetail(PullRequest):
    """A pull request, the experiments it belongs to, and what its diff changes."""

    experiments: list[LinkedExperiment]
    code_status: Annotated[
        Literal["read", "partial", "off", "pending"],
        Meta(
            description="How far its diff was read: `pending` until the newest head is, `off` "
            "where code is not read."
        ),
    ]
    code: Annotated[
        list[CodeChange], Meta(description="By path and line, as of what was read last.")
    ]
    code_unread: Annotated[
        list[CodeUnread],
        Meta(description="What is missing where it is `partial`; the first 100."),
    ]


class LinkedIssue(Struct):
    """An issue of an experiment."""

    repository: str
    number: int
    title: Written
    html_url: str
    state: Literal["open", "closed"]
    labels: list[str]
    linked_by: LinkedBy
    linked_at: Time
    integration_id: Id | None


class LinkedCommit(Struct):
    """A commit of an experiment, without anybody's e-mail address.

    `ref` is the branch where it lives. One that was `replaced` by a force push is not counted.
    """

    repository: str
    sha: str
    message: Written
    author: Person | None
    html_url: str
    ref: str
    committed_at: Time
    linked_by: LinkedBy
    replaced: bool
    integration_id: Id | None


class UnresolvedLink(Struct):
    """A link to an experiment that does not exist yet."""

    experiment_key: str
    kind: Literal["pull_request", "issue", "commit"]
    repository: str
    number: int | None
    sha: str | None
    title: Written
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
)
async def commits(call: Call) -> Any:
    """By `committed_at`, the latest first."""
    return await call.page(
        2,
        lambda tx, *part: store.linked.commits_of_experiment(
            tx, experiments.existing(tx, call.path("key")), *part
        ),
        linked_commit,
    )


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
    return await call.page(1, store.linked.unresolved, _unresolved)


@operations.add(
    "GET",
    "/api/v1/pull-requests/{owner}/{repo}/{number}",
    role="viewer",
    summary="Get a pull request and its experiments",
    answers={200: PullRequestDetail},
)
async def pull_request(call: Call) -> Any:
    """404 if the bot never saw it. Names ignore case, as GitHub's do."""
    full_name = f"{call.path('owner')}/{call.path('repo')}"
    number = int(call.path("number"))

    def job(tx: store.Transaction) -> PullRequestDetail:
        row = found(
            store.items.by_name(tx, full_name, "pull_request", number),
            "pull request that the bot has seen",
        )
        linked = store.links.of_targets_with_experiments(tx, "pull_request", row.id)
        code = diffs.code_of(tx, row)
        repository = store.repositories.get(tx, row.repository_id)
        return shaped(
            PullRequestDetail,
            row,
            live=places(store.live.places(tx, [row.id])[row.id]),
            code_status=code.status,
            code=[
                shaped(
                    CodeChange,
                    one,
                    alias=one.alias or None,
                    html_url=diffs.address_of(repository, row, code, one),
                )
                for one in code.references
            ],
            code_unread=[shaped(CodeUnread, one) for one in code.unread],
            experiments=[shaped(LinkedExperiment, one, key=one.experiment_key) for one in linked],
        )

    return await call.services.database.read(job)


async def _items(call: Call, kind: str, item: Callable[[Any], Any]) -> Any:
    return await call.page(
        2,
        lambda tx, *part: store.linked.items_of_experiment(
            tx, experiments.existing(tx, call.path("key")), kind, call.query.state, *part
        ),
        item,
    )


def places(live: Sequence[store.LivePlace]) -> list[Live]:
    """Return where a pull request is live as the API shows it."""
    return [shaped(Live, one) for one in live]


def linked_pull_request(row: store.ListedItem) -> LinkedPullRequest:
    """Return a linked pull request's row as the API shows it."""
    more = {"integration_id": row.link_integration_id, "live": places(row.live)}
    return shaped(LinkedPullRequest, row, **more)


def linked_issue(row: store.LinkedItem) -> LinkedIssue:
    """Return a linked issue's row as the API shows it."""
    return shaped(
        LinkedIssue,
        row,
        state="open" if row.state == "open" else "closed",
        labels=[without_emails(label) for label in row.labels],
        integration_id=row.link_integration_id,
    )


def linked_commit(row: store.LinkedCommit) -> LinkedCommit:
    """Return a linked commit's row as the API shows it."""
    return shaped(LinkedCommit, row, ref=f"refs/heads/{row.lives_in}")


def _unresolved(row: store.UnresolvedLink) -> UnresolvedLink:
    return shaped(UnresolvedLink, row, title=without_emails(row.title.split("\n", 1)[0]))
