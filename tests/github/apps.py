"""Apps, where they are installed, and the tokens they mint."""

import re
import secrets
from collections.abc import Iterable
from typing import Any

from tests.github.faults import TOKEN_SECONDS
from tests.github.model import App, Credential, Hook, Installation, Repository
from tests.github.permissions import covers, grants
from tests.github.repositories import Repositories, reachable
from tests.github.routes import Answer, Call, Failure, not_found, page_of, route
from tests.github.values import (
    CONVERT,
    MINT,
    REPO,
    SUSPENDED,
    Json,
    lower_names,
    masked,
    node_id,
    rsa_key,
    stamp,
)


class Apps(Repositories):
    """Apps and their installations."""

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
            repositories=lower_names(repositories),
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

    def _via(self, app_id: int | None) -> Json | None:
        return self._app(self.apps[app_id]) if app_id is not None else None

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
        raise Failure(403, SUSPENDED)
    permissions = call.body.get("permissions", installation.permissions)
    for permission, level in permissions.items():
        if not grants(installation.permissions, permission, level):
            raise Failure(422, "The permissions requested are not granted to this installation.")
    chosen = _chosen_repositories(call, installation)
    token = _new_token(call.app.id, github.token_length)
    names = None if chosen is None else [one.full_name for one in chosen]
    made = github.add_installation_token(
        token, installation.id, permissions=permissions, repositories=names
    )
    selected = chosen is not None or installation.repositories != "all"
    answer: Json = {
        "token": token,
        "expires_at": stamp(made.expires_at),
        "permissions": {"metadata": "read", **permissions},
        "repository_selection": "selected" if selected else "all",
    }
    if chosen is not None:
        answer["repositories"] = [github._repository(one) for one in chosen]
    return Answer(201, answer)


def _new_token(app_id: int, length: int) -> str:
    """Return a token of an installation; what it looks like is nobody's business."""
    token = f"ghs_{app_id}_" + ".".join(secrets.token_urlsafe(n) for n in (30, 210, 64))
    return token.ljust(length, "x")


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
    found = reachable(call)
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


@route(f"GET {REPO}/installation", "app")
def repository_installation(call: Call) -> Answer:
    for one in call.github.installations.values():
        if one.app_id == call.app.id and covers(one, call.repo):
            return Answer(200, call.github._installation(one))
    raise not_found()
