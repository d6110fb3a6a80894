"""All that this GitHub keeps: repositories, users and tokens."""

import asyncio
from collections.abc import Iterable
from itertools import count

from tests.github.archives import Codeload
from tests.github.faults import Fault
from tests.github.git import Git
from tests.github.model import (
    App,
    Callback,
    Clock,
    Credential,
    DiffLimits,
    Hook,
    Installation,
    Limit,
    Repository,
    Request,
)
from tests.github.values import Json, lower_names


class State:
    """Everything that is kept, and what puts repositories, users and tokens there."""

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
        self.issue_types: dict[str, list[str]] = {}  # by organisation, in lower case
        self.merges: dict[int, str] = {}  # the commits as which pull requests were merged
        self.left_out: set[str] = set()  # fields that answers and payloads lack
        self.versions: list[str] | None = ["2022-11-28", "2026-03-10"]  # None: it tells none
        self.token_length = 520  # of an installation's token, at least
        self.deliver_before_answer = False
        self.codeload = Codeload()
        self.diff_limits = DiffLimits()
        self.tree_limit = 100_000  # entries of a tree that is asked for whole
        self.removed_name_base = True  # addresses of removed files name the commit that has them
        self.search_lag = 0.0  # seconds until the search finds something new
        self.repositories: dict[str, Repository] = {}  # by full name in lower case
        self.apps: dict[int, App] = {}
        self.organization_hooks: dict[str, dict[int, Hook]] = {}  # by login in lower case
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

    def serve(self, full_name: str, git: Git) -> Repository:
        """Back a repository by one on disk: its commits, files and branches are real then."""
        repo = self.repository(full_name)
        repo.git = git
        return repo

    def rename_repository(self, old: str, new: str) -> Repository:
        """Rename or transfer a repository; the old name redirects to it."""
        moved = self.repositories.pop(old.lower())
        moved.full_name, moved.updated_at = new, self.clock()
        moved.names.add(new.lower())
        self.repositories[new.lower()] = moved
        self._moved[old.lower()] = moved
        self._moved.pop(new.lower(), None)
        return moved

    def rename_owner(self, old: str, new: str) -> int:
        """Rename an organisation or user with all that is theirs; return their id."""
        known = self.add_user(old)
        self._users[new.lower()] = self._users.pop(old.lower())
        known["login"] = new
        for one in list(self.repositories.values()):
            owner, _, name = one.full_name.partition("/")
            if owner.lower() == old.lower():
                updated_at = one.updated_at
                self.rename_repository(one.full_name, f"{new}/{name}").updated_at = updated_at
        for installation in self.installations.values():
            if installation.account.lower() == old.lower():
                installation.account = new
        identifier: int = known["id"]
        return identifier

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
        pushes_to: Iterable[str] | None = None,
    ) -> None:
        """Add a personal access token: a classic one, or a fine-grained one's permissions.

        Its owner sees `repositories`, and may write in `pushes_to`: all, unless it is given.
        """
        self.add_user(login)
        self._tokens[token] = Credential(
            "classic" if fine_grained is None else "fine_grained",
            f"pat:{login}",
            login,
            tuple(scopes) if fine_grained is None else (),
            dict(fine_grained or {}),
            lower_names(repositories),
            lower_names(pushes_to),
            expires_at=expires_at,
        )

    def remove_token(self, token: str) -> None:
        del self._tokens[token]
