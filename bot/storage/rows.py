"""Rows as types: one frozen Struct for each table, and those that a query joins to them.

A field is a column. Times are microseconds since 1970 in UTC; flags are bool and JSON columns are
decoded, both by query.py. What a Struct with a parent has beside comes from another table.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

# A column that holds JSON text: query.py decodes what comes and encodes what goes.
JSON = "JSON"
Kind = Literal["pull_request", "issue"]
ItemState = Literal["open", "closed", "merged"]
Role = Literal["admin", "developer", "viewer"]
ExperimentStatus = Literal["draft", "active", "paused", "completed", "archived"]
DeliveryStatus = Literal["processed", "ignored", "retrying", "failed"]
ActionStatus = Literal["pending", "running", "done", "failed"]
CommandStatus = Literal["pending", "waiting", "done", "refused", "failed"]
LinkedBy = Literal["body", "title", "command", "api", "message", "branch"]

# Within one second GitHub's `updated_at` cannot tell what came first, but some actions can.
_RANKS = {"opened": 0, "closed": 2, "reopened": 2, "deleted": 3}


class Row(Struct, frozen=True, kw_only=True):
    """What all rows have in common."""


class Token(Row, frozen=True, kw_only=True):
    """`api_tokens`: of the token itself only the hash is kept."""

    id: str
    name: str
    role: Role
    hash: str
    is_bootstrap: bool
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


class Session(Row, frozen=True, kw_only=True):
    """`sessions` of the dashboard; `id` is the hash of what is in the cookie."""

    id: str
    subject: str
    name: str
    role: Role
    token_id: str | None
    created_at: int
    seen_at: int


class Config(Struct, frozen=True, omit_defaults=True):
    """What is set of an integration and is no secret; what is not set has its default."""

    auth: Literal["token", "app"]
    api_url: str
    app_id: int | None = None
    installation_id: int | None = None
    repositories: tuple[str, ...] | None = None
    comments: Literal["on", "off", "once"] = "on"
    label: str | None = "experiment"
    check: Literal["on", "always", "required", "off"] = "on"
    commands: dict[str, str] = {}
    client_id: str | None = None
    slug: str | None = None
    html_url: str | None = None


class Integration(Row, frozen=True, kw_only=True):
    """`integrations`. `secrets` is sealed (vault.py); `credential` names who calls GitHub."""

    seq: int
    id: str
    name: str
    integration_type: Literal["GITHUB"]
    description: str | None
    is_active: bool
    config: Annotated[Config, JSON]
    secrets: str
    previous_secret_until: int | None
    created_at: int
    updated_at: int
    last_error: str | None
    last_error_about: str | None
    deleted_at: int | None
    credential: str
    secret_used_at: int | None
    previous_secret_used_at: int | None


class Delivery(Row, frozen=True, kw_only=True):
    """`deliveries` as they are listed. `guid` is X-GitHub-Delivery."""

    seq: int
    guid: str
    event: str
    action: str | None
    repository: str | None
    status: DeliveryStatus
    received_at: int
    processed_at: int | None
    attempts: int
    error: str | None


class StoredDelivery(Delivery, frozen=True, kw_only=True):
    """`deliveries`, whole. `payload` is zlib-compressed JSON, null once it was dropped."""

    integration_seq: int
    next_attempt_at: int | None
    headers: Annotated[dict[str, str], JSON]
    payload: bytes | None


class DueDelivery(Row, frozen=True, kw_only=True):
    """A delivery that is to be tried again, and the integration that it came through."""

    seq: int
    guid: str
    integration_id: str


class Experiment(Row, frozen=True, kw_only=True):
    """`experiments`. `search` is what texts are looked for in."""

    seq: int
    key: str
    name: str
    status: ExperimentStatus
    hypothesis: str | None
    description: str | None
    owner: str | None
    url: str | None
    tags: Annotated[tuple[str, ...], JSON]
    search: str
    created_at: int
    updated_at: int
    last_activity: int


class CountedExperiment(Experiment, frozen=True, kw_only=True):
    """An experiment, and how many of each kind are linked to it."""

    pull_request_count: int
    issue_count: int
    commit_count: int


class ListedExperiment(Experiment, frozen=True, kw_only=True):
    """An experiment, and how many of its pull requests are open and merged."""

    open: int
    merged: int


class Repository(Row, frozen=True, kw_only=True):
    """`repositories`. `visibility` is null while it is not known."""

    id: int
    host: str
    github_id: int | None
    full_name: str
    name_key: str
    named_at: int | None
    default_branch: str | None
    deleted_at: int | None
    last_activity: int
    visibility: str | None
    visibility_at: int | None


class CountedRepository(Repository, frozen=True, kw_only=True):
    """A repository, and how much is linked in it, a thousand of each at most."""

    open_pull_requests: int
    merged_pull_requests: int
    open_issues: int
    closed_issues: int


class PlacedRepository(Repository, frozen=True, kw_only=True):
    """A repository and an entry of an allow-list under which it has come."""

    entry: str


class Item(Row, frozen=True, kw_only=True):
    """`items`: pull requests and issues, each as its newest version says.

    `decided`: it was linked or unlinked by hand. `author_writes`: whether its author may write.
    """

    id: int
    repository_id: int
    kind: Kind
    number: int
    title: str
    html_url: str
    state: ItemState
    draft: bool
    author: str | None
    head_repository_id: int | None
    head_ref: str | None
    head_sha: str | None
    base_ref: str | None
    labels: Annotated[tuple[str, ...], JSON]
    created_at: int
    closed_at: int | None
    merged_at: int | None
    version_at: int
    version_rank: int
    integration_id: str
    gone_at: int | None
    decided: bool
    author_writes: bool | None
    base_since: int | None


class NamedItem(Item, frozen=True, kw_only=True):
    """An item with the present name of its repository."""

    repository: str


class LinkedItem(NamedItem, frozen=True, kw_only=True):
    """An item of an experiment, with its link."""

    link_id: int
    linked_by: LinkedBy
    linked_at: int
    link_integration_id: str


class ListedItem(LinkedItem, frozen=True, kw_only=True):
    """An item of an experiment at its place in a list, which goes by `listed_at`."""

    listed_at: int


class PlacedItem(Item, frozen=True, kw_only=True):
    """An item of a repository at its place in a list, which goes by state and `state_at`."""

    state_at: int


class Snapshot(Struct, frozen=True, omit_defaults=True):
    """What one delivery says of an item; None where it is silent. Times in microseconds.

    `keys` maps each experiment key that the text names to what names it (`body` or `title`).
    """

    guid: str
    at: int
    action: str
    integration_id: str
    keys: dict[str, str]
    title: str | None = None
    html_url: str | None = None
    state: str | None = None  # open, closed, merged
    draft: bool | None = None
    author: str | None = None
    author_writes: bool | None = None  # whether this very delivery shows that the author may write
    actor: str | None = None
    head_repository_id: int | None = None
    head_ref: str | None = None
    head_sha: str | None = None
    base_ref: str | None = None
    base_since: int | None = None  # when it was led to that base, if not from the beginning
    labels: list[str] | None = None
    label: str | None = None  # the one that a `labeled` event is about
    created_at: int | None = None
    closed_at: int | None = None
    merged_at: int | None = None

    @property
    def order(self) -> tuple[int, int]:
        """The place of this version among the others of its item."""
        return (self.at, _RANKS.get(self.action, 1))


class Version(Row, frozen=True, kw_only=True):
    """`versions`: what one delivery told of an item."""

    id: int
    item_id: int
    guid: str
    version_at: int
    version_rank: int
    snapshot: Annotated[Snapshot, JSON]


class Decision(Row, frozen=True, kw_only=True):
    """`decisions`: a link made or cut by hand, placed after the version that was newest then."""

    id: int
    item_id: int
    guid: str
    verb: str
    experiment_key: str
    made_by: str
    actor: str | None
    integration_id: str
    made_at: int
    version_at: int
    version_rank: int


class Commit(Row, frozen=True, kw_only=True):
    """`commits`. `ref`, `pushed_at`, `actor` and `guid` are those of the first push."""

    id: int
    repository_id: int
    sha: str
    message: str
    author: str | None
    actor: str | None
    html_url: str
    ref: str
    committed_at: int
    pushed_at: int
    integration_id: str
    guid: str | None


class LinkedCommit(Commit, frozen=True, kw_only=True):
    """A commit of an experiment, with its link, at its place in a list."""

    link_id: int
    listed_at: int
    linked_by: LinkedBy
    linked_at: int
    repository: str


class HeadCommit(Commit, frozen=True, kw_only=True):
    """A commit on the head of a pull request, and what tells whether it belongs to it.

    Null: it is not on the base; it is not known whether it was new there; GitHub was not asked.
    """

    on_branch_at: int
    is_new: bool | None
    on_base_at: int | None
    is_new_on_base: bool | None
    listed: bool | None


class BranchCommit(Row, frozen=True, kw_only=True):
    """`branch_commits`: where and when a commit was pushed, and whether it was new then."""

    id: int
    repository_id: int
    ref: str
    commit_id: int
    pushed_at: int
    is_new: bool | None


class PushedSha(Row, frozen=True, kw_only=True):
    """A commit's SHA, and when it came to a branch."""

    sha: str
    on_branch_at: int
    is_new: bool | None


