"""What the handlers read of GitHub's payloads, as types; all that is not named here is skipped.

Nearly every field may be missing: GitHub adds and drops fields, and people send samples. The
shapes are those of https://docs.github.com/en/webhooks/webhook-events-and-payloads.
"""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

# What fits a BIGINT. GitHub's ids and numbers do, with room to spare.
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
FullName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}\Z")]
Short = Annotated[str, Meta(max_length=1024)]
Time = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=0, le=253_402_300_799)] | None


class InvalidPayload(ValueError):
    """A signed payload that does not have the shape of its event: what is wrong, and where."""


class User(Struct):
    login: Short | None = None
    type: str | None = None


class Repository(Struct):
    full_name: FullName
    id: Id | None = None
    html_url: str | None = None
    default_branch: str | None = None
    private: Any = None
    visibility: Any = None
    updated_at: Time = None
    pushed_at: Time = None


class Branch(Struct):
    """The head or base of a pull request. `repo` is null once a fork was deleted."""

    ref: Short | None = None
    sha: Short | None = None
    repo: Repository | msgspec.UnsetType | None = msgspec.UNSET


class Label(Struct):
    name: Short


class PullRequest(Struct):
    number: Number | None = None
    title: str | None = None
    body: str | None = None
    html_url: str | None = None
    state: str | None = None
    draft: bool | None = None
    merged: bool | None = None
    user: User | None = None
    author_association: Any = None
    head: Branch | None = None
    base: Branch | None = None
    created_at: Time = None
    updated_at: Time = None
    closed_at: Time = None
    merged_at: Time = None


class Issue(Struct):
    number: Number
    title: str | None = None
    body: str | None = None
    html_url: str | None = None
    state: str | None = None
    user: User | None = None
    labels: list[Label] | None = None
    created_at: Time = None
    updated_at: Time = None
    closed_at: Time = None
    pull_request: Any = None  # of a comment: set if it is on a pull request


class PullRequestEvent(Struct):
    pull_request: PullRequest
    action: Short | None = None
    number: Number | None = None
    repository: Repository | None = None
    sender: User | None = None


class IssueChanges(Struct):
    """Set when an issue is transferred: on `transferred` where to, on `opened` where from."""

    new_issue: Issue | None = None
    new_repository: Repository | None = None
    old_issue: Issue | None = None
    old_repository: Repository | None = None


class IssuesEvent(Struct):
    issue: Issue
    action: Short | None = None
    label: Label | None = None
    changes: IssueChanges | None = None
    repository: Repository | None = None
    sender: User | None = None


class Comment(Struct):
    id: Id
    body: str | None = None
    html_url: str | None = None
    user: User | None = None


class IssueCommentEvent(Struct):
    comment: Comment
    issue: Issue
    repository: Repository | None = None
    sender: User | None = None


class Author(Struct):
    name: str | None = None
    username: str | None = None


class Commit(Struct):
    id: Short
    message: str = ""
    author: Author | None = None
    url: str | None = None
    timestamp: Time = None
    distinct: Any = None  # false if it was in the repository before this push


class PushEvent(Struct):
    ref: Short
    repository: Repository
    after: Short | None = None
    commits: list[Commit] | None = None
    deleted: bool | None = None
    created: Any = None  # true if the push has made the branch
    sender: User | None = None
    pusher: Author | None = None


class RepositoryEvent(Struct):
    repository: Repository
    action: Short | None = None
    sender: User | None = None


class Checked(Struct):
    """A check run or check suite."""

    head_sha: Short
    name: str | None = None


class CheckRunEvent(Struct):
    check_run: Checked
    repository: Repository


class CheckSuiteEvent(Struct):
    check_suite: Checked
    repository: Repository


class MergeGroup(Struct):
    head_sha: Short | None = None
    head_ref: Short | None = None


class MergeGroupEvent(Struct):
    merge_group: MergeGroup = msgspec.field(default_factory=MergeGroup)
    action: Short | None = None
    repository: Repository | None = None


class Account(Struct):
    login: Short | None = None


class InstalledRepository(Struct):
    id: Id
    full_name: FullName


class Installation(Struct):
    id: Id
    account: Account | None = None
    repository_selection: Short | None = None
    updated_at: Time = None
    suspended_at: Time = None


class InstallationEvent(Struct):
    installation: Installation
    action: Short | None = None
    repositories: list[InstalledRepository] | None = None


class InstallationRepositoriesEvent(Struct):
    installation: Installation
    action: Short | None = None
    repository_selection: Short | None = None
    repositories_added: list[InstalledRepository] | None = None
    repositories_removed: list[InstalledRepository] | None = None


E = TypeVar("E", bound=Struct)


def read(data: Any, shape: type[E]) -> E:
    """Return `data` as `shape`; raises InvalidPayload that names the field."""
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise InvalidPayload(str(error).replace("`$.", "`").replace("`$`", "the payload")) from None
