"""Rows as types: one frozen Struct for each table (those of queries that join are in joined.py).

A field is a column. Times are microseconds since 1970 in UTC; flags are bool and JSON columns are
decoded, both by query.py.
"""

from typing import Annotated, Any, Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from bot.storage import addresses, columns

# A column that holds JSON text: query.py decodes what comes and encodes what goes.
JSON = "JSON"


class Row(Struct, frozen=True):
    """What all rows have in common."""


class Addressed(Row, frozen=True):
    """A row with the present name of its `repository`, which `html_url` leads to."""

    def __post_init__(self) -> None:
        row: Any = self
        force_setattr(self, "html_url", addresses.present(row.html_url, row.repository))


class Integration(Row, frozen=True):
    """`integrations`. `secrets` is sealed (vault.py); `credential` names who calls GitHub.

    `refused_…` is about deliveries that were refused for their signature since the last good one.
    """

    seq: int
    id: str
    name: str
    integration_type: Literal["GITHUB"]
    description: str | None
    is_active: bool
    config: Annotated[columns.Config, JSON]
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
    refused_count: int
    refused_at: int | None
    refused_for: columns.RefusedFor | None


class Delivery(Row, frozen=True):
    """`deliveries` as they are listed. `guid` is X-GitHub-Delivery.

    One that was `recovered` was read from GitHub's API, and is said to have been received when
    GitHub first tried to deliver it.
    """

    seq: int
    guid: str
    event: str
    action: str | None
    repository: str | None
    status: columns.DeliveryStatus
    received_at: int
    processed_at: int | None
    attempts: int
    error: str | None
    recovered: bool


class StoredDelivery(Delivery, frozen=True):
    """`deliveries`, whole. `payload` is zlib-compressed JSON, null once it was dropped.

    `told` is what it said of an item that concerned no experiment then.
    """

    integration_seq: int
    next_attempt_at: int | None
    headers: Annotated[dict[str, str], JSON]
    payload: bytes | None
    item_id: int | None = None
    told: Annotated[columns.Snapshot | None, JSON] = None


class Experiment(Row, frozen=True):
    """`experiments`. `search` is what texts are looked for in.

    `repositories` are those whose commands may change it, null for all; `aliases` are what else it
    is called in code. The counts are of what is linked, `open_count` and `merged_count` of pull
    requests; `last_merged` is when one of them was.
    """

    seq: int
    key: str
    name: str
    status: columns.ExperimentStatus
    hypothesis: str | None
    description: str | None
    owner: str | None
    url: str | None
    tags: Annotated[tuple[str, ...], JSON]
    search: str
    created_at: int
    updated_at: int
    last_activity: int
    repositories: Annotated[tuple[columns.NamedRepository, ...] | None, JSON]
    pull_request_count: int
    issue_count: int
    commit_count: int
    open_count: int
    merged_count: int
    last_merged: int
    aliases: Annotated[tuple[str, ...], JSON] = ()


# Who says that a repository is archived, or a conversation locked.
SHUT = TOLD, REFUSED = 1, 2


class Repository(Row, frozen=True):
    """`repositories`. `visibility` and `archived` (0 or one of SHUT) are null while unknown.

    `speaker_id` is the integration that speaks for it; `speakers` tells, once it `is_contested`.
    """

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
    speaker_id: str | None
    is_contested: bool
    archived: int | None
    archived_at: int | None
    owner_id: int | None


class Speaker(Row, frozen=True):
    """`speakers` for a repository that is contested. `has_right` is what GitHub last said.

    None while it was not asked; it is to be asked (again) where `asked_at` is None.
    """

    repository_id: int
    integration_id: str
    has_right: bool | None
    asked_at: int | None


class Item(Row, frozen=True):
    """`items`: pull requests and issues, each as its newest version says.

    `decided`: something of it stands in `decisions`. `author_writes`: whether its author may write.
    `loose`: not all its versions are in `versions`, each with what was known after it. `locked`: 0
    or one of SHUT.
    """

    id: int
    repository_id: int
    kind: columns.Kind
    number: int
    title: str
    html_url: str
    state: columns.ItemState
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
    loose: bool
    locked: int
    merge_sha: str | None


