"""The API's types: they validate requests, shape answers, and become the OpenAPI description."""

from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from bot.domain import activity
from bot.domain.keys import KEY_PATTERN
from bot.github.names import FULL_NAME
from bot.storage.columns import ActionStatus, CommandStatus, DeliveryStatus, LinkedBy
from bot.storage.columns import ExperimentStatus as Status

T = TypeVar("T")
# Python alone lets `$` match before a last line feed; this is the end for every reader.
END = r"$(?!\n)"


def _text(limit: int, description: str, minimum: int = 0) -> Meta:
    """Text without NUL characters, which no engine but SQLite could store."""
    return Meta(
        min_length=minimum,
        max_length=limit,
        pattern=r"^[^\x00]*$",
        description=description,
    )


Id = Annotated[str, Meta(description="A UUID.", extra_json_schema={"format": "uuid"})]
DeliveryId = Annotated[
    str, Meta(description="An X-GitHub-Delivery: a GUID, or what else the sender numbers by.")
]
Time = Annotated[
    str,
    Meta(description="RFC 3339, UTC, with `Z`.", extra_json_schema={"format": "date-time"}),
]
Key = Annotated[
    str,
    Meta(
        pattern=f"^{KEY_PATTERN}{END}",
        description="An experiment key: a letter or digit, then up to 127 of letters, digits, "
        "`.`, `_` and `-`. Case sensitive.",
    ),
]
Name = Annotated[str, _text(200, "What people call it.", minimum=1)]
LongText = Annotated[str, _text(20_000, "Free text.")]
ShortText = Annotated[str, _text(200, "Free text.")]
WebAddress = Annotated[
    str,
    Meta(
        max_length=2_000,
        pattern=r"^https?://[A-Za-z0-9.:_\[\]-]+(?:[/?#][!-~]*)?" + END,
        description="An http or https address.",
    ),
]
ActionKind = Literal[
    "status_comment",
    "check",
    "merge_group_check",
    "label",
    "tracking_issue",
    "commands",
    "refresh",
    "pull_request_commits",
]
if TYPE_CHECKING:
    ActivityType = str
else:
    ActivityType = Literal[tuple(activity.TYPES)]


class Page(Struct, Generic[T]):
    """A part of a list. `next_cursor` leads to the next part; null at the end."""

    items: list[T]
    next_cursor: str | None


# --- Integrations


class ConfigChange(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What to change of the credentials and rules; the rest is kept.

    Either `token`, or `app_id` with `private_key` and perhaps `installation_id`.
    """

    webhook_secret: (
        Annotated[
            str,
            _text(
                1_000,
                "A new secret. The old one goes on verifying for `secret_grace_seconds`.",
                minimum=16,
            ),
        ]
        | UnsetType
    ) = UNSET
    token: (
        Annotated[
            str,
            _text(100_000, "A personal access token or an installation token.", minimum=1),
        ]
        | UnsetType
    ) = UNSET
    app_id: Annotated[int, Meta(ge=1, le=2**53, description="The GitHub App's id.")] | UnsetType = (
        UNSET
    )
    private_key: (
        Annotated[str, _text(100_000, "The App's RSA private key, PEM.", minimum=1)] | UnsetType
    ) = UNSET
    installation_id: (
        Annotated[
            int, Meta(ge=1, le=2**53, description="Used where no delivery names an installation.")
        ]
        | UnsetType
        | None
    ) = UNSET
    api_url: (
        Annotated[
            str,
            _text(
                500,
                "One of the addresses in GITHUB_API_URLS; the first is the default. While the list "
                "does not name it (any more), nothing is called there.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    repositories: (
        Annotated[
            list[Annotated[str, _text(210, "`owner/name` or `owner/*`.", minimum=1)]],
            Meta(
                max_length=1000,
                description="Allow-list; null lets every repository in. A repository that has come "
                "under an entry keeps its place when it is renamed or transferred, until the entry "
                "is taken off the list.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    comments: (
        Annotated[
            Literal["on", "off", "once"],
            Meta(
                description="The status comment on linked pull requests: kept up to date, none, "
                "or written once and left as it is. `on` unless given."
            ),
        ]
        | UnsetType
    ) = UNSET
    label: (
        Annotated[
            str,
            _text(
                50,
                "The label of linked pull requests; `experiment` unless given, null for none.",
                minimum=1,
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    check: (
        Annotated[
            Literal["on", "always", "required", "off"],
            Meta(
                description="The check. `on`, unless given: on pull requests that name an "
                "experiment. `always`: on every pull request, so that branch protection can "
                "require it; it succeeds where none is named. `required`: as `always`, but it "
                "fails where none is named. A merge queue's groups get it with all three. "
                "`off`: none. A change brings the open pull requests up to date."
            ),
        ]
        | UnsetType
    ) = UNSET
    commands: (
        Annotated[
            dict[str, Literal["read", "triage", "write", "maintain", "admin"]],
            Meta(
                max_length=100,
                description="The permission on the repository that a command needs, by its name, "
                "where that is not the command's own. `read` means `write` on public "
                "repositories. null for none.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET


class ConfigCreate(ConfigChange, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Either `token`, or `app_id` with `private_key` and perhaps `installation_id`."""

    webhook_secret: Annotated[
        str,
        _text(
            1_000,
            "Signs deliveries; the same as in GitHub's webhook settings. 16 characters or more, "
            "without white space around it.",
            minimum=16,
        ),
    ]


class IntegrationCreate(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A new integration."""

    name: Name
    integration_type: Literal["GITHUB"]
    config: ConfigCreate
    description: LongText | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class IntegrationChange(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to change of an integration; the rest is kept."""

    name: Name | UnsetType = UNSET
    integration_type: Literal["GITHUB"] | UnsetType = UNSET
    config: ConfigChange | UnsetType = UNSET
    description: LongText | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET
    secret_grace_seconds: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=2_592_000,
                description="How long a replaced webhook secret goes on verifying; 86400 unless "
                "given, 0 cuts it off at once.",
            ),
        ]
        | UnsetType
    ) = UNSET


