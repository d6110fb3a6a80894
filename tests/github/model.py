"""What there is at GitHub: repositories, issues, Apps, who asks, and the requests that came."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from multidict import CIMultiDict

from tests.github.git import Git
from tests.github.values import CONVERT, GRAPHQL, MINT, REPO, Json

Clock = Callable[[], float]
Callback = Callable[[str, Json], Awaitable[Any]]
_CONTENT = (
    f"POST {REPO}/issues",
    f"PATCH {REPO}/issues/{{issue_number}}",
    f"POST {REPO}/issues/{{issue_number}}/comments",
    f"PATCH {REPO}/issues/comments/{{comment_id}}",
    f"POST {REPO}/labels",
)


@dataclass
class Request:
    """A request as it came, without its Authorization; `wall` and `ended` by time.monotonic.

    `status` is that of the answer, None if there was none. `ended` is also when a client that
    did not wait for the answer went.
    """

    at: float
    wall: float
    method: str
    path: str
    template: str | None
    query: dict[str, str]
    body: Any
    headers: CIMultiDict[str]
    credential: str = "none"
    status: int | None = None
    ended: float | None = None

    @property
    def is_write(self) -> bool:
        return self.method not in ("GET", "HEAD") and self.template not in (MINT, CONVERT, GRAPHQL)

    @property
    def is_content(self) -> bool:
        return self.template in _CONTENT


@dataclass
class Item:
    """An issue, or a pull request, which is an issue as well."""

    id: int
    number: int
    title: str
    body: str | None
    author: str
    created_at: float
    updated_at: float
    state: str = "open"
    state_reason: str | None = None
    closed_at: float | None = None
    closed_by: str | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    locked: bool = False
    type: str | None = None
    app_id: int | None = None
    is_pull: bool = False
    draft: bool = False
    merged_at: float | None = None
    head_ref: str = ""
    head_sha: str = ""
    base_ref: str = ""
    base_sha: str = ""
    head_repo: str | None = None  # full name, if it is another one
    merge_sha: str | None = None  # the commit as which it was merged, or a trial
    commits: list[tuple[str, str]] = field(default_factory=list)  # SHA and message
    files: list[str] = field(default_factory=list)
    stale_heads: list[str] = field(default_factory=list)  # that its files are next told of


@dataclass
class Comment:
    id: int
    number: int
    author: str
    body: str
    created_at: float
    updated_at: float
    app_id: int | None = None
    reactions: list[Json] = field(default_factory=list)


@dataclass
class Hook:
    """A webhook of a repository or an App, with what it delivered."""

    id: int
    config: Json
    events: list[str]
    active: bool
    created_at: float
    updated_at: float
    last_response: Json = field(
        default_factory=lambda: {"code": None, "status": "unused", "message": None}
    )
    deliveries: list[Json] = field(default_factory=list)
    pings: int = 0


@dataclass
class Repository:
    id: int
    full_name: str
    private: bool
    default_branch: str
    archived: bool
    has_issues: bool
    created_at: float
    updated_at: float
    names: set[str] = field(default_factory=set)  # all it ever had, in lower case
    issues: dict[int, Item] = field(default_factory=dict)  # pull requests too
    pulls: dict[int, Item] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)  # numbers of deleted issues
    comments: dict[int, Comment] = field(default_factory=dict)
    labels: dict[str, Json] = field(default_factory=dict)  # by name in lower case
    check_runs: dict[int, Json] = field(default_factory=dict)
    statuses: dict[str, list[Json]] = field(default_factory=dict)  # by SHA, oldest first
    hooks: dict[int, Hook] = field(default_factory=dict)
    collaborators: dict[str, str] = field(default_factory=dict)  # permission by login
    shas: set[str] = field(default_factory=set)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of commits in the graph
    last_number: int = 0
    git: Git | None = None  # what it really has, if it is backed by a repository on disk

    @property
    def owner(self) -> str:
        return self.full_name.split("/")[0]


@dataclass
class App:
    id: int
    slug: str
    name: str
    owner: str
    key: str
    client_id: str
    permissions: dict[str, str]
    events: list[str]
    hook: Hook
    created_at: float

    @functools.cached_property
    def public_key(self) -> Any:
        key = self.key.encode()
        loaded = serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True)
        return loaded.public_key()


@dataclass
class Installation:
    id: int
    app_id: int
    account: str
    repositories: str | set[str]  # "all", or names in lower case
    permissions: dict[str, str]
    created_at: float
    suspended_at: float | None = None


@dataclass
class Credential:
    """Who asks. `kind`: none, app, installation, classic, fine_grained."""

    kind: str
    label: str
    login: str | None = None
    scopes: tuple[str, ...] = ()
    permissions: dict[str, str] = field(default_factory=dict)
    repositories: set[str] | None = None  # names in lower case; None: all
    pushes_to: set[str] | None = None  # of these; None: all
    app: App | None = None
    installation_id: int | None = None
    expires_at: float | None = None

    @property
    def is_pat(self) -> bool:
        return self.kind in ("classic", "fine_grained")

    @property
    def app_id(self) -> int | None:
        return self.app.id if self.app is not None else None


@dataclass
class DiffLimits:
    """How much of a diff GitHub shows.

    Beyond `file_lines` or `file_bytes` a file has no patch. Once the patches of an answer have
    `total_lines` or `total_bytes`, the files that follow have none either, and look as if no line
    of theirs had changed.
    https://docs.github.com/en/repositories/creating-and-managing-repositories/repository-limits
    https://github.com/orgs/community/discussions/213491
    """

    file_lines: int = 20_000
    file_bytes: int = 500_000
    total_lines: int = 20_000
    total_bytes: int = 1_000_000


@dataclass
class Limit:
    limit: int
    remaining: int
    reset: int
