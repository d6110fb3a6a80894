"""What an integration is configured with, as the API takes and shows it."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bot.api.models import text
from bot.commands.registry import Level
from bot.domain import sizes
from bot.storage import Check, Comments, Switch

Secret = Annotated[
    str,
    text(
        1_000,
        "Signs deliveries; the same as in GitHub's webhook settings. 16 characters or more, "
        "without white space around it.",
        minimum=16,
    ),
]
NewSecret = Annotated[
    str,
    text(
        1_000,
        "A new secret. The old one is still accepted for `secret_grace_seconds`.",
        minimum=16,
    ),
]
Token = Annotated[
    str, text(100_000, "A personal access token or an installation token.", minimum=1)
]
AppId = Annotated[int, Meta(ge=1, le=2**53, description="The GitHub App's id.")]
PrivateKey = Annotated[
    str,
    text(
        100_000,
        "The App's RSA private key, PEM (PKCS#1 or PKCS#8). Line ends may be `\\n` or "
        "missing, and the whole may be base64.",
        minimum=1,
    ),
]
InstallationId = Annotated[
    int, Meta(ge=1, le=2**53, description="Used when a delivery names no installation.")
]
ApiUrl = Annotated[
    str,
    text(
        500,
        "One of the addresses in GITHUB_API_URLS; the first is the default. While the list does "
        "not name it (any more), nothing is called there.",
    ),
]
Repositories = Annotated[
    list[Annotated[str, text(210, "`owner/name` or `owner/*`.", minimum=1)]],
    Meta(
        max_length=1000,
        description="Allow-list; null lets every repository in. A repository that has come under "
        "an entry keeps its place when it is renamed or transferred, until the entry is taken off "
        "the list. A fine-grained token (`github_pat_…`) serves one owner, so with one all entries "
        "must be of the same.",
    ),
]
CommentsRule = Annotated[
    Comments,
    Meta(
        description="The status comment on linked pull requests: kept up to date, none, or written "
        "once and left as it is. `on` unless given."
    ),
]
Label = Annotated[
    str,
    text(
        sizes.LABEL,
        "The label of linked pull requests; `experiment` unless given, null for none.",
        minimum=1,
    ),
]
CheckRule = Annotated[
    Check,
    Meta(
        description="The check. `on`, unless given: on pull requests that name an experiment. "
        "`always`: on every pull request, so that branch protection can require it; it succeeds "
        "where none is named. `required`: as `always`, but it fails where none is named. A merge "
        "queue's groups get it with all three. `off`: none. A change brings the open pull requests "
        "up to date."
    ),
]
CodeRule = Annotated[
    Switch,
    Meta(
        description="Whether diffs of pull requests and the default branch are read for keys of "
        "experiments. `on` unless given."
    ),
]
CleanUpRule = Annotated[
    Switch,
    Meta(
        description="Whether an experiment that is over and still in the code gets a clean-up "
        "issue by itself. `off` unless given."
    ),
]
BackfillDays = Annotated[
    int,
    Meta(
        ge=0,
        le=365,
        description="Of a repository that is heard of for the first time, the pull requests and "
        "issues are read that were updated in so many days. 30 unless given, 0 for none.",
    ),
]
Commands = Annotated[
    dict[str, Level],
    Meta(
        max_length=100,
        description="The permission on the repository that a command needs, by its name, where "
        "that is not the command's own. `read` means `write` on public repositories. null for "
        "none.",
    ),
]


class ConfigChange(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What to change of the credentials and rules; the rest is kept.

    Either `token`, or `app_id` with `private_key` and perhaps `installation_id`.
    """

    webhook_secret: NewSecret | UnsetType = UNSET
    token: Token | UnsetType = UNSET
    app_id: AppId | UnsetType = UNSET
    private_key: PrivateKey | UnsetType = UNSET
    installation_id: InstallationId | UnsetType | None = UNSET
    api_url: ApiUrl | UnsetType | None = UNSET
    repositories: Repositories | UnsetType | None = UNSET
    comments: CommentsRule | UnsetType = UNSET
    label: Label | UnsetType | None = UNSET
    check: CheckRule | UnsetType = UNSET
    code: CodeRule | UnsetType = UNSET
    cleanup: CleanUpRule | UnsetType = UNSET
    backfill_days: BackfillDays | UnsetType = UNSET
    commands: Commands | UnsetType | None = UNSET


class ConfigCreate(ConfigChange, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Either `token`, or `app_id` with `private_key` and perhaps `installation_id`."""

    webhook_secret: Secret


class Config(Struct, omit_defaults=True):
    """An integration's settings; each secret as `********`."""

    auth: Literal["token", "app"]
    webhook_secret: str
    api_url: str
    repositories: list[str] | None
    comments: Comments
    label: str | None
    check: Check
    code: Switch
    cleanup: Switch
    backfill_days: int
    commands: dict[str, str]
    token: str | UnsetType = UNSET
    app_id: int | UnsetType = UNSET
    private_key: str | UnsetType = UNSET
    installation_id: int | UnsetType = UNSET
