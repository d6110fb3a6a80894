"""A GitHub of the tests' own: the part of its REST API that the bot uses, over HTTP on loopback.

It keeps state as GitHub does (repositories, issues, pull requests, comments, labels, check runs,
statuses, hooks, Apps, installations, tokens, rate limits), checks every request against GitHub's
description of its API if that file is at hand, logs them, and fails in any way a test asks for.

    github = await GitHub.start()
    github.add_repository("acme/shop")
    github.add_token("ghp_secret", "octocat")
    ...
    assert github.violations == []
    await github.close()
"""

import asyncio
import base64
import contextlib
import functools
import hashlib
import itertools
import json
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from multidict import CIMultiDict

Json = dict[str, Any]
Clock = Callable[[], float]
Callback = Callable[[str, Json], Awaitable[Any]]

OPERATIONS = Path(__file__).parents[2] / "shared" / "github" / "rest-operations.json"
API_VERSION = "2022-11-28"
MINT = "POST /app/installations/{installation_id}/access_tokens"
CONVERT = "POST /app-manifests/{code}/conversions"
REPO = "/repos/{owner}/{repo}"
LIMIT, TOKEN_SECONDS, JWT_SECONDS = 5000, 3600, 600
MAX_BODY, MAX_TITLE = 65536, 256
HUGE = 50 * 1024 * 1024
DOCS = "https://docs.github.com/rest"
_ACCEPTED = ("application/vnd.github+json", "application/vnd.github.v3+json")
_ANONYMOUS = (CONVERT, "GET /meta")
_CONTENT = (
    f"POST {REPO}/issues",
    f"PATCH {REPO}/issues/{{issue_number}}",
    f"POST {REPO}/issues/{{issue_number}}/comments",
    f"PATCH {REPO}/issues/comments/{{comment_id}}",
    f"POST {REPO}/labels",
)
_LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}
_STEP = 0.02  # seconds between looks at a connection that is held
_NO_INTEGRATION = "Resource not accessible by integration"
_NO_TOKEN = "Resource not accessible by personal access token"
_NO_JWT = "A JSON web token could not be decoded"
_SUSPENDED = "This installation has been suspended"


def stamp(seconds: float | None) -> str | None:
    """Return a time as GitHub writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(value: float | str | None) -> float | None:
    """Return a time in seconds, given so or as text."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return value


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{len(kind):03}:{kind}{number}".encode()).decode()


def sha_of(text: str) -> str:
    """Return a stable commit SHA for a text."""
    return hashlib.sha1(text.encode()).hexdigest()


@functools.cache
def rsa_key() -> str:
    """Return a private key as GitHub gives it to an App; always the same one."""
    return new_rsa_key()


def new_rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


# What can go wrong


@dataclass
class Fault:
    """How some requests fail: `times` of them (None: until `heal`), not counting `after` first.

    Kinds: status, status_after, timeout_before, timeout_after, late, slow, drop_before,
    drop_after, garbage, huge, redirect_loop, redirect_away. See `GitHub._fail`.
    """

    kind: str
    template: str | None = None
    times: int | None = 1
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Json | None = None
    status: int = 502
    seconds: float = 0.0
    seen: int = 0  # requests that it was about
    used: int = 0  # requests that it failed

    def takes(self, template: str | None) -> bool:
        """Tell whether the fault befalls a request, and count it."""
        if self.template not in (None, template):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.used >= self.times):
            return False
        self.used += 1
        return True


def primary_limit(reset_in: float, clock: Clock, **options: Any) -> Fault:
    """Return a fault: the hourly limit is spent for `reset_in` seconds more."""
    headers = {
        "x-ratelimit-limit": str(LIMIT),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-used": str(LIMIT),
        "x-ratelimit-reset": str(math.ceil(clock() + reset_in)),
        "x-ratelimit-resource": "core",
    }
    body = {"message": "API rate limit exceeded for user ID 1.", "documentation_url": DOCS}
    return Fault("status", status=403, headers=headers, body=body, **options)


def secondary_limit(retry_after: int, status: int = 403, **options: Any) -> Fault:
    """Return a fault: a secondary limit that says how long to wait."""
    return Fault(
        "status",
        status=status,
        headers={"Retry-After": str(retry_after), "x-ratelimit-remaining": "4321"},
        body=_secondary_body(),
        **options,
    )


def secondary_limit_bare(**options: Any) -> Fault:
    """Return a fault: a secondary limit that its message alone tells of."""
    return Fault("status", status=403, body=_secondary_body(), **options)


def _secondary_body() -> Json:
    message = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    return {"message": message, "documentation_url": DOCS}


# What there is


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
        return self.method not in ("GET", "HEAD") and self.template not in (MINT, CONVERT)

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
    app_id: int | None = None
    is_pull: bool = False
    draft: bool = False
    merged_at: float | None = None
    head_ref: str = ""
    head_sha: str = ""
    base_ref: str = ""
    base_sha: str = ""
    head_repo: str | None = None  # full name, if it is another one
    commits: list[tuple[str, str]] = field(default_factory=list)  # SHA and message
    files: list[str] = field(default_factory=list)


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
    last_number: int = 0

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
        return serialization.load_pem_private_key(self.key.encode(), None).public_key()


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
class Limit:
    limit: int
    remaining: int
    reset: int


# The check of a request's body


def check_schema(value: Any, schema: Json, where: str = "body", top: bool = True) -> list[str]:
    """Return what is wrong with a value by a JSON Schema, of which this knows a part."""
    if value is None and schema.get("nullable"):
        return []
    problems = _check_type(value, schema, where)
    if problems:
        return problems
    if "enum" in schema and value not in schema["enum"]:
        problems.append(f"{where}: {value!r:.80} is none of {schema['enum']}")
    if isinstance(value, str):
        problems += _check_text(value, schema, where)
    if isinstance(value, list):
        problems += _check_list(value, schema, where)
    if isinstance(value, dict):
        problems += _check_object(value, schema, where, top)
    return problems + _check_combined(value, schema, where)


def _check_type(value: Any, schema: Json, where: str) -> list[str]:
    wanted = schema.get("type")
    if wanted is None:
        return []
    types = wanted if isinstance(wanted, list) else [wanted]
    return [] if any(_is_of_type(value, one) for one in types) else [f"{where}: not {wanted}"]


def _is_of_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "object": dict,
        "array": list,
        "null": type(None),
    }
    return name in types and isinstance(value, types[name])


def _check_text(value: str, schema: Json, where: str) -> list[str]:
    problems = []
    if len(value) > schema.get("maxLength", math.inf):
        problems.append(f"{where}: longer than {schema['maxLength']}")
    if len(value) < schema.get("minLength", 0):
        problems.append(f"{where}: shorter than {schema['minLength']}")
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            problems.append(f"{where}: no date-time")
    return problems


def _check_list(value: list[Any], schema: Json, where: str) -> list[str]:
    problems = []
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        problems.append(f"{where}: {len(value)} items")
    for index, one in enumerate(value):
        problems += check_schema(one, schema.get("items", {}), f"{where}[{index}]", False)
    return problems


def _check_object(value: Json, schema: Json, where: str, top: bool) -> list[str]:
    problems = [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
    known = schema.get("properties", {})
    for name, one in value.items():
        if name in known:
            problems += check_schema(one, known[name], f"{where}.{name}", False)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        for name in value.keys() - known.keys():
            problems += check_schema(value[name], more, f"{where}.{name}", False)
    elif more is False or top:
        allowed = _property_names(schema)
        problems += [f"{where}: unknown {name}" for name in value if name not in allowed]
    return problems


def _property_names(schema: Json) -> set[str]:
    names = set(schema.get("properties", {}))
    for how in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(how, []):
            names |= _property_names(one)
    return names


def _check_combined(value: Any, schema: Json, where: str) -> list[str]:
    problems = []
    for one in schema.get("allOf", []):
        problems += check_schema(value, one, where, False)
    for how in ("oneOf", "anyOf"):
        tried = [check_schema(value, one, where, False) for one in schema.get(how, [])]
        if tried and all(tried):
            why = "; ".join(itertools.chain(*tried))[:200]
            problems.append(f"{where}: fits none of {how} ({why})")
    return problems


@functools.cache
def operations() -> dict[str, Json]:
    """Return GitHub's description of its operations; empty if it is not at hand."""
    if not OPERATIONS.exists():
        return {}
    found: dict[str, Json] = json.loads(OPERATIONS.read_bytes())["operations"]
    _restore(found)
    return found


def _restore(found: dict[str, Json]) -> None:
    """Put back the properties named `description` and `summary`, which the file leaves out."""

    def properties(template: str) -> Json:
        known: Json = found[template]["requestBody"]["schema"]["properties"]
        return known

    text = {"type": "string"}
    properties(f"POST {REPO}/labels").setdefault("description", text)
    properties(f"POST {REPO}/statuses/{{sha}}").setdefault(
        "description", {**text, "nullable": True}
    )
    for template in (f"POST {REPO}/check-runs", f"PATCH {REPO}/check-runs/{{check_run_id}}"):
        known = properties(template)
        known["output"]["properties"].setdefault("summary", {**text, "maxLength": 65535})
        known["actions"]["items"]["properties"].setdefault("description", {**text, "maxLength": 40})


# Answers and routes


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, Json]] = field(default_factory=list)


class Failure(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, headers: Any = None, **more: Any) -> None:
        super().__init__(message)
        self.answer = Answer(
            status,
            {"message": message, **more, "documentation_url": DOCS, "status": str(status)},
            dict(headers or {}),
        )


def invalid(resource: str, fieldname: str, code: str, message: str | None = None) -> Failure:
    """Return a 422 about one field."""
    error = {"resource": resource, "code": code, "field": fieldname}
    if message is not None:
        error["message"] = message
    return Failure(422, "Validation Failed", errors=[error])


def not_found() -> Failure:
    return Failure(404, "Not Found")


@dataclass
class Call:
    """A request that has been let in."""

    github: "GitHub"
    route: "Route"
    credential: Credential
    arguments: dict[str, str]
    query: dict[str, str]
    body: Json
    path: str
    repository: Repository | None = None
    used: tuple[str, str] | None = None  # the permission that it took

    @property
    def repo(self) -> Repository:
        assert self.repository is not None
        return self.repository

    @property
    def now(self) -> float:
        return self.github.clock()

    @property
    def login(self) -> str:
        assert self.credential.login is not None
        return self.credential.login

    def number(self, name: str) -> int:
        text = self.arguments[name]
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise not_found()
        return int(text)

    @property
    def item(self) -> Item:
        """The issue or pull request that the path names."""
        if "comment_id" in self.arguments:
            return self.repo.issues[self.comment.number]
        number = self.number("issue_number")
        if number in self.repo.deleted:
            raise Failure(410, "This issue was deleted")
        if number not in self.repo.issues:
            raise not_found()
        return self.repo.issues[number]

    @property
    def pull(self) -> Item:
        number = self.number("pull_number")
        if number not in self.repo.pulls:
            raise not_found()
        return self.repo.pulls[number]

    @property
    def comment(self) -> Comment:
        found = self.repo.comments.get(self.number("comment_id"))
        if found is None:
            raise not_found()
        return found

    @property
    def hook(self) -> Hook:
        """The webhook that the path names, or the App's."""
        if "hook_id" not in self.arguments:
            return self.app.hook
        found = self.repo.hooks.get(self.number("hook_id"))
        if found is None:
            raise not_found()
        return found

    @property
    def app(self) -> App:
        assert self.credential.app is not None
        return self.credential.app


Handler = Callable[[Call], Answer]


@dataclass
class Route:
    """`who` may call: app, installation, user, repository, anyone, nobody (no credential).

    `permission` "item" is that of what the path names: issues or pull_requests.
    """

    template: str
    handler: Handler
    who: str
    permission: str
    level: str


