"""Why something cannot be done, as data: whoever was asked, API or page, puts it into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

# A value has not the shape that is asked for.
_Kind = Literal["unknown", "required", "type", "choice", "pattern", "other"]
_Size = Literal["too_short", "too_long", "too_many", "too_many_names", "too_small", "too_large"]
ShapeCode = Literal[_Kind, _Size]
# It has, but it cannot be: in any request, of what is linked or acted on, of an integration.
_General = Literal["missing", "twice", "not_one_of", "unknown_command", "key_of_address"]
_Form = Literal["no_key", "no_cursor", "no_place", "no_number", "no_time", "no_name", "no_address"]
_Acting = Literal["no_integration", "inactive_integration", "unlisted_integration"]
_Pull = Literal["no_pull_request", "is_issue", "no_such_number", "not_reached"]
_Repository = Literal["repository_not_allowed", "repository_not_served"]
_OnGitHub = Literal["not_on_github", "issues_off", "refused"]
_Host = Literal["host_not_served", "no_host_served"]
_Credential = Literal["not_alone", "needs_credential", "needs_private_key", "only_of_app"]
_Secret = Literal["same_secret", "is_mask", "short_secret"]
_Key = Literal["no_pem", "no_rsa_key", "broken_key", "short_key"]
_NoKey = Literal["encrypted_key", "certificate", "public_key"]
_Text = Literal["not_printable", "not_removable", "not_ascii", "not_trimmed"]
_List = Literal["not_listed", "no_repository", "no_full_name", "empty_list", "other_owner"]
RuleCode = Literal[
    _General,
    _Form,
    _Acting,
    _Pull,
    _Repository,
    _OnGitHub,
    _Host,
    _Credential,
    _Secret,
    _Key,
    _NoKey,
    _Text,
    _List,
]
Code = ShapeCode | RuleCode
ConflictCode = Literal[
    "experiment_exists",
    "not_waiting",
    "superseded",
    "payload_gone",
    "key_reused",
    "unreadable",
    "integration_inactive",
    "backfill_running",
    "not_over",
    "code_unread",
    "not_in_code",
    "nothing_to_read",
]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that cannot be, named by its path, such as `config.webhook_secret`.

    `limit` is what the code is about: how many at most, the names that there are.
    """

    field: str
    code: Code
    limit: str | int | None = None

    @property
    def is_of_shape(self) -> bool:
        return self.code in get_args(ShapeCode)


class Failed(Exception):
    """What was asked for cannot be done; nothing was."""


class NotFound(Failed):
    """There is no such thing; `what` is what people call it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Invalid(Failed):
    """Fields of what was sent cannot be."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(*errors)
        self.errors = tuple(errors)

    @classmethod
    def field(cls, name: str, code: Code, limit: str | int | None = None) -> "Invalid":
        """Return the failure of one field."""
        return cls([FieldError(name, code, limit)])


class Conflict(Failed):
    """It does not go with what is there; `about` is what the code is about."""

    def __init__(self, code: ConflictCode, about: str = "") -> None:
        super().__init__(code, about)
        self.code = code
        self.about = about


class Changed(Failed):
    """What is there is not (any more) what whoever asks has seen."""


class NoLonger(Failed):
    """Whoever asks was let in, and may not any more."""
