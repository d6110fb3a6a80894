"""What the handlers read of GitHub's payloads, as types; all that is not named here is skipped.

Nearly every field may be missing: GitHub adds and drops fields, and people send samples. One that
cannot be read counts as missing, an element of a list as not there; only without what an event
is about is there nothing to take in. The shapes are those of
https://docs.github.com/en/webhooks/webhook-events-and-payloads.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from bot import jsontext
from bot.github.names import FULL_NAME, MAX_NUMBER, number_in
from bot.github.salvaging import InvalidPayload as InvalidPayload  # noqa: PLC0414 - of these
from bot.github.salvaging import salvaged, unreadable

# What fits a BIGINT. GitHub's ids and numbers do, with room to spare.
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
FullName = Annotated[str, Meta(pattern=FULL_NAME)]
Short = Annotated[str, Meta(max_length=1024)]
# However many bytes their characters have, these fit PostgreSQL's indexes.
Login = Annotated[str, Meta(max_length=255)]
Ref = Annotated[str, Meta(max_length=512)]
BRANCHES = "refs/heads/"  # with what the refs of branches begin
Sha = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z]{1,64}\Z")]
Time = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=0, le=253_402_300_799)] | None


class User(Struct):
    login: Login | None = None
    type: str | None = None


class Owner(Struct):
    id: Id | None = None


class Account(User):
    id: Id | None = None
    url: str | None = None  # in the API


class Repository(Struct):
    full_name: FullName
    id: Id | None = None
    html_url: str | None = None
    default_branch: Ref | None = None
    private: Any = None
    visibility: Any = None
    archived: Any = None
    updated_at: Time = None
    pushed_at: Time = None
    owner: Owner | None = None

    @property
    def owner_id(self) -> int | None:
        return self.owner.id if self.owner is not None else None


class Branch(Struct):
    """The head or base of a pull request. `repo` is null once a fork was deleted, and where it
    cannot be read."""

    ref: Ref | None = None
    sha: Sha | None = None
    repo: Repository | msgspec.UnsetType | None = msgspec.UNSET


class Label(Struct):
    name: Short


class Item(Struct, kw_only=True):
    """What pull requests and issues have in common."""

    title: str | None = None
    body: str | None = None
    html_url: str | None = None
    user: User | None = None
    created_at: Time = None
    updated_at: Time = None
    closed_at: Time = None
    locked: Any = None
    labels: list[Label] | None = None

    @property
    def label_names(self) -> list[str] | None:
        return None if self.labels is None else [one.name for one in self.labels]


class PullRequest(Item):
    number: Number | None = None
    state: Literal["open", "closed", "merged"] | None = None
    draft: bool | None = None
    merged: bool | None = None
    author_association: Any = None
    merge_commit_sha: Sha | None = None  # before it is merged that of a trial
    head: Branch | None = None
    base: Branch | None = None
    merged_at: Time = None

    def __post_init__(self) -> None:
        self.number = self.number or number_in(self.html_url)


class IssueType(Struct):
    """One of an organisation's types of issues."""

    name: Short


class Issue(Item):
    """An issue. Its number is what the address says where it is missing itself.

    `type` is None where it has none, or this GitHub knows of none.
    """

    number: Number = 0
    id: Id | None = None
    state: Literal["open", "closed"] | None = None
    state_reason: Short | None = None  # as what it was closed
    pull_request: Any = None  # of a comment: set if it is on a pull request
    type: IssueType | None = None

    def __post_init__(self) -> None:
        self.number = self.number or number_in(self.html_url) or 0
        if not self.number:
            raise ValueError("Object missing required field `number`")


class CreatedIssue(Issue, kw_only=True):
    """GitHub's answer to the creation of an issue."""

    title: str
    html_url: str


class Through(Struct):
    """The App's installation through which a delivery came, in events of every kind."""

    id: Any = None


class Envelope(Struct, kw_only=True):
    """What the door reads of every event, whoever handles it."""

    action: Short | None = None
    sender: User | None = None
    installation: Through | None = None


class Event(Envelope, kw_only=True):
    """What most events tell beside what they are about."""

    repository: Repository | None = None


class Change(Struct):
    """What something was before; null where there was nothing."""

    was: str | None = msgspec.field(default=None, name="from")


class BaseChange(Struct):
    ref: Change | None = None


class Changes(Struct):
    """What `edited` has changed."""

    title: Change | None = None
    body: Change | None = None
    base: BaseChange | None = None


class PullRequestEvent(Event, kw_only=True):
    pull_request: PullRequest
    number: Number | None = None
    changes: Changes | None = None
    before: Sha | None = None  # the head before a push to it

    def __post_init__(self) -> None:
        self.pull_request.number = self.number or self.pull_request.number