class Version(Row, frozen=True):
    """`versions`: what one delivery told of an item, and what was known of that after it."""

    id: int
    item_id: int
    guid: str
    version_at: int
    version_rank: int
    snapshot: Annotated[columns.Snapshot, JSON]
    known: Annotated[columns.Known | None, JSON]
    horizon: int | None


class Decision(Row, frozen=True):
    """`decisions`: what no delivery told, placed after the version that was newest then.

    By its `verb`: a `link` made or cut (`unlink`) by hand, or a key that was `found` in the code of
    a pull request, or `lost` from it.
    """

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
    known: Annotated[columns.Known | None, JSON]


class Link(Row, frozen=True):
    """`links`. `target_id` is an item's or a commit's id, `state` the item's.

    `via_item_id` is the pull request that a commit is linked through. `resolved`: the experiment
    exists; `owner` is whose it is, `''` for nobody's.
    """

    id: int
    experiment_key: str
    kind: Literal["pull_request", "issue", "commit"]
    target_id: int
    state: str | None
    linked_by: str  # one of LinkedBy
    linked_at: int
    via_item_id: int | None
    integration_id: str
    resolved: bool
    owner: str
    repository_id: int | None
    state_at: int
    last_at: int


class Activity(Addressed, frozen=True):
    """`activity`: the feed, with the present name of the repository.

    `position` is when it happened, in microseconds, whose last three digits are the type's rank.
    `backfilled`: no delivery has told of it, it was read from GitHub later.
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
    horizon: int | None
    backfilled: bool
    repository: str | None = None


class Installation(Row, frozen=True):
    """`installations` of the GitHub App. `granted`: how often it was given something.

    `permissions` and `events` are those that it has now, None while that is not known.
    """

    id: int
    host: str
    installation_id: int
    integration_id: str
    account: str | None
    repository_selection: str | None
    updated_at: int
    suspended_at: int | None
    deleted_at: int | None
    granted: int
    permissions: Annotated[dict[str, str] | None, JSON]
    events: Annotated[tuple[str, ...] | None, JSON]
    html_url: str | None


class Action(Row, frozen=True):
    """`actions`: what the bot owes GitHub; migrations/0002_actions.sql and 0005 tell more."""

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
    status: columns.ActionStatus
    attempts: int
    next_attempt_at: int | None
    give_up_at: int
    last_error: str | None
    reason: str | None
    remedy: str | None
    result: Annotated[dict[str, Any] | None, JSON]
    created_at: int
    finished_at: int | None
    news_at: int | None
    aside: bool
    stale: int
    again: int
    rewrite: int
    parts: Annotated[dict[str, columns.PartState] | None, JSON]
    waits: int  # bits of Hindrance (bot/github/failures.py)
    by_hand: bool


class Queue(Row, frozen=True):
    """`queues`. `writes` are when it wrote in the last hour, in seconds, and whether content."""

    queue: str
    due_at: int | None
    not_before: int
    owner: str | None
    leased_until: int
    failures: int
    writes: Annotated[list[tuple[float, bool]], JSON]


class Post(Row, frozen=True):
    """`posts` of the bot on a pull request. `…_writing`: the attempt that may be changing it.

    `labelled`: it has put a label there once. `check_annotated`: see migrations/0027_diffs.sql.
    """

    item_id: int
    marker: str
    integration_id: str | None = None
    comment_id: int | None = None
    comment_digest: str | None = None
    check_sha: str | None = None
    check_run_id: int | None = None
    check_digest: str | None = None
    label: str | None = None
    comment_writing: str | None = None
    check_writing: str | None = None
    label_writing: str | None = None
    labelled: bool = False
    check_annotated: str | None = None


class MergeGroup(Row, frozen=True):
    """`merge_groups`: commits of merge queues, and the check that the bot has put on them."""

    repository_id: int
    head_sha: str
    head_ref: str
    number: int | None
    marker: str
    created_at: int
    check_sha: str | None = None
    check_run_id: int | None = None
    check_digest: str | None = None
    ended_at: int | None = None
