"""Examines an integration: whether GitHub reaches it, whether it may do its work, and what ails it.

It only reads. Each step ends in findings, a failure in one as well, and the other steps go on;
only where GitHub does not answer at all, what depends on it is left out.
"""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from bot import storage as store
from bot import times
from bot.domain.integrations import MASK, Integration
from bot.github import Client, GitHub, Limited, Refused, Temporary
from bot.github.events import MERGE_QUEUES
from bot.github.limits import date_of
from bot.handlers import dispatcher
from bot.services import Services

Status = Literal["ok", "warning", "problem"]
T = TypeVar("T")

_QUEUED = "merge_group"  # Apps alone hear of it; the pushes of a queue do, too
_LEVELS = ("none", "read", "write", "admin")
_GITHUB_SECONDS = 90.0  # for all that GitHub is asked
_REPOSITORIES = 20  # of the allow-list, looked at one by one
_HOOKS_OF = 5  # repositories whose webhooks are looked at
_INSTALLATIONS = 10  # whose repositories are counted
_PAGES, _PAGE = 3, 100
_RECENT = 50  # deliveries
_SKEW, _APP_SKEW = 30, 60  # seconds
_EXPIRES_SOON = 7 * 86_400 * times.SECOND
_FAILED_SINCE = 3 * 86_400 * times.SECOND
_WAITS_LONG = 600 * times.SECOND
_LONGEST = 600  # characters of a message
_WRITES = "Issues, Pull requests and Commit statuses: read and write"
_ANSWERS = {
    401: "The secrets differ: set the integration's webhook_secret in the webhook, too.",
    403: "The integration is not active: set is_active to true.",
    404: "The payload URL is of no integration: set it to the integration's webhook_url.",
}
_UNREACHED = "See to it that GitHub reaches PUBLIC_URL, through DNS, firewall and proxy."


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step found. `remedy` says what to do about a warning or a problem."""

    check: str
    status: Status
    message: str
    remedy: str | None = None


async def check(services: Services, integration_id: str) -> list[Finding] | None:
    """Examine the integration with this id; None if there is none. Raises StorageUnavailable."""
    try:
        integration = await services.integration(integration_id, fresh=True)
    except store.VaultError:
        remedy = "Add the key that they were stored with to SECRET_KEY, or store them anew."
        message = "Its stored secrets cannot be read with the keys at hand."
        return [Finding("integration", "problem", message, remedy)]
    return None if integration is None else await examine(services, integration)


async def examine(services: Services, integration: Integration) -> list[Finding]:
    """Return what there is to say of an integration. Raises StorageUnavailable."""
    # Clients of its own: they remember nothing, and the headers of the last answer are ours.
    github = GitHub(services.metrics, services.settings.github_api_urls)
    try:
        examination = _Examination(services, integration, github)
        await examination.run()
    finally:
        await github.close()
    return [_fit_to_show(finding, integration) for finding in examination.findings]


# --- What GitHub answers, as far as it matters here


class _User(Struct):
    login: str


class _App(Struct):
    slug: str
    html_url: str = ""
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)


class _Account(Struct):
    login: str | None = None
    slug: str | None = None  # of an enterprise


class _Installation(Struct):
    id: int
    account: _Account | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    suspended_at: str | None = None
    html_url: str = ""

    @property
    def name(self) -> str:
        account = self.account or _Account()
        return f"{account.login or account.slug or 'unknown'} ({self.id})"


class _Repository(Struct):
    full_name: str
    private: bool = False
    archived: bool = False
    has_issues: bool = True
    permissions: dict[str, bool] | None = None


class _Repositories(Struct):
    repositories: list[_Repository]


class _HookConfig(Struct):
    url: str | None = None
    content_type: str | None = None
    insecure_ssl: str | int | float | None = None
    secret: str | None = None  # a mask, if there is one


class _LastResponse(Struct):
    code: int | None = None
    message: str | None = None


class _Hook(Struct):
    active: bool
    events: list[str]
    config: _HookConfig
    last_response: _LastResponse | None = None


class _Delivery(Struct):
    guid: str
    status_code: int
    status: str = ""


class _Limit(Struct):
    limit: int
    remaining: int
    reset: Annotated[int, Meta(ge=0, le=2**33)]  # seconds since the epoch


class _Resources(Struct):
    core: _Limit


class _Limits(Struct):
    resources: _Resources


# --- The steps


class _Silent(Exception):
    """GitHub does not answer: what else it would be asked is left out."""


class _Stop(Exception):
    """A finding says why GitHub need not be asked anything else."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the bot's own database tells. Deliveries newest first."""

    deliveries: Sequence[store.Delivery]
    failed: Sequence[store.Action]  # actions
    waiting: Sequence[store.Action]  # actions
    places: Sequence[store.PlacedRepository]  # repositories that have come under the allow-list