class IssueChanges(Changes):
    """When an issue is transferred also, on `transferred`, where to, and on `opened` where from."""

    new_issue: Issue | None = None
    new_repository: Repository | None = None
    old_issue: Issue | None = None
    old_repository: Repository | None = None


class IssuesEvent(Event, kw_only=True):
    issue: Issue
    label: Label | None = None
    changes: IssueChanges | None = None


class Comment(Struct):
    id: Id
    body: str | None = None
    html_url: str | None = None
    issue_url: str | None = None
    user: User | None = None


class IssueCommentEvent(Event, kw_only=True):
    comment: Comment
    issue: Issue


class Author(Struct):
    name: str | None = None
    username: str | None = None


class Commit(Struct):
    id: Sha
    message: str = ""
    author: Author | None = None
    url: str | None = None
    timestamp: Time = None
    distinct: Any = None  # false if it was in the repository before this push
    added: list[str] | None = None  # paths
    modified: list[str] | None = None
    removed: list[str] | None = None


class PushEvent(Envelope, kw_only=True):
    ref: Ref
    repository: Repository
    before: Sha | None = None
    after: Short | None = None
    forced: Any = None  # true if what the branch had before is not all in what it has now
    commits: list[Commit] | None = None
    deleted: bool | None = None
    created: Any = None  # true if the push has made the branch
    pusher: Author | None = None


class RepositoryEvent(Envelope, kw_only=True):
    repository: Repository


class LoginChange(Struct):
    old: Login | None = msgspec.field(default=None, name="from")


class AccountChanges(Struct):
    login: LoginChange | None = None


class InstallationTargetEvent(Event, kw_only=True):
    """Of the account that an App is installed on."""

    account: Account
    changes: AccountChanges | None = None


class OrganizationEvent(Event, kw_only=True):
    organization: Account
    changes: AccountChanges | None = None


class Checked(Struct):
    """A check run or check suite."""

    head_sha: Sha
    name: str | None = None


class CheckRunEvent(Envelope, kw_only=True):
    check_run: Checked
    repository: Repository


class CheckSuiteEvent(Envelope, kw_only=True):
    check_suite: Checked
    repository: Repository


class MergeGroup(Struct):
    head_sha: Short | None = None
    head_ref: Short | None = None


class MergeGroupEvent(Event):
    merge_group: MergeGroup = msgspec.field(default_factory=MergeGroup)


class App(Struct):
    slug: Login


class MayDo(Struct):
    """What somebody may do in a repository. `permission` knows no triage and maintain, `role_name`
    may be one of the organisation's own."""

    role_name: str | None = None
    permission: str | None = None


class Signature(Struct):
    """Who made a commit of git's, and when."""

    name: str | None = None
    date: Time = None


class GitCommit(Struct):
    message: str = ""
    author: Signature | None = None
    committer: Signature | None = None


class PullRequestCommit(Struct):
    sha: Sha


class ListedCommit(PullRequestCommit, kw_only=True):
    """A commit in GitHub's list of a pull request's. `author` is the user, if it is one."""

    html_url: str | None = None
    commit: GitCommit = msgspec.field(default_factory=GitCommit)
    author: User | None = None


class ServedRepository(Repository, kw_only=True):
    """A repository as it answers whoever asks; `permissions` are those of a token's owner."""

    permissions: dict[str, bool] | None = None


class InstalledRepository(Struct):
    id: Id
    full_name: FullName


class Installation(Through, kw_only=True):
    id: Id
    account: User | None = None
    repository_selection: Short | None = None
    updated_at: Time = None
    suspended_at: Time = None
    permissions: Any = None  # a level by the name of each
    events: Any = None
    html_url: Short | None = None


class InstallationEvent(Event, kw_only=True):
    """Of an installation as a whole, or of the repositories in it."""

    installation: Installation
    repositories: list[InstalledRepository] | None = None
    repositories_added: list[InstalledRepository] | None = None
    repositories_removed: list[InstalledRepository] | None = None


E = TypeVar("E", bound=Struct)


def read(data: Any, shape: type[E]) -> E:
    """Return `data` as `shape`, what cannot be read of it left out.

    Raises InvalidPayload that names the field if that leaves nothing to take in.
    """
    found: E = salvaged(data, shape, "")
    return found


def read_answer(data: Any, shape: type[E]) -> E:
    """Return an answer of GitHub's API as `shape`, as `read` does.

    It may say what no database keeps; deliveries are freed of it at the door.
    """
    try:
        kept, _ = jsontext.parse_delivery(json.dumps(data).encode())
    except jsontext.InvalidJSON:
        raise unreadable("") from None
    return read(kept, shape)


def readable(rows: Iterable[Any], shape: type[E]) -> list[E]:
    """Return the rows of an answer as `shape`, as `read_answer` does.

    One that cannot be read hides no others.
    """
    found = []
    for row in rows:
        with suppress(InvalidPayload):
            found.append(read_answer(row, shape))
    return found