class Config(Struct, omit_defaults=True):
    """An integration's settings; each secret as `********`."""

    auth: Literal["token", "app"]
    webhook_secret: str
    api_url: str
    repositories: list[str] | None
    comments: Literal["on", "off", "once"]
    label: str | None
    check: Literal["on", "always", "required", "off"]
    commands: dict[str, str]
    token: str | UnsetType = UNSET
    app_id: int | UnsetType = UNSET
    private_key: str | UnsetType = UNSET
    installation_id: int | UnsetType = UNSET


class Installation(Struct):
    """An installation of the App that deliveries told of."""

    installation_id: int
    account: str | None
    repository_selection: str | None
    repositories: int
    suspended_at: Time | None


class Integration(Struct):
    """An integration."""

    id: Id
    name: str
    integration_type: Literal["GITHUB"]
    description: str | None
    is_active: bool
    created_at: Time
    updated_at: Time
    webhook_url: Annotated[str, Meta(description="The payload URL for GitHub's webhook settings.")]
    config: Config
    previous_secret_until: Annotated[
        Time | None, Meta(description="Until when an earlier webhook secret verifies.")
    ]
    last_delivery_at: Time | None
    last_error: str | None
    installations: list[Installation]


# --- Deliveries


class Delivery(Struct):
    """A delivery that GitHub sent; `id` is its X-GitHub-Delivery."""

    id: DeliveryId
    event: str
    action: str | None
    repository: str | None
    status: DeliveryStatus
    received_at: Time
    processed_at: Time | None
    attempts: int
    error: str | None


class DeliveryDetail(Delivery):
    """A delivery with what was sent; `payload` is null once it is no longer kept."""

    headers: dict[str, str]
    payload: dict[str, Any] | None


class WebhookAnswer(Struct, omit_defaults=True):
    """What became of a delivery."""

    processed: bool
    reason: str | UnsetType = UNSET
    detail: (
        Annotated[str, Meta(description="Which field is missing or cannot be read.")] | UnsetType
    ) = UNSET
    duplicate: bool | UnsetType = UNSET


# --- Experiments


class ExperimentReplace(Struct, forbid_unknown_fields=True, kw_only=True):
    """All of an experiment; `key`, if given, is that of the address."""

    key: Key | UnsetType = UNSET
    name: Name
    status: Status = "draft"
    hypothesis: LongText | None = None
    description: LongText | None = None
    owner: ShortText | None = None
    url: WebAddress | None = None
    tags: Annotated[list[Annotated[str, _text(100, "A tag.", minimum=1)]], Meta(max_length=50)] = []


class ExperimentCreate(ExperimentReplace, forbid_unknown_fields=True, kw_only=True):
    """A new experiment."""

    key: Key


class ExperimentChange(Struct, forbid_unknown_fields=True):
    """What to change of an experiment; the rest is kept."""

    name: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    hypothesis: LongText | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET
    owner: ShortText | UnsetType | None = UNSET
    url: WebAddress | UnsetType | None = UNSET
    tags: (
        Annotated[list[Annotated[str, _text(100, "A tag.", minimum=1)]], Meta(max_length=50)]
        | UnsetType
    ) = UNSET


class Counts(Struct):
    """How many of each are linked."""

    pull_requests: int
    issues: int
    commits: int


