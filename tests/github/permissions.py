"""Who asks, and what a credential may do."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web

from tests.github.faults import JWT_SECONDS
from tests.github.model import App, Credential, Installation, Repository, Request
from tests.github.routes import Call, Failure, Route, not_found
from tests.github.state import State
from tests.github.values import NO_INTEGRATION, REPO, SUSPENDED

_LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}
_NO_TOKEN = "Resource not accessible by personal access token"
_NO_JWT = "A JSON web token could not be decoded"
_UNCHECKED_CLAIMS = (
    *("verify_exp", "verify_iat", "verify_nbf", "verify_aud"),
    *("verify_iss", "verify_sub", "verify_jti"),
)


class Permissions(State):
    """Who asks, and where they get to."""

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
                raise Failure(403, SUSPENDED)
        return known

    def _authenticate_app(self, token: str) -> Credential:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            app = self._app_of(claims.get("iss"))
            unchecked: Any = dict.fromkeys(_UNCHECKED_CLAIMS, False)
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

    def _admit_kind(self, found: Route, credential: Credential) -> None:
        if found.who in ("anyone", "nobody"):
            return
        if found.who == "app":
            if credential.kind != "app":
                raise Failure(401, _NO_JWT)
        elif credential.kind == "app":
            raise Failure(401, "Bad credentials")
        elif found.who == "user" and credential.kind == "installation":
            raise Failure(403, NO_INTEGRATION)
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
            message = NO_INTEGRATION if credential.kind == "installation" else _NO_TOKEN
            raise Failure(403, message, {"X-Accepted-GitHub-Permissions": accepted})
        call.used = permission, found.level
        if call.repo.archived and not found.template.startswith("GET "):
            raise Failure(403, "Repository was archived so is read-only.")


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


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


def scope_headers(
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