class _Examination:
    def __init__(self, services: Services, integration: Integration, github: GitHub) -> None:
        self.findings: list[Finding] = []
        self._services, self._integration, self._github = services, integration, github
        self._public_url = services.settings.public_url
        self._events = services.shared(dispatcher).events
        self._needed = [one.name for one in self._events.needed]
        self._webhook_url = (
            f"{self._public_url}/api/v1/integrations/{integration.id}/webhook/github"
        )
        self._clients: dict[int | None, Client] = {}
        self._drift: float | None = None  # seconds that GitHub's clock is ahead of ours
        self._kind = "app"  # or classic, fine-grained, installation: what sort of token
        self._who = "it"
        self._app: _App | None = None
        self._installations: list[_Installation] = []
        self._reached: list[_Repository] = []
        self._not_reached: set[str] = set()
        self._held: set[str] = set()  # the names of those that keep their place on the allow-list

    async def run(self) -> None:
        seen = await self._services.database.read(self._read)
        self._held = {row.name_key for row in seen.places}
        self._look_at_integration()
        self._look_at_address()
        try:
            async with asyncio.timeout(_GITHUB_SECONDS):
                await self._look_at_github(seen)
        except TimeoutError:
            self._problem(
                "github",
                f"GitHub took longer than {_GITHUB_SECONDS:.0f} seconds for all that it was "
                "asked; the rest was left out.",
                "Try again when GitHub is faster: https://www.githubstatus.com",
            )
        except (_Stop, _Silent):
            pass
        self._look_at_clock()
        self._look_at_deliveries(seen.deliveries)
        self._look_at_actions(seen)

    def _read(self, tx: store.Transaction) -> _Seen:
        integration, since = self._integration, times.now() - _FAILED_SINCE
        return _Seen(
            store.deliveries.listed(tx, integration.seq, None, None, None, _RECENT).rows,
            store.actions.failed_of(tx, integration.id, since),
            store.actions.open_of_integration(tx, integration.id),
            store.places.all_of(tx, integration.id),
        )

    def _allows(self, full_name: str) -> bool:
        return self._integration.scope.lists(full_name) or full_name.lower() in self._held

    async def _look_at_github(self, seen: _Seen) -> None:
        api_url = self._integration.api_url
        if api_url not in self._services.settings.github_api_urls:
            self._stop(
                "github",
                f"GITHUB_API_URLS does not list {api_url}, so nothing is called there. What is "
                "owed waits.",
                "Add it to GITHUB_API_URLS and restart, or set config.api_url to one that is "
                "listed.",
            )
        is_app = self._integration.token is None
        await self._step("credential", self._look_at_app if is_app else self._look_at_token)
        if is_app:
            await self._step("installation", self._look_at_installations)
        await self._step("repositories", self._look_at_repositories)
        if not is_app:
            await self._step("permissions", self._look_at_token_permissions)
        await self._step(
            "webhook",
            self._look_at_app_webhook if is_app else lambda: self._look_at_webhooks(seen),
        )
        if is_app:
            await self._step("webhook", self._look_at_app_deliveries)
        await self._step("rate_limit", self._look_at_rate_limit)

    async def _step(self, check: str, step: Callable[[], Awaitable[None]]) -> None:
        """Take one step; what keeps it from its end is a finding. Raises _Stop or _Silent."""
        is_first = not self._clients
        try:
            await step()
            return
        except _Silent as error:
            self._problem(
                "github",
                f"GitHub cannot be used at {self._integration.api_url}: {error}. "
                "What else it would be asked was left out.",
                "Check config.api_url, and DNS, firewall and proxy of this machine; "
                "https://www.githubstatus.com tells when GitHub itself is down.",
            )
            raise
        except Limited as error:
            wait = "a while" if error.seconds is None else f"{error.seconds:.0f} seconds"
            self._problem(check, f"Not checked: {error}.", f"Wait for {wait}, then check again.")
        except Temporary as error:
            self._problem(
                check,
                f"Not checked: {error} ({self._integration.api_url}).",
                "Check again later; if it stays so, check config.api_url.",
            )
        except Refused as error:
            self._problem(
                check,
                f"Not checked: GitHub says {error}.",
                "Check what the credential may do, in GitHub.",
            )
        if is_first:
            raise _Stop

    async def _ask(
        self, client: Client, shape: type[T], path: str, variables: Mapping[str, str] | None = None
    ) -> T:
        """Return GitHub's answer to a GET; raises CallFailed, or _Silent if there is none."""
        for one in self._clients.values():
            one.headers = {}
        try:
            answer = await client.getitem(path, variables or {})
        except Temporary as error:
            # A token of an installation is minted by another client, which may have had an
            # answer: then it is the next call that shows whether GitHub is silent.
            if not any(one.headers for one in self._clients.values()):
                raise _Silent(str(error)) from None
            raise
        finally:
            date = date_of(client.headers)
            if self._drift is None and date is not None:
                self._drift = date - times.now() / times.SECOND
        try:
            return msgspec.convert(answer, shape)
        except msgspec.ValidationError:
            raise Temporary("GitHub's answer is not what it should be") from None

    def _client(self, installation_id: int | None) -> Client:
        """Return the client of an installation; None stands for the token, or the App itself."""
        if installation_id not in self._clients:
            is_app = self._integration.token is None and installation_id is None
            self._clients[installation_id] = (
                self._github.app(self._integration.credentials)
                if is_app
                else self._github.client(self._integration.credentials, installation_id)
            )
        return self._clients[installation_id]

    def _ok(self, check: str, message: str) -> None:
        self.findings.append(Finding(check, "ok", message))

    def _warn(self, check: str, message: str, remedy: str) -> None:
        self.findings.append(Finding(check, "warning", message, remedy))

    def _problem(self, check: str, message: str, remedy: str) -> None:
        self.findings.append(Finding(check, "problem", message, remedy))

    def _stop(self, check: str, message: str, remedy: str) -> NoReturn:
        self._problem(check, message, remedy)
        raise _Stop

    # --- Without GitHub

    def _look_at_integration(self) -> None:
        if self._integration.is_active:
            self._ok("integration", "It is active.")
        else:
            self._warn(
                "integration",
                "It is not active: deliveries are refused with 403, and nothing is written.",
                'Activate it: PATCH {"is_active": true}.',
            )

    def _look_at_address(self) -> None:
        reason = unreachable(self._public_url, self._integration.api_url)
        if reason is None:
            self._ok("address", f"GitHub is to deliver to {self._webhook_url}.")
        else:
            self._warn(
                "address",
                f"GitHub cannot reach {self._public_url}: {reason}.",
                "Set PUBLIC_URL to the address that GitHub reaches, that of a proxy or tunnel.",
            )

    def _look_at_clock(self) -> None:
        if self._drift is None:
            return
        seconds, is_app = round(abs(self._drift)), self._integration.token is None
        message = (
            f"The clock of this machine is {seconds} seconds "
            f"{'behind' if self._drift > 0 else 'ahead of'} GitHub's"
        )
        remedy = "Let NTP set the clock, for example with `timedatectl set-ntp true`."
        if seconds <= _SKEW:
            self._ok("clock", "The clock of this machine agrees with GitHub's.")
        elif is_app and seconds > _APP_SKEW:
            message = f"{message}: more than GitHub allows the tokens that an App signs."
            self._problem("clock", message, remedy)
        else:
            self._warn("clock", f"{message}.", remedy)

    def _look_at_deliveries(self, recent: Sequence[store.Delivery]) -> None:
        if not recent:
            self._warn(
                "deliveries",
                "No delivery has arrived yet.",
                f"Set the webhook's payload URL to {self._webhook_url}; GitHub sends a ping at "
                "once, and shows every answer under Recent Deliveries.",
            )
            return
        at = times.render(recent[0].received_at // times.SECOND * times.SECOND)
        count = _number(len(recent), "delivery", "deliveries")
        of = {
            status: [row for row in recent if row.status == status]
            for status in ("failed", "retrying", "ignored")
        }
        path = f"/api/v1/integrations/{self._integration.id}/deliveries"
        if of["failed"]:
            self._problem(
                "deliveries",
                f"Of the last {count}, {len(of['failed'])} failed; the latest of them: "
                f"{of['failed'][0].error or 'no reason is known'}.",
                f"Read GET {path}?status=failed, mend the cause and replay them.",
            )
        if of["retrying"]:
            self._warn(
                "deliveries",
                f"Of the last {count}, {len(of['retrying'])} failed and will be tried again; the "
                f"latest of them: {of['retrying'][0].error or 'no reason is known'}.",
                f"See to it that a worker runs, and read GET {path}?status=retrying.",
            )
        if len(of["ignored"]) == len(recent):
            self._warn(
                "deliveries",
                f"All of the last {count} were ignored; the last arrived {at}.",
                "Check which events the webhook sends, and whether config.repositories names "
                "the repositories that they come from.",
            )
        elif not of["failed"] and not of["retrying"]:
            ignored = f"; {len(of['ignored'])} were ignored" if of["ignored"] else ""
            self._ok("deliveries", f"The last {count} went well{ignored}. The last arrived {at}.")

    def _look_at_actions(self, seen: _Seen) -> None:
        if seen.failed:
            last = seen.failed[-1]
            self._problem(
                "actions",
                f"{_number(len(seen.failed), 'action')} failed in the last three days; the last, "
                f"a {last.kind}: {last.last_error or 'no reason is known'}.",
                "Mend the cause, then retry them: GET /api/v1/actions?status=failed and "
                "POST /api/v1/actions/{id}/retry.",
            )
        oldest = min(seen.waiting, key=lambda row: int(row.created_at), default=None)
        if oldest is not None and oldest.created_at < times.now() - _WAITS_LONG:
            since = times.render(oldest.created_at // times.SECOND * times.SECOND)
            reason = oldest.last_error or "it has not been tried"
            self._warn(
                "actions",
                f"{_number(len(seen.waiting), 'action')} waiting, the oldest since {since}: "
                f"{reason}.",
                "See to it that a worker runs (`serve` or `worker`), and mend what the reason "
                "tells of.",
            )
        elif not seen.failed:
            waiting = f"; {len(seen.waiting)} waiting" if seen.waiting else ""
            self._ok("actions", f"No action failed in the last three days{waiting}.")

    # --- Who the credential is, and what it may do

    async def _look_at_token(self) -> None:
        client = self._client(None)
        remedy = "Make a new token in GitHub and store it: PATCH config.token."
        try:
            user = await self._ask(client, _User, "/user")
        except Refused as error:
            if error.status != 403:
                message = f"GitHub does not take the token: {error}."
                self._stop("credential", message, remedy)
            await self._look_at_pasted_token(error)
            return
        self._who = user.login
        scopes = client.headers.get("X-OAuth-Scopes")
        self._kind = "fine-grained" if scopes is None else "classic"
        self._ok("credential", f"The token is a {self._kind} one of {user.login}.")
        self._look_at_expiry(client.headers)
        if scopes is not None:
            self._look_at_scopes({one.strip() for one in scopes.split(",")} - {""})

    async def _look_at_pasted_token(self, refusal: Refused) -> None:
        """A token of an installation may not ask who it is, but what it may see."""
        path = "/installation/repositories?per_page=1"
        try:
            await self._ask(self._client(None), _Repositories, path)
        except Refused:
            self._stop(
                "credential",
                f"GitHub does not say whose the token is: {refusal}.",
                "Check the token in GitHub, or store a new one: PATCH config.token.",
            )
        self._kind = "installation"
        self._warn(
            "credential",
            "The token is one of an App's installation, which expires an hour after it was made.",
            "Store the App's app_id and private_key instead: the bot then makes its own tokens.",
        )

    def _look_at_expiry(self, headers: Mapping[str, str]) -> None:
        expires_at = expiry_of(headers)
        if expires_at is None:
            return
        text = f"The token expires {times.render(expires_at)}"
        if expires_at > times.now() + _EXPIRES_SOON:
            self._ok("expiry", f"{text}.")
        else:
            remedy = "Make a new one in GitHub before that, and store it: PATCH config.token."
            self._warn("expiry", f"{text}, soon.", remedy)

    def _look_at_scopes(self, scopes: set[str]) -> None:
        listed = ", ".join(sorted(scopes)) or "none"
        if "repo" in scopes:
            self._ok("permissions", f"Its scopes suffice: {listed}.")
        elif "public_repo" in scopes:
            self._ok("permissions", f"Its scopes suffice for public repositories: {listed}.")
        else:
            self._problem(
                "permissions",
                f"Its scopes do not let it write comments, labels, statuses and issues: {listed}.",
                "Give it the scope `repo`, or `public_repo` if all repositories are public, under "
                "Settings → Developer settings → Personal access tokens → Tokens (classic).",
            )

    async def _look_at_token_permissions(self) -> None:
        """Find out what a token without scopes may read; writing shows only when it writes."""
        if self._kind == "classic":
            return
        remedy = f"Give the token these repository permissions in GitHub: {_WRITES}."
        if not self._reached:
            self._warn(
                "permissions",
                "What the token may do cannot be tried: no repository is known that it reaches.",
                remedy,
            )
            return
        # What is public may be read by anyone.
        tried = next((one for one in self._reached if one.private), self._reached[0])
        name, refused = tried.full_name, False
        for what, path in (("issues", "issues"), ("pull requests", "pulls")):
            client = self._client(None)
            try:
                url = f"/repos/{{+repository}}/{path}?per_page=1"
                await self._ask(client, list[dict[str, Any]], url, {"repository": name})
            except Refused as error:
                if error.status == 410:  # issues are switched off
                    continue
                needs = client.headers.get("X-Accepted-GitHub-Permissions")
                wants = f"GitHub wants {needs}" if needs else str(error)
                refused = True
                self._problem(
                    "permissions", f"The token may not read the {what} of {name}: {wants}.", remedy
                )
        if not refused:
            self._ok(
                "permissions",
                f"The token may read issues and pull requests of {name}. Whether it may write "
                f"shows only when it does; it needs {_WRITES}.",
            )

    async def _look_at_app(self) -> None:
        try:
            self._app = app = await self._ask(self._client(None), _App, "/app")
        except Refused as error:
            self._stop(
                "credential",
                f"GitHub does not know the App: {error}.",
                "Check app_id and private_key: the App's page in GitHub shows its id, and makes "
                "a new key. Check the clock of this machine, too.",
            )
        self._who = f"{app.slug}[bot]"
        self._ok("credential", f"The credential is that of the App {app.slug}.")
        remedy = (
            "Change it in the App's settings under Permissions & events; then the owner of each "
            "account that it is installed on has to accept."
        )
        vital, useful = self._by_weight(self._missing_permissions(app.permissions))
        if vital:
            message = f"The App lacks permissions: {_listed(vital)}."
            self._problem("permissions", f"{message} {self._events.without(vital)}", remedy)
        if useful:
            message = f"The App does not ask for {_listed(useful)}."
            self._warn("permissions", f"{message} {self._events.without(useful)}", remedy)
        if not vital and not useful:
            self._ok("permissions", "The App asks for all permissions that it needs.")
        unheard = [one for one in self._needed if one not in app.events]
        if unheard:
            self._problem("events", f"The App does not hear of: {', '.join(unheard)}.", remedy)
        else:
            self._ok("events", "The App hears of all events that it needs.")
        may_hear = "merge_queues" in app.permissions and self._integration.check != "off"
        if may_hear and _QUEUED not in app.events:
            message = f"The App does not hear of {_QUEUED}: {MERGE_QUEUES.without}."
            self._warn("events", message, remedy)

    def _missing_permissions(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what is needed and not given, by name."""
        integration = self._integration
        posts = integration.comments != "off" or integration.label is not None
        needed = {name: one.level for name, one in self._events.permissions.items()}
        if not posts:
            needed["pull_requests"] = "read"
        if integration.check == "off":
            del needed["checks"], needed["merge_queues"]
        return {
            name: level
            for name, level in needed.items()
            if _level(given.get(name, "none")) < _level(level)
        }

    def _by_weight(self, missing: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return of missing permissions the vital ones, and those without which the rest works."""
        asked = self._events.permissions
        vital = {name: level for name, level in missing.items() if asked[name].is_vital}
        return vital, {name: level for name, level in missing.items() if name not in vital}

    async def _look_at_installations(self) -> None:
        path = f"/app/installations?per_page={_PAGE}"
        listed = self._installations = await self._ask(
            self._client(None), list[_Installation], path
        )
        assert self._app is not None
        install = f"Install it: {_shown(self._app.html_url)}/installations/new"
        if not listed:
            self._problem("installation", "The App is not installed anywhere.", install)
            return
        default = self._integration.installation_id
        if default is not None and default not in [one.id for one in listed]:
            await self._look_at_default(default, is_all=len(listed) < _PAGE)
        for one in listed:
            self._look_at_installation(one, self._app)
        sound = [one.name for one in listed if one.suspended_at is None]
        if sound:
            self._ok("installation", f"The App is installed on {_some(sound)}.")

    async def _look_at_default(self, default: int, *, is_all: bool) -> None:
        """Look at the default installation, which is not among those that were listed."""
        if not is_all:
            try:
                found = await self._ask(
                    self._client(None),
                    _Installation,
                    "/app/installations/{installation_id}",
                    {"installation_id": str(default)},
                )
            except Refused:
                pass
            else:
                self._installations.append(found)
                return
        known = _some([one.name for one in self._installations]) or "none"
        self._problem(
            "installation",
            f"The installation {default} does not exist, but config.installation_id names it.",
            f"Set config.installation_id to one that does, or to null. The App has: {known}.",
        )

    def _look_at_installation(self, one: _Installation, app: _App) -> None:
        if one.suspended_at is not None:
            is_default = one.id == self._integration.installation_id
            report = self._problem if is_default else self._warn
            report(
                "installation",
                f"The installation on {one.name} is suspended: GitHub takes nothing from it.",
                f"Let its owner unsuspend it: {_shown(one.html_url)}",
            )
            return
        of_app = self._missing_permissions(app.permissions)
        missing: dict[str, str] = {
            name: level
            for name, level in self._missing_permissions(one.permissions).items()
            if name not in of_app
        }
        unheard = [name for name in self._needed if name in app.events and name not in one.events]
        vital, useful = self._by_weight(missing)
        accept = f"New permissions must be accepted by the account's owner: {_shown(one.html_url)}"
        if vital or unheard:
            what = [_listed(vital), f"the events {', '.join(unheard)}" if unheard else ""]
            message = (
                f"The installation on {one.name} lacks {' and '.join(filter(None, what))}, which "
                "the App asks for."
            )
            self._problem(
                "installation", f"{message} {self._events.without(vital)}".rstrip(), accept
            )
        if useful:
            message = f"The installation on {one.name} has not accepted {_listed(useful)} yet."
            self._warn("installation", f"{message} {self._events.without(useful)}", accept)

    # --- Which repositories it reaches

    async def _look_at_repositories(self) -> None:
        patterns = self._integration.repositories or ()
        named = [one for one in patterns if not one.endswith("/*")]
        refusals: dict[tuple[str, str], list[str]] = {}
        for name in named[:_REPOSITORIES]:
            try:
                client = await self._client_of(name)
                repository = await self._ask(
                    client, _Repository, "/repos/{+repository}", {"repository": name}
                )
            except Refused as error:
                self._not_reached.add(name)
                refusals.setdefault((str(error), self._how_to_reach()), []).append(name)
            else:
                self._reached.append(repository)
                self._look_at_repository(name, repository)
        for (reason, remedy), names in refusals.items():
            message = f"Not reached: {', '.join(names)}. GitHub says {reason}."
            self._problem("repositories", message, remedy)
        if self._reached:
            names = [one.full_name for one in self._reached]
            left = len(named) - _REPOSITORIES
            rest = f" The other {left} of the allow-list were not looked at." if left > 0 else ""
            self._ok("repositories", f"It reaches {_some(names)}.{rest}")
        if len(named) < len(patterns) or not patterns:
            await self._count_repositories([one for one in patterns if one not in named])

    async def _client_of(self, repository: str) -> Client:
        """Return the client that acts in a repository; raises CallFailed."""
        if self._integration.token is not None:
            return self._client(None)
        path = "/repos/{+repository}/installation"
        try:
            found = await self._ask(
                self._client(None), _Installation, path, {"repository": repository}
            )
        except Refused as error:
            if error.status != 404:
                raise
            raise Refused(404, "the App is not installed there") from None
        return self._client(found.id)

    def _how_to_reach(self) -> str:
        if any("X-GitHub-SSO" in one.headers for one in self._clients.values()):
            return (
                "Authorize the token for the organization's single sign-on, in GitHub under "
                "Settings → Developer settings → Personal access tokens."
            )
        if self._app is not None:
            return f"Check the names, and install the App there: {_shown(self._app.html_url)}"
        return {
            "classic": f"Check the names, and give {self._who} access; private repositories need "
            "the scope `repo`.",
            "fine-grained": "Check the names, and choose these repositories for the token in "
            "GitHub.",
        }.get(self._kind, "Check the names, and choose these repositories for the installation.")

    def _look_at_repository(self, name: str, found: _Repository) -> None:
        is_pat = self._kind in ("classic", "fine-grained")
        if found.full_name.lower() != name.lower() and found.full_name.lower() not in self._held:
            self._warn(
                "repositories",
                f"{name} is called {found.full_name} by now, and its deliveries are refused "
                "unless the allow-list has that name.",
                f"Write {found.full_name} into config.repositories.",
            )
        if found.archived:
            self._warn(
                "repositories",
                f"{name} is archived: nothing can be written there.",
                "Unarchive it in GitHub, or take it off config.repositories.",
            )
        elif is_pat and found.permissions is not None and not found.permissions.get("push"):
            self._warn(
                "repositories",
                f"{self._who} may not write in {name}: no labels and no statuses.",
                f"Give {self._who} the role Write in {name}.",
            )
        if not found.has_issues:
            self._warn(
                "repositories",
                f"Issues are switched off in {name}: no tracking issue can be made there.",
                "Switch them on in the repository's settings, if you want them.",
            )

    async def _count_repositories(self, wildcards: Sequence[str]) -> None:
        """Count what is reached where the allow-list does not name it."""
        if self._integration.token is not None:
            clients = [self._client(None)]
        else:
            sound = [one.id for one in self._installations if one.suspended_at is None]
            clients = [self._client(one) for one in sound[:_INSTALLATIONS]]
            if not sound:
                return  # there is a finding about it
        found: list[_Repository] = []
        is_all = self._integration.token is not None or len(sound) <= _INSTALLATIONS
        for client in clients:
            page, is_complete = await self._list_repositories(client)
            found += [one for one in page if self._allows(one.full_name)]
            is_all = is_all and is_complete
        for pattern in wildcards:
            owner = pattern.removesuffix("*").lower()
            if is_all and not any(one.full_name.lower().startswith(owner) for one in found):
                self._warn(
                    "repositories",
                    f"No repository that it reaches fits {pattern}.",
                    self._how_to_reach(),
                )
        if found:
            names = [one.full_name for one in found]
            more = "" if is_all else "more than "
            count = _number(len(names), "repository", "repositories")
            self._ok("repositories", f"It reaches {more}{count}: {_some(names)}.")
            self._reached += found
        elif is_all and not wildcards:
            self._problem("repositories", "It reaches no repository.", self._how_to_reach())

    async def _list_repositories(self, client: Client) -> tuple[list[_Repository], bool]:
        """Return repositories that a client reaches, and whether these are all."""
        found: list[_Repository] = []
        for number in range(1, _PAGES + 1):
            query = f"?per_page={_PAGE}&page={number}"
            if self._kind in ("classic", "fine-grained"):
                page = await self._ask(client, list[_Repository], f"/user/repos{query}")
            else:
                path = f"/installation/repositories{query}"
                page = (await self._ask(client, _Repositories, path)).repositories
            found += page
            if len(page) < _PAGE:
                return found, True
        return found, False

    # --- The webhook

    async def _look_at_app_webhook(self) -> None:
        config = await self._ask(self._client(None), _HookConfig, "/app/hook/config")
        if config.url != self._webhook_url:
            points = f"points to {_shown(config.url)}" if config.url else "is not set"
            self._problem(
                "webhook",
                f"The App's webhook {points}.",
                f"Set the webhook URL in the App's settings to {self._webhook_url}",
            )
            return
        self._ok("webhook", "The App's webhook points here.")
        self._look_at_config("The App's webhook", config)

    async def _look_at_app_deliveries(self) -> None:
        """Look at what GitHub says of its deliveries; the list has one row per attempt."""
        path = f"/app/hook/deliveries?per_page={_RECENT}"
        attempts = await self._ask(self._client(None), list[_Delivery], path)
        newest: dict[str, _Delivery] = {}
        for one in attempts:
            newest.setdefault(one.guid, one)
        recent = list(newest.values())
        failed = [one for one in recent if not 200 <= one.status_code < 300]
        if not failed:
            return
        latest = failed[0]
        self._warn(
            "webhook",
            f"Of the last {_number(len(recent), 'delivery', 'deliveries')} that GitHub tried, "
            f"{len(failed)} failed; the latest of them: {latest.status_code or 'no answer'} "
            f"({latest.status}).",
            _ANSWERS.get(latest.status_code, _UNREACHED)
            + " Then redeliver them in the App's settings under Advanced.",
        )

    async def _look_at_webhooks(self, seen: _Seen) -> None:
        names = self._repositories_with_hooks(seen)
        if not names and self._not_reached:
            message = "No webhook was looked at: no repository of the allow-list is reached."
            self._warn("webhook", message, "See to what the repositories need first.")
        elif not names:
            self._warn(
                "webhook",
                "It is not known of which repositories to look at the webhooks.",
                "Name them in config.repositories, or check again after a first delivery.",
            )
        hidden = []
        for name in names:
            path = f"/repos/{{+repository}}/hooks?per_page={_PAGE}"
            try:
                hooks = await self._ask(self._client(None), list[_Hook], path, {"repository": name})
            except Refused:
                hidden.append(name)
            else:
                self._look_at_hooks(name, hooks, seen)
        if hidden:
            needs = {
                "classic": "Give the token the scope `read:repo_hook` and its owner the role Admin",
                "fine-grained": "Give the token the repository permission Webhooks: read, and its "
                "owner the role Admin",
            }.get(self._kind, "Give the App the repository permission Webhooks: read")
            self._warn(
                "webhook",
                f"The token may not look at the webhooks of {', '.join(hidden)}.",
                f"{needs}; or look by hand under Settings → Webhooks: payload URL "
                f"{self._webhook_url}, content type application/json, the events "
                f"{', '.join(self._needed)}.",
            )

    def _repositories_with_hooks(self, seen: _Seen) -> list[str]:
        """Return the repositories to look at: those of the allow-list, else those heard of."""
        patterns = self._integration.repositories or ()
        named = [one for one in patterns if not one.endswith("/*")]
        if not named:
            heard_of = dict.fromkeys(row.repository for row in seen.deliveries)
            named = [one for one in heard_of if one and self._allows(one)]
        if not named and len(self._reached) <= _HOOKS_OF:
            named = [one.full_name for one in self._reached]
        return [one for one in named if one not in self._not_reached][:_HOOKS_OF]

    def _look_at_hooks(self, name: str, hooks: Sequence[_Hook], seen: _Seen) -> None:
        ours = [one for one in hooks if one.config.url == self._webhook_url]
        if not ours:
            self._look_for_other_hooks(name, hooks, seen)
            return
        if len(ours) > 1:
            self._warn(
                "webhook",
                f"{len(ours)} webhooks of {name} point here; one is enough.",
                "Delete the others in the repository under Settings → Webhooks.",
            )
        hook = next((one for one in ours if one.active), ours[0])
        which = f"The webhook of {name}"
        if hook.active:
            self._ok("webhook", f"{which} points here.")
        else:
            remedy = "Check Active in the repository under Settings → Webhooks."
            self._problem("webhook", f"{which} is not active: it sends nothing.", remedy)
        self._look_at_config(which, hook.config)
        unheard = [one for one in self._needed if not {one, "*"} & {*hook.events}]
        if unheard:
            self._problem(
                "webhook",
                f"{which} does not send: {', '.join(unheard)}.",
                "Select these events too, in the repository under Settings → Webhooks.",
            )
        last = hook.last_response or _LastResponse()
        if last.code is not None and not 200 <= last.code < 300:
            self._problem(
                "webhook",
                f"{which} got {last.code or 'no answer'} for its last delivery"
                + (f": {last.message}." if last.message else "."),
                _ANSWERS.get(last.code, _UNREACHED) + " Then redeliver it under Recent Deliveries.",
            )

    def _look_for_other_hooks(self, name: str, hooks: Sequence[_Hook], seen: _Seen) -> None:
        """Say what may be wrong where no webhook of a repository points here."""
        here = urlsplit(self._webhook_url).path
        others = [one.config.url for one in hooks if here in (one.config.url or "")]
        came = [row for row in seen.deliveries if (row.repository or "") == name]
        add = (
            f"payload URL {self._webhook_url}, content type application/json, the integration's "
            f"secret, and the events {', '.join(self._needed)}."
        )
        if others:
            self._problem(
                "webhook",
                f"The webhook of {name} points to {_shown(others[0])} and not to PUBLIC_URL.",
                f"Set PUBLIC_URL to that address, or the payload URL to {self._webhook_url}",
            )
        elif came:
            at = times.render(came[0].received_at // times.SECOND * times.SECOND)
            self._warn(
                "webhook",
                f"No webhook of {name} itself points here, yet a delivery came {at}.",
                f"Look whether the organization has one; if not, add one: {add}",
            )
        else:
            self._problem(
                "webhook",
                f"No webhook of {name} points here.",
                f"Add one in the repository, or in the organization for all: {add}",
            )

    def _look_at_config(self, which: str, config: _HookConfig) -> None:
        if config.content_type != "json":
            self._warn(
                "webhook",
                f"{which} sends {config.content_type or 'form'}, which is read as well as json.",
                "Set its content type to application/json.",
            )
        if str(config.insecure_ssl or "0") != "0":
            self._warn(
                "webhook",
                f"{which} does not verify certificates.",
                "Enable SSL verification in its settings.",
            )
        if not config.secret:
            self._warn(
                "webhook",
                f"{which} seems to have no secret; without one every delivery is refused.",
                "Set its secret to the integration's webhook_secret.",
            )

    # --- How much may still be asked

    async def _look_at_rate_limit(self) -> None:
        sound = [one.id for one in self._installations if one.suspended_at is None]
        default = self._integration.installation_id
        client = self._client(default if default in sound else sound[0] if sound else None)
        try:
            limit = (await self._ask(client, _Limits, "/rate_limit")).resources.core
        except Refused as error:
            if error.status != 404:
                raise
            self._ok("rate_limit", "GitHub sets no rate limit here.")
            return
        text = f"{limit.remaining} of {limit.limit} calls an hour are left"
        if limit.remaining * 10 >= limit.limit:
            self._ok("rate_limit", f"{text}.")
            return
        reset = times.render(limit.reset * times.SECOND)
        self._warn(
            "rate_limit",
            f"Only {text}, until {reset}. The bot waits when there are none.",
            "Find out what else uses this credential, and give the bot one of its own.",
        )


# --- Small questions


def unreachable(public_url: str, api_url: str) -> str | None:
    """Return why a GitHub cannot reach an address; None if nothing is known against it.

    An Enterprise Server may well be in the same private network.
    """
    host = (urlsplit(public_url).hostname or "").lower().rstrip(".")
    github = (urlsplit(api_url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return "it is this machine itself"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and (address.is_loopback or address.is_unspecified):
        return "it is this machine itself"
    if github != "api.github.com" and not github.endswith(".ghe.com"):
        return None
    if address is not None:
        return None if address.is_global else "it is an address of a private network"
    is_local = "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))
    return "it is a name of a private network" if is_local else None


def expiry_of(headers: Mapping[str, str]) -> int | None:
    """Return when the token that was used expires, in microseconds; None if that is not said."""
    text = headers.get("github-authentication-token-expiration", "").strip()
    text = re.sub(r"\s*(?:UTC|GMT)$", " +0000", text)
    for form in ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            continue
        return int(moment.astimezone(UTC).timestamp()) * times.SECOND
    return None


def _level(name: str) -> int:
    return _LEVELS.index(name) if name in _LEVELS else 0


def _listed(permissions: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {level}" for name, level in permissions.items())


def _some(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _shown(url: str | None) -> str:
    """Return an address without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url or "")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    more = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}{more}"


def _fit_to_show(finding: Finding, integration: Integration) -> Finding:
    """Return a finding without secrets, which a strange answer might repeat, on one line."""
    secrets = [
        integration.token,
        integration.private_key,
        integration.webhook_secret,
        *(secret for secret, _ in integration.previous_secrets),
    ]

    def fit(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK) if secret else text
        text = "".join(one if one.isprintable() else " " for one in text)
        text = re.sub(r"(?<!\.)\.\.$", ".", text)  # what GitHub says may be a sentence already
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

    remedy = None if finding.remedy is None else fit(finding.remedy)
    return Finding(finding.check, finding.status, fit(finding.message), remedy)
