"""What columns hold: the values of those with few, and the types of those that hold JSON."""

from typing import Any, Literal

from msgspec import Struct

Kind = Literal["pull_request", "issue"]
ItemState = Literal["open", "closed", "merged"]
Role = Literal["viewer", "developer", "admin"]  # each may do all that those before it may
Comments = Literal["on", "off", "once"]
Check = Literal["on", "always", "required", "off"]
Switch = Literal["on", "off"]
ExperimentStatus = Literal["draft", "active", "paused", "completed", "archived"]
DeliveryStatus = Literal["processed", "ignored", "retrying", "failed"]
ActionStatus = Literal["pending", "running", "done", "failed"]
CommandStatus = Literal["pending", "waiting", "done", "refused", "failed"]
Shown = Literal["comment", "check", "label"]  # on a pull request, in columns of `posts`
RefusedFor = Literal["missing", "sha1", "malformed", "wrong"]  # of a delivery's signature
LinkedBy = Literal["body", "title", "command", "api", "message", "branch", "code"]

# The action of what stands at the beginning of a story that was read from GitHub: it says nothing
# but that the item was made then.
MADE = "(made)"
# Within one second GitHub's `updated_at` cannot tell what came first, but some actions can.
_RANKS = {"opened": 0, "closed": 2, "reopened": 2, "deleted": 3}


class Config(Struct, frozen=True, omit_defaults=True):
    """What is set of an integration and is no secret; what is not set has its default."""

    auth: Literal["token", "app"]
    api_url: str
    app_id: int | None = None
    installation_id: int | None = None
    repositories: tuple[str, ...] | None = None
    comments: Comments = "on"
    label: str | None = "experiment"
    check: Check = "on"
    code: Switch = "on"
    cleanup: Switch = "off"
    backfill_days: int = 30
    commands: dict[str, str] = {}
    client_id: str | None = None
    slug: str | None = None
    html_url: str | None = None


class Refused(Struct, frozen=True):
    """Deliveries that were refused for their signature: how many; when and why the last one was."""

    count: int
    at: int
    why: RefusedFor

    def after(self, earlier: "Refused") -> "Refused":
        return Refused(self.count + earlier.count, self.at, self.why)


class NamedRepository(Struct, frozen=True, omit_defaults=True):
    """A repository by its name, and the ids of ours that had it when it was first known."""

    name: str
    ids: tuple[int, ...] = ()


class PartState(Struct, frozen=True, omit_defaults=True):
    """What has become of a part of what a pull request owes GitHub.

    One that is pending waits by itself until `at`, or with its action if that is 0. Times in
    microseconds.
    """

    status: Literal["done", "pending", "failed"]
    result: dict[str, Any] = {}
    error: str | None = None  # `reason` and `remedy` in one, for people
    reason: str | None = None
    remedy: str | None = None
    refused_with: int | None = None  # GitHub's status, if that is why it has failed
    at: int = 0
    attempts: int = 0
    give_up_at: int = 0
    waits: int = 0  # see Action


class Snapshot(Struct, frozen=True, omit_defaults=True):
    """What one delivery says of an item; None where it is silent. Times in microseconds.

    `fetched`: no delivery has told it, it was read from GitHub's API. `keys` maps each experiment
    key that the text names to what names it (`body` or `title`).
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
    merge_sha: str | None = None  # the commit as which it came to its base
    body: str | None = None  # a digest of the text
    was: dict[str, str] = {}  # what it says that it was before, of title, body, base_ref, head_sha
    rank: int | None = (
        None  # its place within its second, where that is not what the action implies
    )
    fetched: bool = False

    @property
    def natural_rank(self) -> int:
        """Its place within its second, as the action implies it."""
        return _RANKS.get(self.action, 1)

    @property
    def order(self) -> tuple[int, int]:
        """The place of this version among the others of its item."""
        return (self.at, self.natural_rank if self.rank is None else self.rank)


class Tie(Struct, frozen=True, array_like=True):
    """A link of an item to an experiment, from `linked_at` on."""

    linked_by: str  # one of LinkedBy
    linked_at: int
    integration_id: str


class Known(Struct, frozen=True, omit_defaults=True):
    """What is known of an item after one of its versions or decisions.

    `facts` are null where they are what the version itself says. `named` are the links that follow
    the text, `by_hand` those that do not; `cut` are keys that were unlinked by hand though the text
    names them, until it once does not. `code` are the keys that the code touches. `cut_code` has at
    which head a pull request's key was unlinked by hand: what the code had then makes no link,
    until it once has it not.
    """

    facts: Snapshot | None = None
    named: dict[str, Tie] = {}
    by_hand: dict[str, Tie] = {}
    cut: tuple[str, ...] = ()
    code: dict[str, Tie] = {}
    cut_code: dict[str, str] = {}


class Invocation(Struct, frozen=True):
    """One command as somebody wrote it."""

    line: str  # as written, without white space around it, cut to 500 characters
    name: str  # the first word, in lower case, or ""
    words: tuple[str, ...]  # the positional arguments, freed of quotation marks
    options: tuple[tuple[str, str], ...]  # of NAME=VALUE, in order, names in lower case
    problem: str | None  # why it cannot be understood, if so
