"""What a request that was let in asks for, and how it is answered."""

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

from tests.github.git import Git
from tests.github.model import App, Comment, Credential, Hook, Item, Repository
from tests.github.schema import operations
from tests.github.values import DOCS, RAW, Json

if TYPE_CHECKING:
    from tests.github.server import GitHub


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
    accept: str = ""
    used: tuple[str, str] | None = None  # the permission that it took

    @property
    def repo(self) -> Repository:
        assert self.repository is not None
        return self.repository

    @property
    def git(self) -> Git:
        """What the repository really has; there is nothing in one that is not backed by git."""
        if self.repo.git is None:
            raise not_found()
        return self.repo.git

    @property
    def wants_raw(self) -> bool:
        return self.accept in RAW

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
        known = self.organization_hooks if "org" in self.arguments else self.repo.hooks
        found = known.get(self.number("hook_id"))
        if found is None:
            raise not_found()
        return found

    @property
    def organization_hooks(self) -> dict[int, Hook]:
        """The webhooks of the organisation that the path names, if its owner asks."""
        given = self.credential
        if given.kind == "classic" and "admin:org_hook" not in given.scopes:
            raise not_found()
        if given.kind == "fine_grained" and "organization_hooks" not in given.permissions:
            raise Failure(403, "Resource not accessible by personal access token")
        return self.github.organization_hooks.get(self.arguments["org"].lower(), {})

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


_LONG = ("path", "basehead", "ref", "branch")


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
    return sorted(found, key=lambda one: (one[1].count("{"), -len(one[1])))


def match_route(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    """Return the template and the arguments of a path, which is still percent-encoded."""
    for known, template, pattern in _patterns():
        found = pattern.fullmatch(path) if known == method else None
        if found is not None:
            return template, {name: unquote(text) for name, text in found.groupdict().items()}
    return None, {}


def page_of(call: Call, items: list[Any], wrap: Callable[[list[Any]], Any] | None = None) -> Answer:
    """Return the page that the query asks for, with the links to others."""
    size = max(1, min(100, integer(call.query.get("per_page"), 30)))
    page = max(1, integer(call.query.get("page"), 1))
    last = max(1, math.ceil(len(items) / size))
    links: dict[str, int] = {}
    if page > 1:
        links |= {"prev": min(page - 1, last), "first": 1}
    if page < last:
        links |= {"next": page + 1, "last": last}
    shown = items[(page - 1) * size : page * size]
    headers = {"Link": ", ".join(link(call, rel, page=to) for rel, to in links.items())}
    return Answer(200, wrap(shown) if wrap else shown, headers if links else {})


def link(call: Call, rel: str, **changes: Any) -> str:
    query = urlencode({**call.query, **changes})
    path = call.path
    if call.repository is not None:
        path = f"/repositories/{call.repo.id}" + "/" + path.split("/", 4)[-1]
    return f'<{call.github.url}{path}?{query}>; rel="{rel}"'


def integer(text: str | None, default: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else default


def need_issues(call: Call) -> None:
    if not call.repo.has_issues:
        raise Failure(410, "Issues has been disabled in this repository.")


def item_of(call: Call) -> Item:
    item = call.item
    if not item.is_pull:
        need_issues(call)
    return item