class Head(Row, frozen=True, kw_only=True):
    """A branch, with the first and last push that brought some commits to it."""

    repository_id: int
    ref: str
    earliest: int
    latest: int


class Link(Row, frozen=True, kw_only=True):
    """`links`. `target_id` is an item's or a commit's id, `state` the item's.

    `via_item_id` is the pull request that a commit is linked through. `resolved`: the experiment
    exists.
    """

    id: int
    experiment_key: str
    kind: Literal["pull_request", "issue", "commit"]
    target_id: int
    state: str | None
    linked_by: LinkedBy
    linked_at: int
    via_item_id: int | None
    integration_id: str
    resolved: bool
    repository_id: int | None
    state_at: int
    last_at: int


class KeyedExperiment(Row, frozen=True, kw_only=True):
    """A key that something is linked to, and its experiment's name and status if there is one."""

    experiment_key: str
    linked_by: LinkedBy
    name: str | None
    status: ExperimentStatus | None


class Target(Row, frozen=True, kw_only=True):
    """What a link leads to: a pull request or issue (`number`) or a commit (`sha`)."""

    kind: Literal["pull_request", "issue", "commit"]
    repository: str
    number: int | None
    title: str
    sha: str | None
    html_url: str


class UnresolvedLink(Link, frozen=True, kw_only=True):
    """A link whose experiment does not exist, and what it leads to."""

    repository: str
    number: int | None
    title: str
    sha: str | None
    html_url: str