ROUTES: dict[str, Route] = {}


def route(
    template: str, who: str = "repository", permission: str = "metadata", level: str = "read"
) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        ROUTES[template] = Route(template, handler, who, permission, level)
        return handler

    return register


@functools.cache
def _patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """Return method, template and pattern of all operations, those with fixed parts first."""
    found = []
    for template in {**operations(), **ROUTES}:
        method, _, path = template.partition(" ")
        pattern = re.sub(
            r"\\\{([a-z_]+)\\\}",
            lambda match: f"(?P<{match[1]}>{'.+' if match[1] in _LONG else '[^/]+'})",
            re.escape(path),
        )
        found.append((method, template, re.compile(pattern)))
    return sorted(found, key=lambda one: one[1].count("{"))


_LONG = ("path", "basehead", "ref")


def match_route(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    """Return the template and the arguments of a path, which is still percent-encoded."""
    for known, template, pattern in _patterns():
        found = pattern.fullmatch(path) if known == method else None
        if found is not None:
            return template, {name: unquote(text) for name, text in found.groupdict().items()}
    return None, {}


def page_of(call: Call, items: list[Any], wrap: Callable[[list[Any]], Any] | None = None) -> Answer:
    """Return the page that the query asks for, with the links to others."""
    size = max(1, min(100, _number(call.query.get("per_page"), 30)))
    page = max(1, _number(call.query.get("page"), 1))
    last = max(1, math.ceil(len(items) / size))
    links = {}
    if page > 1:
        links |= {"prev": min(page - 1, last), "first": 1}
    if page < last:
        links |= {"next": page + 1, "last": last}
    shown = items[(page - 1) * size : page * size]
    headers = {"Link": ", ".join(_link(call, rel, page=to) for rel, to in links.items())}
    return Answer(200, wrap(shown) if wrap else shown, headers if links else {})


def _link(call: Call, rel: str, **changes: Any) -> str:
    query = urlencode({**call.query, **changes})
    path = call.path
    if call.repository is not None:
        path = f"/repositories/{call.repo.id}" + "/" + path.split("/", 4)[-1]
    return f'<{call.github.url}{path}?{query}>; rel="{rel}"'


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else default


class GitHub:
    """The stand-in itself. `clock` tells its time and may be replaced at any moment."""

    def __init__(self, prefix: str, clock: Clock) -> None:
        self.clock = clock
        self.prefix = prefix
        self.url = self.web_url = ""
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.permissions_used: set[tuple[str, str]] = set()
        self.redeliveries: list[int] = []  # ids of deliveries that somebody asked for again
        self.down: bool | int = False
        self.redirect_status = 301
        self.deliver_before_answer = False
        self.search_lag = 0.0  # seconds until the search finds something new
        self.repositories: dict[str, Repository] = {}  # by full name in lower case
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self._moved: dict[str, Repository] = {}
        self._users: dict[str, Json] = {}
        self._tokens: dict[str, Credential] = {}
        self._codes: dict[str, Json] = {}
        self._ids = count(1000)
        self._limits: dict[tuple[str, str], Limit] = {}
        self._limit_of_all: dict[str, Limit] = {}
        self._faults: list[Fault] = []
        self._callbacks: list[Callback] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @classmethod
    async def start(cls, *, prefix: str = "", clock: Clock = time.time, port: int = 0) -> "GitHub":
        """Start it on 127.0.0.1; with a prefix such as /api/v3 it is an Enterprise Server."""
        github = cls(prefix, clock)
        app = web.Application(client_max_size=HUGE)
        app.router.add_route("*", "/{path:.*}", github._handle)
        github._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await github._runner.setup()
        await web.TCPSite(github._runner, "127.0.0.1", port).start()
        bound = github._runner.addresses[0][1]
        github.url = f"http://127.0.0.1:{bound}{prefix}"
        github.web_url = f"http://127.0.0.1:{bound}" if prefix else "https://github.com"
        return github

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await self._runner.cleanup()

    # Set-up

    def new_id(self) -> int:
        return next(self._ids)

    def add_repository(
        self,
        full_name: str,
        *,
        id: int | None = None,
        private: bool = False,
        default_branch: str = "main",
        archived: bool = False,
        has_issues: bool = True,
    ) -> Repository:
        now = self.clock()
        made = Repository(
            id if id is not None else self.new_id(),
            full_name,
            private,
            default_branch,
            archived,
            has_issues,
            now,
            now,
            {full_name.lower()},
        )
        self.repositories[full_name.lower()] = made
        self._moved.pop(full_name.lower(), None)
        return made

    def rename_repository(self, old: str, new: str) -> Repository:
        """Rename or transfer a repository; the old name redirects to it."""
        moved = self.repositories.pop(old.lower())
        moved.full_name, moved.updated_at = new, self.clock()
        moved.names.add(new.lower())
        self.repositories[new.lower()] = moved
        self._moved[old.lower()] = moved
        self._moved.pop(new.lower(), None)
        return moved

    def repository(self, full_name: str) -> Repository:
        return self.repositories[full_name.lower()]

    def add_user(self, login: str, type: str = "User") -> Json:
        """Add a user, unless there is one of that name."""
        known = self._users.get(login.lower())
        if known is None:
            known = {"login": login, "id": self.new_id(), "type": type}
            self._users[login.lower()] = known
        return known

    def add_token(
        self,
        token: str,
        login: str,
        *,
        scopes: Iterable[str] = ("repo",),
        fine_grained: dict[str, str] | None = None,
        expires_at: float | None = None,
        repositories: Iterable[str] | None = None,
    ) -> None:
        """Add a personal access token: a classic one, or a fine-grained one's permissions."""
        self.add_user(login)
        self._tokens[token] = Credential(
            "classic" if fine_grained is None else "fine_grained",
            f"pat:{login}",
            login,
            tuple(scopes) if fine_grained is None else (),
            dict(fine_grained or {}),
            _names(repositories),
            expires_at=expires_at,
        )

    def remove_token(self, token: str) -> None:
        del self._tokens[token]

    def add_app(
        self,
        app_id: int,
        private_key_pem: str,
        slug: str,
        *,
        permissions: dict[str, str],
        events: Iterable[str],
        hook_url: str = "https://bot.example/webhook",
        hook_content_type: str = "json",
        hook_secret: str | None = None,
        hook_insecure_ssl: str = "0",
        name: str | None = None,
        owner: str = "acme",
        client_id: str | None = None,
    ) -> App:
        now = self.clock()
        config = {
            "content_type": hook_content_type,
            "insecure_ssl": hook_insecure_ssl,
            "url": hook_url,
        }
        if hook_secret is not None:
            config["secret"] = hook_secret
        made = App(
            app_id,
            slug,
            name or slug,
            owner,
            private_key_pem,
            client_id or f"Iv23li{secrets.token_hex(7)}",
            dict(permissions),
            list(events),
            Hook(self.new_id(), config, list(events), True, now, now),
            now,
        )
        self.apps[app_id] = made
        self.add_user(f"{slug}[bot]", "Bot")
        return made

    def add_installation(
        self,
        app_id: int,
        installation_id: int,
        account: str,
        *,
        repositories: str | Iterable[str] = "all",
        permissions: dict[str, str] | None = None,
        suspended: bool = False,
    ) -> Installation:
        """Install an App. `repositories` are full names or names within the account."""
        self.add_user(account, "Organization")
        chosen: str | set[str] = "all"
        if repositories != "all":
            chosen = {name if "/" in name else f"{account}/{name}" for name in repositories}
            chosen = {name.lower() for name in chosen}
        made = Installation(
            installation_id,
            app_id,
            account,
            chosen,
            dict(self.apps[app_id].permissions if permissions is None else permissions),
            self.clock(),
            self.clock() if suspended else None,
        )
        self.installations[installation_id] = made
        return made

    def suspend_installation(self, installation_id: int) -> None:
        self.installations[installation_id].suspended_at = self.clock()

    def unsuspend_installation(self, installation_id: int) -> None:
        self.installations[installation_id].suspended_at = None

    def remove_installation(self, installation_id: int) -> None:
        del self.installations[installation_id]
        self.revoke_tokens(installation_id)

    def revoke_tokens(self, installation_id: int) -> None:
        """Make all tokens of an installation invalid at once."""
        self._tokens = {
            token: one
            for token, one in self._tokens.items()
            if one.installation_id != installation_id
        }

    def add_installation_token(
        self,
        token: str,
        installation_id: int,
        *,
        permissions: dict[str, str] | None = None,
        repositories: Iterable[str] | None = None,
    ) -> Credential:
        """Add a token that somebody had minted, good for an hour."""
        installation = self.installations[installation_id]
        app = self.apps[installation.app_id]
        made = Credential(
            "installation",
            f"installation:{installation_id}",
            f"{app.slug}[bot]",
            permissions=dict(installation.permissions if permissions is None else permissions),
            repositories=_names(repositories),
            app=app,
            installation_id=installation_id,
            expires_at=int(self.clock()) + TOKEN_SECONDS,
        )
        self._tokens[token] = made
        return made

    def add_manifest_code(
        self, code: str, *, name: str = "experiment-bot", owner: str = "acme", **extra: Any
    ) -> None:
        """Let a manifest's code be exchanged, once; `extra` replaces parts of the answer."""
        self._codes[code] = {"name": name, "owner": owner, **extra}

    def add_hook(
        self,
        full_name: str,
        url: str,
        events: Iterable[str],
        content_type: str = "json",
        active: bool = True,
        secret: str | None = None,
        insecure_ssl: str = "0",
    ) -> int:
        """Add a webhook to a repository and return its id."""
        config = {"content_type": content_type, "insecure_ssl": insecure_ssl, "url": url}
        if secret is not None:
            config["secret"] = secret
        now = self.clock()
        made = Hook(self.new_id(), config, list(events), active, now, now)
        self.repository(full_name).hooks[made.id] = made
        return made.id

    def add_delivery(
        self,
        hook: Hook,
        event: str,
        payload: Json,
        *,
        guid: str | None = None,
        status_code: int = 200,
        status: str | None = None,
        at: float | None = None,
        redelivery: bool = False,
    ) -> Json:
        """Add to what a webhook delivered: `github.apps[1].hook`, or one of a repository's hooks.

        `status_code` 0 is for one that got no answer.
        """
        default = "OK" if 200 <= status_code < 300 else "Invalid HTTP Response"
        delivery = {
            "id": self.new_id(),
            "guid": guid or f"{secrets.token_hex(4)}-0000-11f0-8000-{secrets.token_hex(6)}",
            "delivered_at": stamp(self.clock() if at is None else at),
            "redelivery": redelivery,
            "duration": 0.27,
            "status": status or (default if status_code else "failed to connect to host"),
            "status_code": status_code,
            "event": event,
            "action": payload.get("action"),
            "installation_id": (payload.get("installation") or {}).get("id"),
            "repository_id": (payload.get("repository") or {}).get("id"),
            "throttled_at": None,
            "payload": payload,
        }
        hook.deliveries.append(delivery)
        return delivery

    def open_pull(
        self,
        full_name: str,
        number: int | None = None,
        *,
        title: str,
        body: str | None = "",
        author: str = "jane",
        head_ref: str = "feature",
        head_sha: str | None = None,
        base_ref: str = "main",
        state: str = "open",
        draft: bool = False,
        merged_at: float | str | None = None,
        head_repo: str | None = None,
    ) -> Item:
        item = self._add_item(full_name, number, title, body, author)
        repo = self.repository(full_name)
        sha = head_sha or sha_of(f"{full_name}#{item.number}")
        item.is_pull, item.draft, item.head_repo = True, draft, head_repo
        item.head_ref, item.base_ref, item.base_sha = head_ref, base_ref, sha_of(base_ref)
        item.files = ["src/checkout.ts"]
        repo.pulls[item.number] = item
        self.push(full_name, item.number, sha, title)
        self.edit_pull(full_name, item.number, state=state, merged_at=merged_at)
        return item

    def open_issue(
        self,
        full_name: str,
        number: int | None = None,
        *,
        title: str,
        body: str | None = "",
        author: str = "jane",
        labels: Iterable[str] = (),
    ) -> Item:
        item = self._add_item(full_name, number, title, body, author)
        item.labels = list(labels)
        for name in item.labels:
            self.add_label(full_name, name)
        return item

    def _add_item(
        self, full_name: str, number: int | None, title: str, body: str | None, author: str
    ) -> Item:
        repo, now = self.repository(full_name), self.clock()
        number = repo.last_number + 1 if number is None else number
        assert number not in repo.issues, f"{full_name}#{number} exists"
        repo.last_number = max(repo.last_number, number)
        login = self.add_user(author, "Bot" if author.endswith("[bot]") else "User")["login"]
        item = Item(self.new_id(), number, title, body, login, now, now)
        repo.issues[number] = item
        return item

    def edit_pull(self, full_name: str, number: int, **changes: Any) -> Item:
        """Change fields of an issue or pull request, as its author would on the page."""
        item = self.repository(full_name).issues[number]
        if "head_sha" in changes:
            self.push(full_name, number, changes.pop("head_sha"))
        merged_at = seconds_of(changes.pop("merged_at", item.merged_at))
        if merged_at is not None:
            changes = {"state": "closed", **changes}
        for name, value in changes.items():
            assert hasattr(item, name), name
            setattr(item, name, value)
        item.merged_at = merged_at
        item.closed_at = None if item.state == "open" else merged_at or item.closed_at
        if item.state == "closed" and item.closed_at is None:
            item.closed_at = self.clock()
        item.updated_at = self.clock()
        return item

    edit_issue = edit_pull

    def push(self, full_name: str, number: int | None, sha: str, message: str = "More") -> None:
        """Push a commit, to a pull request if it has a number."""
        repo = self.repository(full_name)
        repo.shas.add(sha)
        if number is not None:
            item = repo.pulls[number]
            item.head_sha, item.updated_at = sha, self.clock()
            item.commits.append((sha, message))

    def delete_issue(self, full_name: str, number: int) -> None:
        repo = self.repository(full_name)
        del repo.issues[number]
        repo.deleted.add(number)
        repo.comments = {id: one for id, one in repo.comments.items() if one.number != number}

    def add_label(self, full_name: str, name: str, color: str = "ededed") -> Json:
        """Add a label, unless there is one of that name."""
        labels = self.repository(full_name).labels
        new = {"id": self.new_id(), "name": name, "color": color, "description": None}
        return labels.setdefault(name.lower(), new)

    def add_comment(self, full_name: str, number: int, login: str, body: str) -> Json:
        """Add a comment as somebody and return it."""
        repo = self.repository(full_name)
        made = self._comment(repo, repo.issues[number], login, body, None)
        return self._comment_payload(repo, made)

    def _comment(
        self, repo: Repository, item: Item, login: str, body: str, app_id: int | None
    ) -> Comment:
        login = self.add_user(login, "Bot" if login.endswith("[bot]") else "User")["login"]
        now = self.clock()
        made = Comment(self.new_id(), item.number, login, body, now, now, app_id)
        repo.comments[made.id] = made
        item.updated_at = now
        return made

    def delete_comment(self, comment_id: int) -> None:
        for repo in self.repositories.values():
            if repo.comments.pop(comment_id, None) is not None:
                return
        raise KeyError(comment_id)

    # A look at the state

    def comments(self, full_name: str, number: int) -> list[Json]:
        repo = self.repository(full_name)
        found = [one for one in repo.comments.values() if one.number == number]
        return [self._comment_payload(repo, one) for one in found]

    def reactions(self, full_name: str, comment_id: int) -> list[str]:
        """Return the reactions to a comment in the order in which they were given."""
        given = self.repository(full_name).comments[comment_id].reactions
        return [str(one["content"]) for one in given]

    def issues(self, full_name: str) -> list[Json]:
        """Return the issues of a repository that are no pull requests."""
        repo = self.repository(full_name)
        return [self._issue(repo, one) for one in repo.issues.values() if not one.is_pull]

    def labels_of(self, full_name: str, number: int) -> list[str]:
        return list(self.repository(full_name).issues[number].labels)

    def check_runs(self, full_name: str, sha: str) -> list[Json]:
        repo = self.repository(full_name)
        found = [run for run in repo.check_runs.values() if run["head_sha"] == sha]
        return [self._check_run(repo, run) for run in found]

    def statuses(self, full_name: str, sha: str) -> list[Json]:
        """Return all statuses that a commit ever had, newest first."""
        return list(reversed(self.repository(full_name).statuses.get(sha, [])))

    def combined(self, full_name: str, sha: str) -> dict[str, str]:
        """Return the newest state of each context."""
        oldest_first = self.repository(full_name).statuses.get(sha, [])
        return {one["context"]: one["state"] for one in oldest_first}

    def pull_payload(self, full_name: str, number: int) -> Json:
        repo = self.repository(full_name)
        return self._pull(repo, repo.pulls[number])

    def issue_payload(self, full_name: str, number: int) -> Json:
        repo = self.repository(full_name)
        return self._issue(repo, repo.issues[number])

    def repository_payload(self, full_name: str) -> Json:
        return self._repository(self.repository(full_name))

    def user_payload(self, login: str) -> Json:
        return self._user(login)

    # A look at the requests

    def calls(self, template: str | None = None, path: str | None = None) -> list[Request]:
        return [
            one
            for one in self.requests
            if template in (None, one.template) and path in (None, one.path)
        ]

    def writes(self, template: str | None = None) -> list[Request]:
        return [one for one in self.calls(template) if one.is_write]

    @property
    def mints(self) -> list[Request]:
        return self.calls(MINT)

    @property
    def concurrent_writes(self) -> int:
        """The largest number of writes of one credential that were under way at once."""
        changes = []
        for one in self.writes():
            changes += [(one.wall, 1, one.credential)]
            changes += [(math.inf if one.ended is None else one.ended, -1, one.credential)]
        most, under_way = 0, dict.fromkeys((one.credential for one in self.writes()), 0)
        for _, change, credential in sorted(changes):
            under_way[credential] += change
            most = max(most, under_way[credential])
        return most

    def most_writes_within(
        self, seconds: float, content_only: bool = False, by: str = "wall"
    ) -> int:
        """Return the largest number of writes of one credential within so many seconds."""
        most = 0
        for credential in {one.credential for one in self.writes()}:
            times = sorted(
                one.wall if by == "wall" else one.at
                for one in self.writes()
                if one.credential == credential and (one.is_content or not content_only)
            )
            first = 0
            for last, at in enumerate(times):
                while times[first] <= at - seconds:
                    first += 1
                most = max(most, last - first + 1)
        return most

    # Faults, limits and webhooks

    def fail(self, fault: Fault) -> Fault:
        """Add a fault; the first of those that fit befalls a request."""
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()
        self.down = False

    def set_limit(
        self,
        remaining: int,
        reset_in: float,
        credential: str | None = None,
        resource: str = "core",
    ) -> None:
        """Say what is left of a credential's rate limit (None: of everybody's), and how long."""
        reset = math.ceil(self.clock() + reset_in)
        if credential is not None:
            limit = self._limit(credential, resource)
            limit.remaining, limit.reset = remaining, reset
            return
        self._limit_of_all[resource] = Limit(LIMIT, remaining, reset)
        for (_, known), limit in self._limits.items():
            if known == resource:
                limit.remaining, limit.reset = remaining, reset

    def _limit(self, credential: str, resource: str) -> Limit:
        now = self.clock()
        known = self._limits.get((credential, resource))
        if known is not None and now < known.reset:
            return known
        size, window = {"search": (30, 60), "code_search": (10, 60)}.get(resource, (LIMIT, 3600))
        if credential == "none":
            size = 60
        made = Limit(size, size, math.ceil(now) + window)
        common = self._limit_of_all.get(resource)
        if known is None and common is not None and now < common.reset:
            made.remaining, made.reset = common.remaining, common.reset
        self._limits[credential, resource] = made
        return made

    def subscribe(self, callback: Callback) -> None:
        """Have `callback(event, payload)` awaited for what requests do."""
        self._callbacks.append(callback)

    async def _deliver(self, events: list[tuple[str, Json]]) -> None:
        for event, payload in events:
            for callback in self._callbacks:
                try:
                    await callback(event, payload)
                except Exception as error:
                    self.violations.append(f"a subscriber raised {error!r}")

    def _deliver_later(self, events: list[tuple[str, Json]]) -> None:
        if events and not self._closing:
            task = asyncio.get_running_loop().create_task(self._deliver(events))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # A request on its way

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        entry, arguments = self._log(request, await request.read())
        try:
            return await self._respond(request, entry, arguments)
        finally:
            entry.ended = entry.ended or time.monotonic()

    def _log(self, request: web.Request, content: bytes) -> tuple[Request, dict[str, str]]:
        wall = time.monotonic()
        path = request.raw_path.partition("?")[0].removeprefix(self.prefix)
        template, arguments = match_route(request.method, self._usual_path(path))
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = content.decode(errors="replace")
        headers = CIMultiDict(request.headers)
        headers.popall("Authorization", None)
        entry = Request(
            self.clock(),
            wall,
            request.method,
            path,
            template,
            dict(request.query),
            body,
            headers,
            self._label(request),
        )
        self.requests.append(entry)
        return entry, arguments

    def _usual_path(self, path: str) -> str:
        """Return a path of /repositories/ID as one of /repos/OWNER/NAME."""
        found = re.fullmatch(r"/repositories/([0-9]+)(/.*)?", path)
        if found is None:
            return path
        for repo in self.repositories.values():
            if repo.id == int(found[1]):
                return f"/repos/{repo.full_name}{found[2] or ''}"
        return f"/repos/-/{found[1]}{found[2] or ''}"

    async def _respond(
        self, request: web.Request, entry: Request, arguments: dict[str, str]
    ) -> web.StreamResponse:
        if self.down is True:
            return self._drop(request)
        if self.down:
            body = {"message": "Service unavailable"}
            return await self._send(request, entry, Answer(int(self.down), body))
        problems = self._check(request, entry)
        self.violations += [f"{entry.method} {entry.path}: {one}" for one in problems]
        fault = next((one for one in self._faults if one.takes(entry.template)), None)

        def perform() -> Answer:
            return self._perform(request, entry, arguments, problems)

        if fault is None:
            return await self._finish(request, entry, perform())
        return await self._fail(request, entry, fault, perform)

    async def _fail(
        self,
        request: web.Request,
        entry: Request,
        fault: Fault,
        perform: Callable[[], Answer],
    ) -> web.StreamResponse:
        """Do what a fault says with a request."""
        failed = Answer(fault.status, fault.body or {"message": "Server Error"}, fault.headers)
        match fault.kind:
            case "status":  # nothing done
                return await self._finish(request, entry, failed)
            case "status_after":  # done, but the answer says otherwise
                failed.events = perform().events
                return await self._finish(request, entry, failed)
            case "timeout_before":  # nothing done and no answer
                await self._hold(request, entry, fault.seconds)
                return self._drop(request)
            case "timeout_after":  # done, no answer
                await self._finish_silently(perform())
                await self._hold(request, entry, fault.seconds)
                return self._drop(request)
            case "late":  # done in the end, whether or not the client still waits
                await self._hold(request, entry, fault.seconds, to_the_end=True)
                if self._closing:
                    return self._drop(request)
                return await self._finish(request, entry, perform())
            case "slow":  # done, answered after a while
                answer = perform()
                await self._hold(request, entry, fault.seconds)
                return await self._finish(request, entry, answer)
            case "drop_before":  # nothing done, the connection closed
                return self._drop(request)
            case "drop_after":  # done, the connection closed
                await self._finish_silently(perform())
                return self._drop(request)
            case "garbage":
                page = "<!DOCTYPE html><html><body>Unicorn!</body></html>"
                return await self._finish(request, entry, Answer(200, page, fault.headers))
            case "huge":
                return await self._send_huge(request, entry)
            case "redirect_loop":
                where = {"Location": f"{self.url}{entry.path}"}
                return await self._finish(request, entry, Answer(self.redirect_status, {}, where))
            case "redirect_away":
                away = Answer(self.redirect_status, {}, fault.headers)
                return await self._finish(request, entry, away)
        raise ValueError(f"no such kind of fault: {fault.kind}")

    async def _hold(
        self, request: web.Request, entry: Request, seconds: float, to_the_end: bool = False
    ) -> None:
        """Wait, by real time, unless the client goes or this GitHub closes."""
        until = time.monotonic() + seconds
        while not self._closing and (left := until - time.monotonic()) > 0:
            if entry.ended is None and _has_gone(request):
                entry.ended = time.monotonic()
                if not to_the_end:
                    return
            await asyncio.sleep(min(_STEP, left))

    def _drop(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _finish_silently(self, answer: Answer) -> None:
        if self.deliver_before_answer:
            await self._deliver(answer.events)
        else:
            self._deliver_later(answer.events)

    async def _finish(
        self, request: web.Request, entry: Request, answer: Answer
    ) -> web.StreamResponse:
        if self.deliver_before_answer:
            await self._deliver(answer.events)
        try:
            return await self._send(request, entry, answer)
        finally:
            if not self.deliver_before_answer:
                self._deliver_later(answer.events)

    async def _send(
        self, request: web.Request, entry: Request, answer: Answer
    ) -> web.StreamResponse:
        response = web.Response(status=answer.status, headers={**self._headers(), **answer.headers})
        if isinstance(answer.body, str):
            response.body, response.content_type = answer.body.encode(), "text/html"
        elif answer.status not in (204, 304):
            response.body = json.dumps(answer.body, ensure_ascii=False).encode()
            response.content_type, response.charset = "application/json", "utf-8"
        entry.status, entry.ended = answer.status, entry.ended or time.monotonic()
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
        return response

    async def _send_huge(self, request: web.Request, entry: Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={**self._headers(), "Content-Type": "application/json; charset=utf-8"}
        )
        entry.status = 200
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write(b"[")
            for _ in range(HUGE // 2**20):
                await response.write(b" " * 2**20)
            await response.write(b"]")
            await response.write_eof()
        return response

    def _headers(self) -> dict[str, str]:
        return {
            "Date": formatdate(self.clock(), usegmt=True),
            "Server": "github.com",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
            "x-github-api-version-selected": API_VERSION,
        }

    # Is it a request that GitHub's documentation allows?

    def _check(self, request: web.Request, entry: Request) -> list[str]:
        problems = _check_headers(request, entry)
        known = operations()
        if not request.raw_path.startswith(f"{self.prefix}/"):
            problems.append(f"not below {self.prefix}")
        if known and entry.template not in known:
            return [*problems, "no operation that is known"]
        if isinstance(entry.body, str):
            problems.append("the body is no JSON")
        elif known:
            problems += _check_query(entry, known[entry.template or ""])
            problems += _check_body(entry, known[entry.template or ""])
        return problems

    def _perform(
        self,
        request: web.Request,
        entry: Request,
        arguments: dict[str, str],
        problems: list[str],
    ) -> Answer:
        """Do what a request asks for and return the answer, whatever it is."""
        credential = Credential("none", "none")
        call: Call | None = None
        resource = _resource(entry.template)
        try:
            if problems and entry.template is not None:
                raise Failure(422, f"Validation Failed: {'; '.join(problems)}"[:500])
            credential = self._authenticate(request)
            self._spend(credential, resource, entry)
            call = self._admit(entry, arguments, credential)
            answer = call.route.handler(call)
            if answer.status < 300 and call.used is not None:
                self.permissions_used.add(call.used)
        except Failure as failure:
            answer = failure.answer
        answer.headers = {**answer.headers, **_scope_headers(credential, entry.template, call)}
        if entry.method == "GET" and answer.status == 200:
            answer = self._conditional(request, answer, credential, resource)
        return self._with_limit(answer, credential, resource)

    def _conditional(
        self, request: web.Request, answer: Answer, credential: Credential, resource: str
    ) -> Answer:
        """Return 304, which is free, if the client has this very answer."""
        content = json.dumps([answer.body, answer.headers.get("Link")], sort_keys=True)
        etag = f'W/"{hashlib.sha256(content.encode()).hexdigest()}"'
        headers = {**answer.headers, "ETag": etag, "Cache-Control": "private, max-age=60"}
        if request.headers.get("If-None-Match") != etag:
            return Answer(200, answer.body, headers)
        if resource != "none":
            self._limit(credential.label, resource).remaining += 1
        return Answer(304, None, headers)

    def _spend(self, credential: Credential, resource: str, entry: Request) -> None:
        if resource == "none":
            return
        limit = self._limit(credential.label, resource)
        if limit.remaining <= 0:
            raise Failure(403, f"API rate limit exceeded for {self._whom(credential)}.")
        limit.remaining -= 1

    def _whom(self, credential: Credential) -> str:
        if credential.installation_id is not None:
            return f"installation ID {credential.installation_id}"
        if credential.is_pat and credential.login is not None:
            return f"user ID {self.add_user(credential.login)['id']}"
        return credential.label

    def _with_limit(self, answer: Answer, credential: Credential, resource: str) -> Answer:
        resource = "core" if resource == "none" else resource
        limit = self._limit(credential.label, resource)
        answer.headers = {
            **answer.headers,
            "x-ratelimit-limit": str(limit.limit),
            "x-ratelimit-remaining": str(limit.remaining),
            "x-ratelimit-used": str(max(0, limit.limit - limit.remaining)),
            "x-ratelimit-reset": str(limit.reset),
            "x-ratelimit-resource": resource,
        }
        return answer

    # Who asks, and may they?

    def _label(self, request: web.Request) -> str:
        try:
            return self._authenticate(request).label
        except Failure:
            known = self._tokens.get(_bearer(request))
            return known.label if known is not None else "unknown"

    def _authenticate(self, request: web.Request) -> Credential:
        token = _bearer(request)
        if not token:
            return Credential("none", "none")
        if token.startswith("eyJ") and token.count(".") == 2:
            return self._authenticate_app(token)
        known = self._tokens.get(token)
        if known is None or (known.expires_at is not None and self.clock() >= known.expires_at):
            raise Failure(401, "Bad credentials")
        if known.installation_id is not None:
            installation = self.installations.get(known.installation_id)
            if installation is None:
                raise Failure(401, "Bad credentials")
            if installation.suspended_at is not None:
                raise Failure(403, _SUSPENDED)
        return known

    def _authenticate_app(self, token: str) -> Credential:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            app = self._app_of(claims.get("iss"))
            unchecked = dict.fromkeys(_UNCHECKED_CLAIMS, False)
            jwt.decode(token, app.public_key, algorithms=["RS256"], options=unchecked)
        except jwt.PyJWTError:
            raise Failure(401, _NO_JWT) from None
        now, issued, expires = self.clock(), claims.get("iat"), claims.get("exp")
        if not isinstance(expires, int) or expires <= now:
            raise Failure(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future "
                "time at which the assertion expires",
            )
        if expires > now + JWT_SECONDS:
            raise Failure(401, "'Expiration time' claim ('exp') is too far in the future")
        if not isinstance(issued, int) or issued > now:
            raise Failure(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the "
                "assertion was issued",
            )
        return Credential("app", f"app:{app.id}", f"{app.slug}[bot]", app=app)

    def _app_of(self, issuer: Any) -> App:
        for app in self.apps.values():
            if issuer in (app.id, str(app.id), app.client_id):
                return app
        raise Failure(401, "Integration not found")

    def _admit(self, entry: Request, arguments: dict[str, str], credential: Credential) -> Call:
        """Return the call that a request is, if its credential may make it."""
        found = ROUTES.get(entry.template or "")
        if found is None:
            raise not_found()
        body = entry.body if isinstance(entry.body, dict) else {}
        path = self._usual_path(entry.path)
        call = Call(self, found, credential, arguments, entry.query, body, path)
        self._admit_kind(found, credential)
        if "repo" in arguments:
            call.repository = self._find_repository(entry, arguments, credential)
            if found.who == "repository":
                self._admit_to_repository(call)
        return call

    def _admit_kind(self, found: Route, credential: Credential) -> None:
        if found.who in ("anyone", "nobody"):
            return
        if found.who == "app":
            if credential.kind != "app":
                raise Failure(401, _NO_JWT)
        elif credential.kind == "app":
            raise Failure(401, "Bad credentials")
        elif found.who == "user" and credential.kind == "installation":
            raise Failure(403, _NO_INTEGRATION)
        elif found.who == "installation" and credential.kind != "installation":
            raise Failure(
                403,
                "You must authenticate with an installation access token in order to list "
                "repositories for an installation.",
            )

    def _find_repository(
        self, entry: Request, arguments: dict[str, str], credential: Credential
    ) -> Repository:
        name = f"{arguments['owner']}/{arguments['repo']}".lower()
        moved = self._moved.get(name)
        repo = self.repositories.get(name) or moved
        if repo is None or not self.reaches(credential, repo):
            raise not_found()
        if repo is moved:
            rest = entry.path.split("/", 4)[4:]
            query = f"?{urlencode(entry.query)}" if entry.query else ""
            where = "/".join([f"{self.url}/repositories/{repo.id}", *rest]) + query
            message = {301: "Moved Permanently", 302: "Found"}.get(
                self.redirect_status, "Temporary Redirect"
            )
            raise Failure(self.redirect_status, message, {"Location": where}, url=where)
        return repo

    def reaches(self, credential: Credential, repo: Repository) -> bool:
        """Tell whether a credential gets to see a repository at all."""
        if credential.kind == "app":
            return True
        if credential.repositories is not None and not credential.repositories & repo.names:
            return False
        if credential.installation_id is not None:
            return covers(self.installations[credential.installation_id], repo)
        return credential.is_pat

    def _admit_to_repository(self, call: Call) -> None:
        found, credential = call.route, call.credential
        permission, accepted = _needed(call)
        if found.permission == "checks" and found.level == "write" and credential.is_pat:
            if credential.kind == "classic":
                raise Failure(403, "You must authenticate via a GitHub App.")
            raise Failure(403, _NO_TOKEN, {"X-Accepted-GitHub-Permissions": accepted})
        if credential.kind == "classic":
            if not _scopes_allow(call):
                raise not_found()
        elif not grants(credential.permissions, permission, found.level):
            message = _NO_INTEGRATION if credential.kind == "installation" else _NO_TOKEN
            raise Failure(403, message, {"X-Accepted-GitHub-Permissions": accepted})
        call.used = permission, found.level
        if call.repo.archived and not found.template.startswith("GET "):
            raise Failure(403, "Repository was archived so is read-only.")

    # How things look

    def _user(self, login: str) -> Json:
        known = self.add_user(login, "Bot" if login.endswith("[bot]") else "User")
        name = known["login"]
        page = f"{self.url}/users/{name}"
        is_bot = known["type"] == "Bot"
        return {
            "login": name,
            "id": known["id"],
            "node_id": node_id(known["type"], known["id"]),
            "avatar_url": f"https://avatars.githubusercontent.com/u/{known['id']}?v=4",
            "gravatar_id": "",
            "url": page,
            "html_url": f"{self.web_url}/{'apps/' if is_bot else ''}{name.removesuffix('[bot]')}",
            "followers_url": f"{page}/followers",
            "following_url": f"{page}/following{{/other_user}}",
            "gists_url": f"{page}/gists{{/gist_id}}",
            "starred_url": f"{page}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{page}/subscriptions",
            "organizations_url": f"{page}/orgs",
            "repos_url": f"{page}/repos",
            "events_url": f"{page}/events{{/privacy}}",
            "received_events_url": f"{page}/received_events",
            "type": known["type"],
            "site_admin": False,
        }

    def _repository(self, repo: Repository) -> Json:
        owner, name = repo.full_name.split("/")
        page, api = f"{self.web_url}/{repo.full_name}", f"{self.url}/repos/{repo.full_name}"
        open_items = sum(one.state == "open" for one in repo.issues.values())
        return {
            "id": repo.id,
            "node_id": node_id("Repository", repo.id),
            "name": name,
            "full_name": repo.full_name,
            "private": repo.private,
            "owner": self._user(owner),
            "html_url": page,
            "description": None,
            "fork": False,
            "url": api,
            "collaborators_url": f"{api}/collaborators{{/collaborator}}",
            "comments_url": f"{api}/comments{{/number}}",
            "commits_url": f"{api}/commits{{/sha}}",
            "compare_url": f"{api}/compare/{{base}}...{{head}}",
            "contents_url": f"{api}/contents/{{+path}}",
            "hooks_url": f"{api}/hooks",
            "issue_comment_url": f"{api}/issues/comments{{/number}}",
            "issues_url": f"{api}/issues{{/number}}",
            "labels_url": f"{api}/labels{{/name}}",
            "pulls_url": f"{api}/pulls{{/number}}",
            "statuses_url": f"{api}/statuses/{{sha}}",
            "clone_url": f"{page}.git",
            "created_at": stamp(repo.created_at),
            "updated_at": stamp(repo.updated_at),
            "pushed_at": stamp(repo.updated_at),
            "homepage": None,
            "size": 108,
            "stargazers_count": 0,
            "watchers_count": 0,
            "language": None,
            "has_issues": repo.has_issues,
            "has_projects": True,
            "has_wiki": False,
            "has_pages": False,
            "forks_count": 0,
            "archived": repo.archived,
            "disabled": False,
            "open_issues_count": open_items,
            "license": None,
            "is_template": False,
            "topics": [],
            "visibility": "private" if repo.private else "public",
            "forks": 0,
            "open_issues": open_items,
            "watchers": 0,
            "default_branch": repo.default_branch,
        }

    def _label_payload(self, repo: Repository, name: str) -> Json:
        label = repo.labels[name.lower()]
        return {
            "id": label["id"],
            "node_id": node_id("Label", label["id"]),
            "url": f"{self.url}/repos/{repo.full_name}/labels/{label['name'].replace(' ', '%20')}",
            "name": label["name"],
            "color": label["color"],
            "default": False,
            "description": label["description"],
        }

    def _labels(self, repo: Repository, item: Item) -> list[Json]:
        for name in item.labels:
            self.add_label(repo.full_name, name)
        return [self._label_payload(repo, name) for name in item.labels]

    def _association(self, repo: Repository, login: str) -> str:
        if login.lower() == repo.owner.lower():
            return "OWNER"
        if repo.collaborators.get(login, "none") in ("write", "admin"):
            return "COLLABORATOR"
        return "NONE"

    def _via(self, app_id: int | None) -> Json | None:
        return self._app(self.apps[app_id]) if app_id is not None else None

    def _item(self, repo: Repository, item: Item) -> Json:
        """Return what issues and pull requests have in common."""
        assignees = [self._user(login) for login in item.assignees]
        return {
            "number": item.number,
            "state": item.state,
            "locked": item.locked,
            "title": item.title,
            "user": self._user(item.author),
            "body": item.body,
            "labels": self._labels(repo, item),
            "milestone": None,
            "active_lock_reason": None,
            "created_at": stamp(item.created_at),
            "updated_at": stamp(item.updated_at),
            "closed_at": stamp(item.closed_at),
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "author_association": self._association(repo, item.author),
        }

    def _issue(self, repo: Repository, item: Item) -> Json:
        api = f"{self.url}/repos/{repo.full_name}"
        page = f"{self.web_url}/{repo.full_name}"
        here = f"{api}/issues/{item.number}"
        payload = {
            "url": here,
            "repository_url": api,
            "labels_url": f"{here}/labels{{/name}}",
            "comments_url": f"{here}/comments",
            "events_url": f"{here}/events",
            "html_url": f"{page}/{'pull' if item.is_pull else 'issues'}/{item.number}",
            "id": item.id,
            "node_id": node_id("PullRequest" if item.is_pull else "Issue", item.id),
            **self._item(repo, item),
            "comments": sum(one.number == item.number for one in repo.comments.values()),
            "closed_by": self._user(item.closed_by) if item.closed_by else None,
            "state_reason": item.state_reason,
            "performed_via_github_app": self._via(item.app_id),
            "reactions": _reactions(f"{here}/reactions", []),
            "timeline_url": f"{here}/timeline",
        }
        if item.is_pull:
            url = f"{page}/pull/{item.number}"
            payload["draft"] = item.draft
            payload["pull_request"] = {
                "url": f"{api}/pulls/{item.number}",
                "html_url": url,
                "diff_url": f"{url}.diff",
                "patch_url": f"{url}.patch",
                "merged_at": stamp(item.merged_at),
            }
        return payload

    def _pull(self, repo: Repository, item: Item, listed: bool = False) -> Json:
        api = f"{self.url}/repos/{repo.full_name}"
        page = f"{self.web_url}/{repo.full_name}/pull/{item.number}"
        here = f"{api}/pulls/{item.number}"
        merged = item.merged_at is not None
        payload = {
            "url": here,
            "id": item.id,
            "node_id": node_id("PullRequest", item.id),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": f"{api}/issues/{item.number}",
            "commits_url": f"{here}/commits",
            "review_comments_url": f"{here}/comments",
            "review_comment_url": f"{api}/pulls/comments{{/number}}",
            "comments_url": f"{api}/issues/{item.number}/comments",
            "statuses_url": f"{api}/statuses/{item.head_sha}",
            **self._item(repo, item),
            "merged_at": stamp(item.merged_at),
            "merge_commit_sha": sha_of(f"merge {item.head_sha}"),
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self._branch(repo, item.head_ref, item.head_sha, item.head_repo),
            "base": self._branch(repo, item.base_ref, item.base_sha, None),
            "auto_merge": None,
            "draft": item.draft,
        }
        if listed:
            return payload
        return {
            **payload,
            "merged": merged,
            "mergeable": None if merged else True,
            "rebaseable": None,
            "mergeable_state": "unknown" if merged else "clean",
            "merged_by": self._user(repo.owner) if merged else None,
            "comments": sum(one.number == item.number for one in repo.comments.values()),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": len(item.commits),
            "additions": 40,
            "deletions": 2,
            "changed_files": len(item.files),
        }

    def _branch(self, repo: Repository, ref: str, sha: str, other: str | None) -> Json:
        if other is not None and other.lower() not in self.repositories:
            payload = {**self._repository(repo), "full_name": other, "fork": True}
            payload |= {"id": repo.id + 1_000_000, "name": other.split("/")[1]}
            payload |= {"owner": self._user(other.split("/")[0])}
        else:
            payload = self._repository(repo if other is None else self.repository(other))
        owner = payload["owner"]
        label = f"{owner['login']}:{ref}"
        return {"label": label, "ref": ref, "sha": sha, "user": owner, "repo": payload}

    def _comment_payload(self, repo: Repository, comment: Comment) -> Json:
        api = f"{self.url}/repos/{repo.full_name}/issues"
        kind = "pull" if repo.issues[comment.number].is_pull else "issues"
        page = f"{self.web_url}/{repo.full_name}/{kind}/{comment.number}"
        here = f"{api}/comments/{comment.id}"
        return {
            "url": here,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{api}/{comment.number}",
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self._user(comment.author),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "body": comment.body,
            "author_association": self._association(repo, comment.author),
            "reactions": _reactions(f"{here}/reactions", comment.reactions),
            "performed_via_github_app": self._via(comment.app_id),
        }

    def _check_run(self, repo: Repository, run: Json) -> Json:
        here = f"{self.url}/repos/{repo.full_name}/check-runs/{run['id']}"
        output = run["output"]
        pulls = [one for one in repo.pulls.values() if one.head_sha == run["head_sha"]]
        return {
            **{name: value for name, value in run.items() if name != "app_id"},
            "node_id": node_id("CheckRun", run["id"]),
            "url": here,
            "html_url": f"{self.web_url}/{repo.full_name}/runs/{run['id']}",
            "output": {
                "title": output.get("title"),
                "summary": output.get("summary"),
                "text": output.get("text"),
                "annotations_count": len(output.get("annotations", [])),
                "annotations_url": f"{here}/annotations",
            },
            "check_suite": {"id": run["app_id"] * 1000 + repo.id},
            "app": self._app(self.apps[run["app_id"]]),
            "pull_requests": [
                {
                    "url": f"{self.url}/repos/{repo.full_name}/pulls/{one.number}",
                    "id": one.id,
                    "number": one.number,
                    "head": {"ref": one.head_ref, "sha": one.head_sha},
                    "base": {"ref": one.base_ref, "sha": one.base_sha},
                }
                for one in pulls
            ],
        }

    def _app(self, app: App) -> Json:
        return {
            "id": app.id,
            "slug": app.slug,
            "client_id": app.client_id,
            "node_id": node_id("App", app.id),
            "owner": self._user(app.owner),
            "name": app.name,
            "description": "",
            "external_url": "https://bot.example",
            "html_url": f"{self.web_url}/apps/{app.slug}",
            "created_at": stamp(app.created_at),
            "updated_at": stamp(app.created_at),
            "permissions": app.permissions,
            "events": app.events,
        }

    def _installation(self, one: Installation) -> Json:
        app = self.apps[one.app_id]
        page = f"{self.web_url}/organizations/{one.account}/settings/installations/{one.id}"
        account = self._user(one.account)
        return {
            "id": one.id,
            "account": account,
            "repository_selection": "all" if one.repositories == "all" else "selected",
            "access_tokens_url": f"{self.url}/app/installations/{one.id}/access_tokens",
            "repositories_url": f"{self.url}/installation/repositories",
            "html_url": page,
            "app_id": app.id,
            "app_slug": app.slug,
            "target_id": account["id"],
            "target_type": account["type"],
            "permissions": one.permissions,
            "events": app.events,
            "single_file_name": None,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            "created_at": stamp(one.created_at),
            "updated_at": stamp(one.created_at),
            "suspended_at": stamp(one.suspended_at),
            "suspended_by": self._user(one.account) if one.suspended_at is not None else None,
        }

    def _hook(self, repo: Repository, hook: Hook) -> Json:
        here = f"{self.url}/repos/{repo.full_name}/hooks/{hook.id}"
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": masked(hook.config),
            "updated_at": stamp(hook.updated_at),
            "created_at": stamp(hook.created_at),
            "url": here,
            "test_url": f"{here}/test",
            "ping_url": f"{here}/pings",
            "deliveries_url": f"{here}/deliveries",
            "last_response": hook.last_response,
        }

    def _event(self, call: Call, name: str, action: str, **parts: Any) -> tuple[str, Json]:
        """Return a webhook's event about what a call did."""
        payload = {
            "action": action,
            **parts,
            "repository": self._repository(call.repo),
            "sender": self._user(call.login),
        }
        if call.credential.installation_id is not None:
            payload["installation"] = {
                "id": call.credential.installation_id,
                "node_id": node_id("Installation", call.credential.installation_id),
            }
        return name, payload


def _names(names: Iterable[str] | None) -> set[str] | None:
    return None if names is None else {name.lower() for name in names}


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


_UNCHECKED_CLAIMS = (
    *("verify_exp", "verify_iat", "verify_nbf", "verify_aud"),
    *("verify_iss", "verify_sub", "verify_jti"),
)


def _resource(template: str | None) -> str:
    known = {
        "GET /rate_limit": "none",
        "GET /search/issues": "search",
        "GET /search/code": "code_search",
    }
    return known.get(template or "", "core")


def _check_headers(request: web.Request, entry: Request) -> list[str]:
    problems = []
    headers = request.headers
    authorization = headers.get("Authorization")
    if authorization is None and entry.template not in _ANONYMOUS:
        problems.append("no Authorization")
    if authorization is not None and not re.fullmatch(r"Bearer [!-~]+", authorization):
        problems.append("Authorization is not of the form 'Bearer ...'")
    if not headers.get("User-Agent"):
        problems.append("no User-Agent")
    if headers.get("X-GitHub-Api-Version") != API_VERSION:
        problems.append(f"X-GitHub-Api-Version is not {API_VERSION}")
    if headers.get("Accept") not in _ACCEPTED:
        problems.append(f"Accept is {headers.get('Accept')}")
    return problems


def _check_query(entry: Request, operation: Json) -> list[str]:
    known = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
    problems = [f"no query parameter {name}" for name in entry.query if name not in known]
    for name, one in known.items():
        if name not in entry.query:
            problems += [f"the query has no {name}"] if one.get("required") else []
            continue
        text, schema = entry.query[name], one.get("schema", {})
        value: Any = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else text
        wants_text = schema.get("type", "string") == "string"
        problems += check_schema(text if wants_text else value, schema, f"query.{name}", False)
    return problems


def _check_body(entry: Request, operation: Json) -> list[str]:
    described = operation.get("requestBody")
    if described is None:
        return ["a body where there is none"] if entry.body else []
    if entry.body is None:
        return ["no body"] if described.get("required") else []
    return check_schema(entry.body, described["schema"])


def grants(permissions: dict[str, str], permission: str, level: str) -> bool:
    """Tell whether permissions suffice; metadata may always be read."""
    given = permissions.get(permission, "read" if permission == "metadata" else "none")
    return _LEVELS[given] >= _LEVELS[level]


def covers(installation: Installation, repo: Repository) -> bool:
    """Tell whether an App is installed in a repository."""
    if isinstance(installation.repositories, set):
        return bool(installation.repositories & repo.names)
    return repo.owner.lower() == installation.account.lower()


def _needed(call: Call) -> tuple[str, str]:
    """Return the permission that a call takes, and how GitHub tells of it."""
    permission, level = call.route.permission, call.route.level
    if permission != "item":
        return permission, f"{permission}={level}"
    return (
        "pull_requests" if call.item.is_pull else "issues",
        f"issues={level}; pull_requests={level}",
    )


def _accepted_scopes(template: str | None, repo: Repository | None) -> tuple[str, ...]:
    if template is None or REPO not in template:
        return ()
    if f"{REPO}/hooks" in template:
        more = ("read:repo_hook",) if template.startswith("GET ") else ()
        return ("admin:repo_hook", *more, "repo", "write:repo_hook")
    if template.startswith(f"POST {REPO}/statuses"):
        return ("repo", "repo:status")
    return ("repo",) if repo is None or repo.private else ("public_repo", "repo")


def _scopes_allow(call: Call) -> bool:
    template, scopes = call.route.template, set(call.credential.scopes)
    if scopes & set(_accepted_scopes(template, call.repo)):
        return True
    if call.repo.private or f"{REPO}/hooks" in template:
        return False
    return template.startswith("GET ") or "public_repo" in scopes


def _scope_headers(
    credential: Credential, template: str | None, call: Call | None
) -> dict[str, str]:
    """Return what GitHub says about a classic token."""
    headers = {}
    if credential.kind == "classic":
        accepted = _accepted_scopes(template, call.repository if call else None)
        headers["X-OAuth-Scopes"] = ", ".join(credential.scopes)
        headers["X-Accepted-OAuth-Scopes"] = ", ".join(accepted)
    if credential.is_pat and credential.expires_at is not None:
        expires = datetime.fromtimestamp(credential.expires_at, UTC)
        headers["github-authentication-token-expiration"] = f"{expires:%Y-%m-%d %H:%M:%S} UTC"
    return headers


def _reactions(url: str, given: list[Json]) -> Json:
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    counts = {kind: sum(one["content"] == kind for one in given) for kind in kinds}
    return {"url": url, "total_count": len(given), **counts}


def masked(config: Json) -> Json:
    return {**config, "secret": "********"} if config.get("secret") else dict(config)


# Apps and installations


@route("GET /app", "app")
def get_app(call: Call) -> Answer:
    github = call.github
    installed = [one for one in github.installations.values() if one.app_id == call.app.id]
    return Answer(200, {**github._app(call.app), "installations_count": len(installed)})


@route("GET /app/hook/config", "app")
def get_app_hook(call: Call) -> Answer:
    return Answer(200, masked(call.app.hook.config))


@route("PATCH /app/hook/config", "app")
def patch_app_hook(call: Call) -> Answer:
    call.app.hook.config |= call.body
    return Answer(200, masked(call.app.hook.config))


@route("GET /app/installations", "app")
def list_installations(call: Call) -> Answer:
    found = [one for one in call.github.installations.values() if one.app_id == call.app.id]
    return page_of(call, [call.github._installation(one) for one in found])


def _installation_of(call: Call) -> Installation:
    found = call.github.installations.get(call.number("installation_id"))
    if found is None or found.app_id != call.app.id:
        raise not_found()
    return found


@route("GET /app/installations/{installation_id}", "app")
def get_installation(call: Call) -> Answer:
    return Answer(200, call.github._installation(_installation_of(call)))


@route(MINT, "app")
def mint(call: Call) -> Answer:
    installation, github = _installation_of(call), call.github
    if installation.suspended_at is not None:
        raise Failure(403, _SUSPENDED)
    permissions = call.body.get("permissions", installation.permissions)
    for permission, level in permissions.items():
        if not grants(installation.permissions, permission, level):
            raise Failure(422, "The permissions requested are not granted to this installation.")
    chosen = _chosen_repositories(call, installation)
    token = f"ghs_{call.app.id}_" + ".".join(secrets.token_urlsafe(n) for n in (30, 210, 64))
    names = None if chosen is None else [one.full_name for one in chosen]
    made = github.add_installation_token(
        token, installation.id, permissions=permissions, repositories=names
    )
    selected = chosen is not None or installation.repositories != "all"
    answer = {
        "token": token,
        "expires_at": stamp(made.expires_at),
        "permissions": {"metadata": "read", **permissions},
        "repository_selection": "selected" if selected else "all",
    }
    if chosen is not None:
        answer["repositories"] = [github._repository(one) for one in chosen]
    return Answer(201, answer)


def _chosen_repositories(call: Call, installation: Installation) -> list[Repository] | None:
    names, ids = call.body.get("repositories"), call.body.get("repository_ids")
    if names is None and ids is None:
        return None
    wanted = {f"{installation.account}/{name}".lower() for name in names or []}
    known = [one for one in call.github.repositories.values() if covers(installation, one)]
    found = [one for one in known if one.full_name.lower() in wanted or one.id in (ids or [])]
    if len(found) < len(wanted | set(ids or [])):
        raise Failure(
            422,
            "There is at least one repository that does not exist or is not accessible to the "
            "parent installation.",
        )
    return found


@route(CONVERT, "nobody")
def convert_manifest(call: Call) -> Answer:
    github = call.github
    given = github._codes.pop(call.arguments["code"], None)
    if given is None:
        raise not_found()
    slug = given.get("slug") or re.sub(r"[^a-z0-9]+", "-", given["name"].lower()).strip("-")
    app = github.add_app(
        given.get("id") or github.new_id(),
        given.get("pem") or rsa_key(),
        slug,
        permissions=given.get("permissions", {"metadata": "read"}),
        events=given.get("events", ["push"]),
        name=given["name"],
        owner=given["owner"],
        client_id=given.get("client_id"),
        hook_secret=given.get("webhook_secret"),
    )
    answer = {
        **github._app(app),
        "client_secret": secrets.token_hex(20),
        "webhook_secret": secrets.token_hex(20),
        "pem": app.key,
        **{name: value for name, value in given.items() if name != "owner"},
    }
    return Answer(201, answer)


@route("GET /installation/repositories", "installation")
def installation_repositories(call: Call) -> Answer:
    found = _reachable(call)
    selected = any(one.repositories != "all" for one in _installations_of(call))

    def wrap(page: list[Any]) -> Json:
        return {
            "total_count": len(found),
            "repository_selection": "selected" if selected else "all",
            "repositories": page,
        }

    return page_of(call, [call.github._repository(one) for one in found], wrap)


def _installations_of(call: Call) -> list[Installation]:
    id = call.credential.installation_id
    return [one for one in call.github.installations.values() if one.id == id]


def _reachable(call: Call) -> list[Repository]:
    known = call.github.repositories.values()
    return [one for one in known if call.github.reaches(call.credential, one)]


@route(f"GET {REPO}/installation", "app")
def repository_installation(call: Call) -> Answer:
    for one in call.github.installations.values():
        if one.app_id == call.app.id and covers(one, call.repo):
            return Answer(200, call.github._installation(one))
    raise not_found()


# Users, limits and the like


@route("GET /user", "user")
def get_user(call: Call) -> Answer:
    more = {"name": call.login.title(), "company": None, "email": None, "public_repos": 2}
    return Answer(200, {**call.github._user(call.login), **more})


@route("GET /user/repos", "user")
def user_repositories(call: Call) -> Answer:
    found = _reachable(call)
    if call.credential.kind == "classic" and "repo" not in call.credential.scopes:
        found = [one for one in found if not one.private]
    payloads = [call.github._repository(one) for one in found]
    permissions = {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}
    return page_of(call, [{**one, "permissions": permissions} for one in payloads])


@route("GET /rate_limit", "anyone")
def rate_limit(call: Call) -> Answer:
    resources = {}
    for name in ("core", "search", "code_search"):
        limit = call.github._limit(call.credential.label, name)
        resources[name] = {
            "limit": limit.limit,
            "used": max(0, limit.limit - limit.remaining),
            "remaining": limit.remaining,
            "reset": limit.reset,
        }
    return Answer(200, {"resources": resources, "rate": resources["core"]})


@route("GET /meta", "anyone")
def meta(call: Call) -> Answer:
    answer: Json = {"verifiable_password_authentication": False, "hooks": ["127.0.0.1/32"]}
    if call.github.prefix:
        answer["installed_version"] = "3.17.2"
    return Answer(200, answer)


@route(f"GET {REPO}")
def get_repository(call: Call) -> Answer:
    return Answer(200, call.github._repository(call.repo))


@route(f"GET {REPO}/collaborators/{{username}}/permission")
def get_permission(call: Call) -> Answer:
    login, repo = call.arguments["username"], call.repo
    if login.lower() not in call.github._users:
        raise not_found()
    known = {name.lower(): level for name, level in repo.collaborators.items()}
    default = "none" if repo.private else "read"
    default = "admin" if login.lower() == repo.owner.lower() else default
    role = known.get(login.lower(), default)
    level = {"maintain": "write", "triage": "read"}.get(role, role)
    user = call.github._user(login)
    return Answer(200, {"permission": level, "role_name": role, "user": user})


# Issues


def _has_issues(call: Call) -> None:
    if not call.repo.has_issues:
        raise Failure(410, "Issues has been disabled in this repository.")


def _item_of(call: Call) -> Item:
    item = call.item
    if not item.is_pull:
        _has_issues(call)
    return item


def _since(call: Call) -> float:
    text = call.query.get("since")
    try:
        return seconds_of(text) or 0.0
    except ValueError:
        raise invalid("Issue", "since", "invalid") from None


def _is_by(item: Item, creator: str) -> bool:
    name = f"{creator[4:]}[bot]" if creator.startswith("app/") else creator
    return item.author.lower() == name.lower()


@route(f"GET {REPO}/issues", permission="issues")
def list_issues(call: Call) -> Answer:
    _has_issues(call)
    query, since = call.query, _since(call)
    state, creator = query.get("state", "open"), query.get("creator")
    labels = {one.strip().lower() for one in query.get("labels", "").split(",") if one.strip()}
    assignee = query.get("assignee", "*any*").lower()
    found = [
        one
        for one in call.repo.issues.values()
        if state in ("all", one.state)
        and (creator is None or _is_by(one, creator))
        and labels <= {name.lower() for name in one.labels}
        and (assignee == "*any*" or assignee in [login.lower() for login in one.assignees])
        and int(one.updated_at) >= since
    ]
    found = _sorted(call, found)
    return page_of(call, [call.github._issue(call.repo, one) for one in found])


def _sorted(call: Call, items: list[Item], default: str = "desc") -> list[Item]:
    sort = call.query.get("sort", "created")

    def key(item: Item) -> tuple[float, int]:
        if sort == "comments":
            found = [one for one in call.repo.comments.values() if one.number == item.number]
            return len(found), item.number
        return (item.updated_at if sort == "updated" else item.created_at), item.number

    return sorted(items, key=key, reverse=call.query.get("direction", default) == "desc")


def _check_texts(title: Any, body: Any) -> None:
    if title is not None and len(str(title)) > MAX_TITLE:
        raise invalid("Issue", "title", "custom", f"title is too long (maximum is {MAX_TITLE})")
    if title is not None and not str(title).strip():
        raise invalid("Issue", "title", "missing_field")
    if body is not None and len(body) > MAX_BODY:
        message = f"body is too long (maximum is {MAX_BODY} characters)"
        raise invalid("Issue", "body", "custom", message)


def _known_labels(call: Call, given: list[Any]) -> list[str]:
    """Return the labels that exist; the bot ought to have created the others."""
    names = [one if isinstance(one, str) else one["name"] for one in given]
    labels = call.repo.labels
    for name in names:
        if name.lower() not in labels:
            call.github.violations.append(f"{call.route.template}: there is no label {name!r}")
    return list(dict.fromkeys(labels[n.lower()]["name"] for n in names if n.lower() in labels))


def _known_assignees(call: Call, given: list[Any]) -> list[str]:
    names = [one if isinstance(one, str) else one["login"] for one in given]
    known = {name.lower() for name, level in call.repo.collaborators.items() if level != "none"}
    return [name for name in names if name.lower() in known | {call.repo.owner.lower()}]


@route(f"POST {REPO}/issues", permission="issues", level="write")
def create_issue(call: Call) -> Answer:
    _has_issues(call)
    body, github = call.body, call.github
    _check_texts(body["title"], body.get("body"))
    labels = _known_labels(call, body.get("labels", []))
    given = body.get("assignees", []) + ([body["assignee"]] if body.get("assignee") else [])
    item = github._add_item(
        call.repo.full_name, None, str(body["title"]), body.get("body"), call.login
    )
    item.labels, item.assignees = labels, _known_assignees(call, given)
    item.app_id = call.credential.app_id
    payload = github._issue(call.repo, item)
    return Answer(201, payload, events=[github._event(call, "issues", "opened", issue=payload)])


@route(f"GET {REPO}/issues/{{issue_number}}", permission="item")
def get_issue(call: Call) -> Answer:
    return Answer(200, call.github._issue(call.repo, _item_of(call)))


@route(f"PATCH {REPO}/issues/{{issue_number}}", permission="item", level="write")
def patch_issue(call: Call) -> Answer:
    item, body = _item_of(call), call.body
    _check_texts(body.get("title"), body.get("body"))
    if body.get("title") is not None:
        item.title = str(body["title"])
    if "body" in body:
        item.body = body["body"]
    if "labels" in body:
        item.labels = _known_labels(call, body["labels"])
    if "assignees" in body:
        item.assignees = _known_assignees(call, body["assignees"])
    if body.get("state") in ("open", "closed") and body["state"] != item.state:
        closed = body["state"] == "closed"
        item.state = body["state"]
        item.closed_at = call.now if closed else None
        item.closed_by = call.login if closed else None
        item.state_reason = "completed" if closed else "reopened"
    if body.get("state_reason") is not None:
        item.state_reason = body["state_reason"]
    item.updated_at = call.now
    return Answer(200, call.github._issue(call.repo, item))


# Comments


@route(f"GET {REPO}/issues/{{issue_number}}/comments", permission="item")
def list_comments(call: Call) -> Answer:
    item, since = _item_of(call), _since(call)
    found = [
        one
        for one in call.repo.comments.values()
        if one.number == item.number and int(one.updated_at) >= since
    ]
    return page_of(call, [call.github._comment_payload(call.repo, one) for one in found])


def _check_comment(text: str) -> None:
    if not text.strip():
        raise invalid("IssueComment", "body", "missing_field", "Body cannot be blank")
    if len(text) > MAX_BODY:
        message = f"body is too long (maximum is {MAX_BODY} characters)"
        raise invalid("IssueComment", "body", "custom", message)


@route(f"POST {REPO}/issues/{{issue_number}}/comments", permission="item", level="write")
def create_comment(call: Call) -> Answer:
    item, github = _item_of(call), call.github
    if item.locked:
        raise Failure(403, "Unable to create comment because issue is locked.")
    _check_comment(call.body["body"])
    app_id = call.credential.app_id
    made = github._comment(call.repo, item, call.login, call.body["body"], app_id)
    payload = github._comment_payload(call.repo, made)
    issue = github._issue(call.repo, item)
    event = github._event(call, "issue_comment", "created", issue=issue, comment=payload)
    return Answer(201, payload, events=[event])


@route(f"GET {REPO}/issues/comments/{{comment_id}}", permission="item")
def get_comment(call: Call) -> Answer:
    return Answer(200, call.github._comment_payload(call.repo, call.comment))


def _own_comment(call: Call) -> Comment:
    comment = call.comment
    if comment.author.lower() != call.login.lower():
        is_app = call.credential.kind == "installation"
        message = _NO_INTEGRATION if is_app else "Must have admin rights to Repository."
        raise Failure(403, message)
    return comment


@route(f"PATCH {REPO}/issues/comments/{{comment_id}}", permission="item", level="write")
def patch_comment(call: Call) -> Answer:
    comment = _own_comment(call)
    _check_comment(call.body["body"])
    comment.body, comment.updated_at = call.body["body"], call.now
    return Answer(200, call.github._comment_payload(call.repo, comment))


@route(f"DELETE {REPO}/issues/comments/{{comment_id}}", permission="item", level="write")
def delete_comment(call: Call) -> Answer:
    del call.repo.comments[_own_comment(call).id]
    return Answer(204)


@route(f"POST {REPO}/issues/comments/{{comment_id}}/reactions", permission="item", level="write")
def create_reaction(call: Call) -> Answer:
    comment, content = call.comment, call.body["content"]
    for one in comment.reactions:
        if one["user"]["login"] == call.login and one["content"] == content:
            return Answer(200, one)
    id = call.github.new_id()
    reaction = {
        "id": id,
        "node_id": node_id("Reaction", id),
        "user": call.github._user(call.login),
        "content": content,
        "created_at": stamp(call.now),
    }
    comment.reactions.append(reaction)
    return Answer(201, reaction)


# Labels


@route(f"POST {REPO}/labels", permission="issues", level="write")
def create_label(call: Call) -> Answer:
    name, color = call.body["name"], call.body.get("color", "ededed")
    description = call.body.get("description")
    if not 0 < len(name.strip()) <= 50:
        raise invalid("Label", "name", "invalid")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", color):
        raise invalid("Label", "color", "invalid")
    if description is not None and len(description) > 100:
        raise invalid("Label", "description", "custom", "description is too long")
    if name.lower() in call.repo.labels:
        raise invalid("Label", "name", "already_exists")
    label = call.github.add_label(call.repo.full_name, name, color)
    label["description"] = description
    return Answer(201, call.github._label_payload(call.repo, name))


@route(f"GET {REPO}/labels/{{name}}", permission="issues")
def get_label(call: Call) -> Answer:
    if call.arguments["name"].lower() not in call.repo.labels:
        raise not_found()
    return Answer(200, call.github._label_payload(call.repo, call.arguments["name"]))


@route(f"POST {REPO}/issues/{{issue_number}}/labels", permission="item", level="write")
def add_labels(call: Call) -> Answer:
    item, given = _item_of(call), call.body.get("labels", [])
    known = _known_labels(call, given)
    if len(known) < len(given):
        raise invalid("Label", "name", "invalid")
    item.labels = list(dict.fromkeys([*item.labels, *known]))
    item.updated_at = call.now
    return Answer(200, call.github._labels(call.repo, item))


@route(f"DELETE {REPO}/issues/{{issue_number}}/labels/{{name}}", permission="item", level="write")
def remove_label(call: Call) -> Answer:
    item, name = _item_of(call), call.arguments["name"].lower()
    if name not in [one.lower() for one in item.labels]:
        raise Failure(404, "Label does not exist")
    item.labels = [one for one in item.labels if one.lower() != name]
    item.updated_at = call.now
    return Answer(200, call.github._labels(call.repo, item))


# Pull requests


@route(f"GET {REPO}/pulls", permission="pull_requests")
def list_pulls(call: Call) -> Answer:
    state, head, base = (call.query.get(name) for name in ("state", "head", "base"))
    found = [
        one
        for one in call.repo.pulls.values()
        if (state or "open") in ("all", one.state)
        and base in (None, one.base_ref)
        and head in (None, f"{(one.head_repo or call.repo.owner).split('/')[0]}:{one.head_ref}")
    ]
    default = "asc" if call.query.get("sort", "created") != "created" else "desc"
    found = _sorted(call, found, default)
    return page_of(call, [call.github._pull(call.repo, one, listed=True) for one in found])


@route(f"GET {REPO}/pulls/{{pull_number}}", permission="pull_requests")
def get_pull(call: Call) -> Answer:
    return Answer(200, call.github._pull(call.repo, call.pull))


@route(f"GET {REPO}/pulls/{{pull_number}}/commits", permission="pull_requests")
def list_commits(call: Call) -> Answer:
    pull, api = call.pull, f"{call.github.url}/repos/{call.repo.full_name}"
    person = {
        "name": pull.author.title(),
        "email": f"{pull.author}@users.example",
        "date": stamp(pull.created_at),
    }
    found = [
        {
            "url": f"{api}/commits/{sha}",
            "sha": sha,
            "html_url": f"{call.github.web_url}/{call.repo.full_name}/commit/{sha}",
            "commit": {"message": message, "author": person, "committer": person},
            "author": call.github._user(pull.author),
            "committer": call.github._user(pull.author),
            "parents": [],
        }
        for sha, message in pull.commits[:250]  # GitHub lists no more
    ]
    return page_of(call, found)


@route(f"GET {REPO}/pulls/{{pull_number}}/files", permission="pull_requests")
def list_files(call: Call) -> Answer:
    found = [
        {
            "sha": sha_of(name),
            "filename": name,
            "status": "modified",
            "additions": 40,
            "deletions": 2,
            "changes": 42,
            "patch": "@@ -1,1 +1,1 @@",
        }
        for name in call.pull.files
    ]
    return page_of(call, found)


# Statuses and check runs


def _known_sha(call: Call, sha: str) -> str:
    """Return the SHA of a commit, given so or by a pull request's branch."""
    if sha in call.repo.shas:
        return sha
    for pull in call.repo.pulls.values():
        if sha in (pull.head_ref, f"heads/{pull.head_ref}"):
            return pull.head_sha
    raise Failure(422, f"No commit found for SHA: {sha}")


@route(f"POST {REPO}/statuses/{{sha}}", permission="statuses", level="write")
def create_status(call: Call) -> Answer:
    sha, body, github = call.arguments["sha"], call.body, call.github
    if sha not in call.repo.shas:
        raise Failure(422, f"No commit found for SHA: {sha}")
    if len(body.get("description") or "") > 140:
        message = "description is too long (maximum is 140 characters)"
        raise invalid("Status", "description", "custom", message)
    target = body.get("target_url")
    if target and urlsplit(target).scheme not in ("http", "https"):
        raise invalid("Status", "target_url", "custom", "target_url must use http(s) scheme")
    id, user = github.new_id(), github._user(call.login)
    status = {
        "url": f"{github.url}/repos/{call.repo.full_name}/statuses/{sha}",
        "avatar_url": user["avatar_url"],
        "id": id,
        "node_id": node_id("Status", id),
        "state": body["state"],
        "description": body.get("description"),
        "target_url": target,
        "context": body.get("context", "default"),
        "created_at": stamp(call.now),
        "updated_at": stamp(call.now),
        "creator": user,
    }
    call.repo.statuses.setdefault(sha, []).append(status)
    return Answer(201, status)


_RUN_FIELDS = ("name", "details_url", "external_id", "status", "conclusion")


def _fill_run(call: Call, run: Json) -> None:
    """Put into a check run what a request says about it."""
    body = call.body
    run |= {
        name: body[name] for name in (*_RUN_FIELDS, "started_at", "completed_at") if name in body
    }
    if "conclusion" in body:
        run["status"] = "completed"
        run["completed_at"] = body.get("completed_at") or stamp(call.now)
    elif body.get("status", "completed") != "completed":
        run["conclusion"] = run["completed_at"] = None
    if "output" in body:
        run["output"] = {**run["output"], **body["output"]}


@route(f"POST {REPO}/check-runs", permission="checks", level="write")
def create_check_run(call: Call) -> Answer:
    github, sha = call.github, call.body["head_sha"]
    if sha not in call.repo.shas:
        raise Failure(422, f"No commit found for SHA: {sha}")
    if call.body.get("status") == "completed" and "conclusion" not in call.body:
        raise Failure(422, 'Invalid request.\n\nNo subschema in "oneOf" matched.')
    run: Json = {
        "id": github.new_id(),
        "app_id": call.app.id,
        "head_sha": sha,
        "external_id": "",
        "details_url": "https://bot.example",
        "status": "queued",
        "conclusion": None,
        "started_at": stamp(call.now),
        "completed_at": None,
        "output": {},
    }
    _fill_run(call, run)
    call.repo.check_runs[run["id"]] = run
    payload = github._check_run(call.repo, run)
    event = github._event(call, "check_run", "created", check_run=payload)
    return Answer(201, payload, events=[event])


@route(f"PATCH {REPO}/check-runs/{{check_run_id}}", permission="checks", level="write")
def patch_check_run(call: Call) -> Answer:
    run = call.repo.check_runs.get(call.number("check_run_id"))
    if run is None:
        raise not_found()
    if run["app_id"] != call.app.id:
        raise Failure(
            403,
            f"Invalid app_id `{call.app.id}` - check run can only be modified by the GitHub App "
            "that created it.",
        )
    _fill_run(call, run)
    return Answer(200, call.github._check_run(call.repo, run))


@route(f"GET {REPO}/commits/{{ref}}/check-runs", permission="checks")
def list_check_runs(call: Call) -> Answer:
    query, sha = call.query, _known_sha(call, call.arguments["ref"])
    found = [
        run
        for run in call.repo.check_runs.values()
        if run["head_sha"] == sha
        and query.get("check_name") in (None, run["name"])
        and query.get("status") in (None, run["status"])
        and query.get("app_id") in (None, str(run["app_id"]))
    ]
    if query.get("filter", "latest") == "latest":
        found = list({(run["app_id"], run["name"]): run for run in found}.values())
    payloads = [call.github._check_run(call.repo, run) for run in reversed(found)]
    return page_of(call, payloads, lambda page: {"total_count": len(payloads), "check_runs": page})


# Webhooks of repositories, and deliveries


@route(f"GET {REPO}/hooks", permission="repository_hooks")
def list_hooks(call: Call) -> Answer:
    return page_of(call, [call.github._hook(call.repo, one) for one in call.repo.hooks.values()])


@route(f"POST {REPO}/hooks", permission="repository_hooks", level="write")
def create_hook(call: Call) -> Answer:
    body, config = call.body, call.body.get("config", {})
    if body.get("name", "web") != "web":
        raise invalid("Hook", "name", "invalid")
    if not config.get("url"):
        raise invalid("Hook", "url", "missing_field")
    events = body.get("events", ["push"])
    for one in call.repo.hooks.values():
        if one.config["url"] == config["url"] and set(one.events) & set(events):
            message = "Hook already exists on this repository"
            raise Failure(
                422,
                "Validation Failed",
                errors=[{"resource": "Hook", "code": "custom", "message": message}],
            )
    id = call.github.add_hook(
        call.repo.full_name,
        config["url"],
        events,
        config.get("content_type", "form"),
        body.get("active", True),
        config.get("secret"),
        str(config.get("insecure_ssl", "0")),
    )
    return Answer(201, call.github._hook(call.repo, call.repo.hooks[id]))


@route(f"GET {REPO}/hooks/{{hook_id}}", permission="repository_hooks")
def get_hook(call: Call) -> Answer:
    return Answer(200, call.github._hook(call.repo, call.hook))


@route(f"PATCH {REPO}/hooks/{{hook_id}}", permission="repository_hooks", level="write")
def patch_hook(call: Call) -> Answer:
    """Change a webhook. A new `config` replaces all of the old one, the secret included."""
    hook, body = call.hook, call.body
    if "config" in body:
        default = {"content_type": "form", "insecure_ssl": "0", "url": hook.config["url"]}
        hook.config = {**default, **body["config"]}
    hook.events = list(body.get("events", hook.events))
    hook.events += [one for one in body.get("add_events", []) if one not in hook.events]
    hook.events = [one for one in hook.events if one not in body.get("remove_events", [])]
    hook.active = body.get("active", hook.active)
    hook.updated_at = call.now
    return Answer(200, call.github._hook(call.repo, hook))


@route(f"PATCH {REPO}/hooks/{{hook_id}}/config", permission="repository_hooks", level="write")
def patch_hook_config(call: Call) -> Answer:
    call.hook.config |= call.body
    call.hook.updated_at = call.now
    return Answer(200, masked(call.hook.config))


@route(f"POST {REPO}/hooks/{{hook_id}}/pings", permission="repository_hooks", level="write")
def ping_hook(call: Call) -> Answer:
    call.hook.pings += 1
    return Answer(204)


@route(f"GET {REPO}/hooks/{{hook_id}}/deliveries", permission="repository_hooks")
@route("GET /app/hook/deliveries", "app")
def list_deliveries(call: Call) -> Answer:
    """List deliveries, newest first; a cursor is the id of the next one."""
    size = max(1, min(100, _number(call.query.get("per_page"), 30)))
    wanted = call.query.get("status")
    found = [
        one
        for one in reversed(call.hook.deliveries)
        if wanted in (None, "success" if 200 <= one["status_code"] < 400 else "failure")
    ]
    if "cursor" in call.query:
        cursor = _number(call.query["cursor"], -1)
        if cursor < 0:
            raise Failure(422, "Invalid cursor")
        found = [one for one in found if one["id"] <= cursor]
    page = [{name: value for name, value in one.items() if name != "payload"} for one in found]
    headers = {}
    if len(page) > size:
        headers["Link"] = _link(call, "next", cursor=page[size]["id"])
    return Answer(200, page[:size], headers)


def _delivery(call: Call) -> Json:
    id = call.number("delivery_id")
    for one in call.hook.deliveries:
        if one["id"] == id:
            return one
    raise not_found()


@route(f"GET {REPO}/hooks/{{hook_id}}/deliveries/{{delivery_id}}", permission="repository_hooks")
@route("GET /app/hook/deliveries/{delivery_id}", "app")
def get_delivery(call: Call) -> Answer:
    delivery, hook = _delivery(call), call.hook
    headers = {
        "Accept": "*/*",
        "User-Agent": "GitHub-Hookshot/b8c71d8",
        "X-GitHub-Delivery": delivery["guid"],
        "X-GitHub-Event": delivery["event"],
        "X-GitHub-Hook-ID": str(hook.id),
        "content-type": "application/json",
    }
    return Answer(
        200,
        {
            **{name: value for name, value in delivery.items() if name != "payload"},
            "url": hook.config["url"],
            "request": {"headers": headers, "payload": delivery["payload"]},
            "response": {"headers": {"Content-Type": "application/json"}, "payload": "ok"},
        },
    )


@route(
    f"POST {REPO}/hooks/{{hook_id}}/deliveries/{{delivery_id}}/attempts",
    permission="repository_hooks",
    level="write",
)
@route("POST /app/hook/deliveries/{delivery_id}/attempts", "app")
def redeliver(call: Call) -> Answer:
    delivery = _delivery(call)
    call.github.redeliveries.append(delivery["id"])
    call.github.add_delivery(
        call.hook,
        delivery["event"],
        delivery["payload"],
        guid=delivery["guid"],
        redelivery=True,
    )
    return Answer(202, {})


# Search


@route("GET /search/issues", "user_or_installation")
def search_issues(call: Call) -> Answer:
    github = call.github
    words = re.findall(r'(?:[^\s"]|"[^"]*")+', call.query["q"])
    found = []
    for repo in _reachable(call):
        for item in repo.issues.values():
            if int(item.created_at + github.search_lag) > call.now:
                continue
            if _may_find(call, item) and all(_matches(repo, item, one) for one in words):
                found.append({**github._issue(repo, item), "score": 1.0})
    wanted = call.query.get("sort", "created")
    field_name = "updated_at" if wanted == "updated" else "created_at"
    found.sort(key=lambda one: one[field_name], reverse=call.query.get("order", "desc") == "desc")
    call.used = "issues", "read"
    return page_of(
        call,
        found,
        lambda page: {"total_count": len(found), "incomplete_results": False, "items": page},
    )


def _may_find(call: Call, item: Item) -> bool:
    if call.credential.kind == "classic":
        return True
    needed = "pull_requests" if item.is_pull else "issues"
    return grants(call.credential.permissions, needed, "read")


def _matches(repo: Repository, item: Item, word: str) -> bool:
    """Tell whether an item fits one word of a search."""
    name, _, value = word.partition(":")
    value = value.strip('"').lower()
    match name:
        case "repo":
            return value in repo.names
        case "org" | "user":
            return value == repo.owner.lower()
        case "is" | "type" | "state":
            return value in (item.state, *(("pr",) if item.is_pull else ("issue",)))
        case "author":
            return _is_by(item, value)
        case "label":
            return value in [one.lower() for one in item.labels]
        case "in" | "sort":
            return True
    return word.strip('"').lower() in f"{item.title}\n{item.body or ''}".lower()