class Experiment(Struct):
    """An experiment."""

    key: str
    name: str
    status: Status
    hypothesis: str | None
    description: str | None
    owner: str | None
    url: str | None
    tags: list[str]
    created_at: Time
    updated_at: Time
    counts: Counts


# --- Links


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


RepositoryName = Annotated[
    str,
    Meta(
        pattern=FULL_NAME,
        description="`owner/name` on GitHub.",
    ),
]


class LinkPullRequest(Struct, forbid_unknown_fields=True):
    """A pull request to link."""

    integration_id: Annotated[Id, Meta(max_length=36)]
    repository: RepositoryName
    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class IssueCreate(Struct, forbid_unknown_fields=True):
    """A tracking issue to create."""

    integration_id: Annotated[Id, Meta(max_length=36)]
    repository: RepositoryName
    title: Annotated[str, _text(256, "Its title.", minimum=1)]
    body: Annotated[str, _text(60_000, "Its text, as Markdown.")] | None = None
    labels: Annotated[
        list[Annotated[str, _text(50, "A label; one that is missing is created.", minimum=1)]],
        Meta(max_length=20),
    ] = []
    assignees: Annotated[
        list[
            Annotated[
                str,
                Meta(pattern=r"^[A-Za-z0-9_\[\]-]{1,100}" + END, description="A login on GitHub."),
            ]
        ],
        Meta(max_length=10),
    ] = []


class CreatedIssue(Struct):
    """A tracking issue that exists."""

    action_id: Id
    repository: str
    number: int
    html_url: str


class PromisedIssue(Struct):
    """A tracking issue that GitHub has not answered for yet; the action tells how it goes."""

    action_id: Id
    status: Literal["pending", "running"]


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


class ActivityItem(Struct):
    """Something that happened to an experiment."""

    id: Id
    type: ActivityType
    experiment_key: str
    occurred_at: Time
    recorded_at: Time
    actor: str | None
    summary: str
    html_url: str | None
    repository: str | None
    delivery_id: DeliveryId | None


# --- The service itself


class Action(Struct):
    """Something that the bot owes GitHub. `result` depends on its kind."""

    id: Id
    kind: ActionKind
    integration_id: Id
    repository: str | None
    number: int | None
    status: ActionStatus
    attempts: int
    next_attempt_at: Time | None
    last_error: str | None
    created_at: Time
    finished_at: Time | None
    result: dict[str, Any] | None


class Command(Struct):
    """A command that somebody wrote in a comment, and what became of it."""

    id: Id
    command: Annotated[str, Meta(description="Its name; empty where none was given.")]
    text: Annotated[str, Meta(description="The line as it was written.")]
    actor: str
    repository: str | None
    kind: Literal["pull_request", "issue"]
    number: int
    html_url: Annotated[str | None, Meta(description="The comment.")]
    integration_id: Id
    status: CommandStatus
    allowed: Annotated[
        bool | None,
        Meta(description="Whether the author may; null if that was not asked (yet)."),
    ]
    permission: Annotated[
        str | None, Meta(description="What GitHub said that the author may do there.")
    ]
    result: Annotated[
        str | None, Meta(description="Why it was refused, or what it has brought about.")
    ]
    action_id: Id | None
    created_at: Time
    finished_at: Time | None


class Health(Struct):
    """Whether the service can do its work."""

    status: Literal["ok"]


# --- Queries: every parameter arrives as text


class Paged(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=200, description="How many at most.")] = 50
    cursor: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9_-]{1,200}" + END,
                description="`next_cursor` of the part before.",
            ),
        ]
        | None
    ) = None


class ExperimentQuery(Paged, forbid_unknown_fields=True):
    status: Status | None = None
    q: (
        Annotated[str, _text(200, "A part of the key, name or owner; case does not matter.")] | None
    ) = None


class PullRequestQuery(Paged, forbid_unknown_fields=True):
    state: Literal["open", "closed", "merged"] | None = None


class IssueQuery(Paged, forbid_unknown_fields=True):
    state: Literal["open", "closed"] | None = None


class ActivityQuery(Paged, forbid_unknown_fields=True):
    type: ActivityType | None = None


class DeliveryQuery(Paged, forbid_unknown_fields=True):
    status: DeliveryStatus | None = None
    event: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}" + END)] | None = None


class NoQuery(Struct, forbid_unknown_fields=True):
    """No parameter is taken."""


class ActionQuery(Paged, forbid_unknown_fields=True):
    status: ActionStatus | None = None
    kind: ActionKind | None = None


class CommandQuery(Paged, forbid_unknown_fields=True):
    status: CommandStatus | None = None