class UnresolvedKey(Row, frozen=True, kw_only=True):
    """A key that no experiment has, how many links of each kind wait for it, and since when."""

    experiment_key: str
    pull_requests: int
    issues: int
    commits: int
    first_at: int


class RepositoryExperiment(Row, frozen=True, kw_only=True):
    """A key that is linked in a repository; null while there is no such experiment."""

    key: str
    name: str | None
    status: ExperimentStatus | None
    last_activity: int | None


class CountedRepositoryExperiment(RepositoryExperiment, frozen=True, kw_only=True):
    """The same with how much is linked there, a thousand of each kind at most."""

    open_pull_requests: int
    merged_pull_requests: int
    issues: int
    commits: int


class PullRequestDay(Row, frozen=True, kw_only=True):
    """How many pull requests were opened on a day, and merged on another, counted from 1970."""

    opened: int
    merged: int | None
    count: int


class Activity(Row, frozen=True, kw_only=True):
    """`activity`: the feed, with the present name of the repository.

    `position` is when it happened, in microseconds, whose last three digits are the type's rank.
    """

    seq: int
    type: str
    experiment_key: str
    position: int
    recorded_at: int
    actor: str | None
    summary: str
    html_url: str | None
    repository_id: int | None
    item_id: int | None
    commit_id: int | None
    guid: str | None
    repository: str | None = None


class Installation(Row, frozen=True, kw_only=True):
    """`installations` of the GitHub App."""

    id: int
    host: str
    installation_id: int
    integration_id: str
    account: str | None
    repository_selection: str | None
    updated_at: int
    suspended_at: int | None
    deleted_at: int | None


class CountedInstallation(Installation, frozen=True, kw_only=True):
    """An installation, and how many repositories it may see."""

    repositories: int


class Action(Row, frozen=True, kw_only=True):
    """`actions`: what the bot owes GitHub.

    `lane`: one after the other; `aside`: others of its lane do not wait for it; `collapse`: one
    that is pending is enough.
    """

    seq: int
    id: str
    kind: str
    queue: str
    lane: str
    collapse: str | None
    priority: int
    integration_id: str
    installation_id: int | None
    repository_id: int
    item_id: int | None
    number: int | None
    request: Annotated[dict[str, Any], JSON]
    idempotency_key: str | None
    status: ActionStatus
    attempts: int
    next_attempt_at: int | None
    give_up_at: int
    last_error: str | None  # `reason` and `remedy` in one, for people
    reason: str | None
    remedy: str | None
    result: Annotated[dict[str, Any] | None, JSON]
    created_at: int
    finished_at: int | None
    news_at: int | None
    aside: bool


class ListedAction(Action, frozen=True, kw_only=True):
    """An action with the present name of its repository."""

    repository: str


class Queue(Row, frozen=True, kw_only=True):
    """`queues`: one for each credential and installation.

    `writes` are when it wrote to GitHub in the last hour, in seconds, and whether that was content.
    """

    queue: str
    due_at: int | None
    not_before: int
    owner: str | None
    leased_until: int
    failures: int
    writes: Annotated[list[tuple[float, bool]], JSON]


class Post(Row, frozen=True, kw_only=True):
    """`posts`: what the bot has put on a pull request.

    `…_writing` is the attempt that may be changing it now.
    """

    item_id: int
    integration_id: str | None
    marker: str
    comment_id: int | None
    comment_digest: str | None
    check_sha: str | None
    check_run_id: int | None
    check_digest: str | None
    label: str | None
    comment_writing: str | None
    check_writing: str | None
    label_writing: str | None

    def writing(self, what: str) -> str | None:
        """Return the attempt that may be changing the `comment`, `check` or `label`."""
        return msgspec.structs.asdict(self)[f"{what}_writing"]  # type: ignore[no-any-return]


class MergeGroup(Row, frozen=True, kw_only=True):
    """`merge_groups`: commits of merge queues, and the check that the bot has put on them."""

    repository_id: int
    head_sha: str
    head_ref: str
    number: int | None
    marker: str
    check_sha: str | None = None
    check_run_id: int | None = None
    check_digest: str | None = None
    created_at: int
    ended_at: int | None = None


class CommandComment(Row, frozen=True, kw_only=True):
    """`command_comments`: a comment that holds commands.

    `silent`: nothing is said of it. `throttled`: its author wrote too many.
    """

    id: int
    repository_id: int
    kind: Kind
    number: int
    comment_id: int
    html_url: str | None
    author: str
    integration_id: str
    created_at: int
    throttled: bool
    silent: bool
    seen: bool
    reply_id: int | None


class Invocation(Struct, frozen=True):
    """One command as somebody wrote it."""

    line: str  # as written, without white space around it, cut to 500 characters
    name: str  # the first word, in lower case, or ""
    words: tuple[str, ...]  # the positional arguments, freed of quotation marks
    options: tuple[tuple[str, str], ...]  # of NAME=VALUE, in order, names in lower case
    problem: str | None  # why it cannot be understood, if so


class Command(Row, frozen=True, kw_only=True):
    """`commands`. `permission` is what GitHub said of the author, `action_id` what it waits for."""

    seq: int
    id: str
    comment_row: int
    repository_id: int
    author: str
    name: str
    invocation: Annotated[Invocation, JSON]
    status: CommandStatus
    allowed: bool | None
    permission: str | None
    reply: str | None
    result: str | None
    action_id: str | None
    created_at: int
    finished_at: int | None


class ListedCommand(Command, frozen=True, kw_only=True):
    """A command, and where it was written."""

    repository: str | None
    kind: Kind
    number: int
    html_url: str | None
    integration_id: str


# The table of each Struct that is written to; query.py builds its statements from this.
TABLES: Mapping[type[Row], str] = {
    Token: "api_tokens",
    Session: "sessions",
    Integration: "integrations",
    StoredDelivery: "deliveries",
    Experiment: "experiments",
    Repository: "repositories",
    Item: "items",
    Version: "versions",
    Decision: "decisions",
    Commit: "commits",
    BranchCommit: "branch_commits",
    Link: "links",
    Activity: "activity",
    Installation: "installations",
    Action: "actions",
    Queue: "queues",
    Post: "posts",
    MergeGroup: "merge_groups",
    CommandComment: "command_comments",
    Command: "commands",
}
