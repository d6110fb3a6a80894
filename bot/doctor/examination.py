"""One examination: the looks there are, what is known so far, and what GitHub is asked."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from bot import characters, extensions, times
from bot import storage as store
from bot.deliveries.refusals import Refusals
from bot.doctor.findings import Finding
from bot.domain import grants
from bot.domain.audit import MASK
from bot.domain.integrations import Integration
from bot.github import CallFailed, Client, GitHub, Limited, Temporary, payloads
from bot.github.events import Events
from bot.github.limits import date_of
from bot.github.reach import webhook_url
from bot.handlers import dispatcher
from bot.services import Services

GITHUB_SECONDS = 90.0  # for all that GitHub is asked
PAGE = 100
RECENT = 50  # deliveries
_FAILED_SINCE = 3 * 86_400 * times.SECOND
_LONGEST = 600  # characters of a message
T = TypeVar("T")
Credential = Literal["app", "token"]


# --- The looks


class Stage(IntEnum):
    """When a look is taken: it may use what those before it have found out."""

    SETTINGS = auto()
    CREDENTIAL = auto()  # who it is to GitHub: if that cannot be told, nothing else is asked
    INSTALLATIONS = auto()
    REPOSITORIES = auto()
    RIGHTS = auto()
    WEBHOOK = auto()
    LIMITS = auto()
    AFTERWARDS = auto()

    @property
    def asks_github(self) -> bool:
        return Stage.SETTINGS < self < Stage.AFTERWARDS


@dataclass(frozen=True, slots=True)
class Look:
    """A look at one subject, the `check` of what it finds; at one sort of credential, or at all."""

    stage: Stage
    check: str
    of: Credential | None
    take: Callable[["Examination"], Awaitable[None]]


def look(
    stage: Stage, check: str, of: Credential | None = None
) -> Callable[[Callable[["Examination"], Awaitable[None]]], Look]:
    """Make a function a look. Looks of one stage are taken in the order of their modules."""
    return lambda take: Look(stage, check, of, take)


class Stop(Exception):
    """A problem (message, remedy) because of which GitHub need not be asked anything else."""


class Silent(Exception):
    """GitHub does not answer: what else it would be asked is left out."""


async def check(services: Services, integration_id: str) -> list[Finding] | None:
    """Examine the integration with this id; None if there is none. Raises StorageUnavailable."""
    try:
        integration = await services.integration(integration_id, fresh=True)
    except store.VaultError:
        remedy = "Add the key that they were stored with to SECRET_KEY, or store them again."
        message = "Its stored secrets cannot be read with the keys at hand."
        return [Finding("integration", "problem", message, remedy)]
    if integration is None:
        return None
    await services.shared(Refusals).write()
    records = await services.database.read(lambda tx: _records(tx, integration))
    # Clients of its own: they remember nothing, and the headers of the last answer are ours.
    github = GitHub(services.metrics, services.settings.github_api_urls)
    try:
        exam = Examination(services, integration, github, *records)
        await _examine(exam)
        if exam.installations:
            await services.database.write(lambda tx: _keep_grants(tx, exam))
        return [_fit_to_show(one, integration) for one in exam.findings]
    finally:
        await github.close()


def _keep_grants(tx: store.Transaction, exam: "Examination") -> None:
    """Keep what GitHub says that each installation was granted, for the page of the integration."""
    for one in exam.installations:
        told = payloads.read_answer(msgspec.to_builtins(one), payloads.Installation)
        grants.keep_answer(tx, exam.integration.id, exam.integration.host, told)


async def _examine(exam: "Examination") -> None:
    is_asking = True
    ends = asyncio.get_running_loop().time() + GITHUB_SECONDS
    looks = extensions.instances(extensions.modules_of("bot.doctor"), Look)
    for one in sorted(looks, key=lambda one: one.stage):
        asks = one.stage.asks_github
        if (asks and not is_asking) or one.of not in (None, exam.credential):
            continue
        exam.check = one.check
        try:
            async with asyncio.timeout_at(ends if asks else None):
                await one.take(exam)
        except Stop as stop:
            exam.problem(*stop.args)
            is_asking = False
        except (Silent, TimeoutError, CallFailed) as error:
            _not_checked(exam, error)
            is_asking = isinstance(error, CallFailed) and one.stage != Stage.CREDENTIAL


def _not_checked(exam: "Examination", error: Exception) -> None:
    api_url = exam.integration.api_url
    match error:
        case Silent():
            exam.check = "github"
            message = (
                f"GitHub cannot be used at {api_url}: {error}. "
                "What else it would be asked was left out."
            )
            remedy = (
                "Check config.api_url, and DNS, firewall and proxy of this machine; "
                "https://www.githubstatus.com tells when GitHub itself is down."
            )
        case TimeoutError():
            exam.check = "github"
            message = (
                f"GitHub took longer than {GITHUB_SECONDS:.0f} seconds for all that it was "
                "asked; the rest was left out."
            )
            remedy = "Try again when GitHub is faster: https://www.githubstatus.com"
        case Limited(seconds=seconds):
            wait = "a while" if seconds is None else f"{seconds:.0f} seconds"
            message = f"Not checked: {error}."
            remedy = f"Wait for {wait}, then check again."
        case Temporary():
            message = f"Not checked: {error} ({api_url})."
            remedy = "Check again later; if it stays so, check config.api_url."
        case _:
            message = f"Not checked: GitHub says {error}."
            remedy = "Check what the credential may do, in GitHub."
    exam.problem(message, remedy)


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
        text = characters.plain(text)
        text = re.sub(r"(?<!\.)\.\.$", ".", text)  # what GitHub says may be a sentence already
        return characters.shortened(text, _LONGEST)

    remedy = None if finding.remedy is None else fit(finding.remedy)
    return replace(finding, message=fit(finding.message), remedy=remedy)


# --- What GitHub answers, as far as it matters here


class App(Struct):
    slug: str
    html_url: str = ""
    permissions: dict[str, str] = {}
    events: list[str] = []


class Account(Struct):
    login: str | None = None
    slug: str | None = None  # of an enterprise


class Installation(Struct):
    id: int
    account: Account | None = None
    repository_selection: str | None = None
    permissions: dict[str, str] = {}
    events: list[str] = []
    updated_at: str | None = None
    suspended_at: str | None = None
    html_url: str = ""

    @property
    def name(self) -> str:
        account = self.account or Account()
        return f"{account.login or account.slug or 'unknown'} ({self.id})"


class Repository(Struct):
    full_name: str
    private: bool = False
    archived: bool = False
    has_issues: bool = True
    default_branch: str = "main"
    permissions: dict[str, bool] | None = None


class Repositories(Struct):
    repositories: list[Repository]


# --- What is known so far


def _records(tx: store.Transaction, integration: Integration) -> tuple[Any, ...]:
    return (
        store.deliveries.listed(tx, integration.seq, None, None, None, RECENT).rows,
        store.actions.failed_of(tx, integration.id, times.now() - _FAILED_SINCE),
        store.actions.open_of_integration(tx, integration.id),
        frozenset(row.name_key for row in store.places.all_of(tx, integration.id)),
        store.speakers.denied(tx, integration.id, RECENT),
        store.integrations.find(tx, integration.id),
    )


@dataclass(slots=True)
class Examination:
    """What looks are given: the integration, and what those before them have found out."""

    services: Services
    integration: Integration
    github: GitHub
    # What the bot's own database tells
    deliveries: Sequence[store.Delivery]  # newest first
    failed: Sequence[store.Action]
    waiting: Sequence[store.Action]
    held: frozenset[str]  # the names of those that keep their place on the allow-list
    denied: Sequence[str]  # the names of those to which it has no right, says GitHub
    row: store.Integration | None  # None if it has just been deleted
    check: str = ""  # the subject of the look that is taken
    findings: list[Finding] = field(default_factory=list)
    kind: Literal["app", "classic", "fine-grained", "installation"] = "app"
    who: str = "it"
    scopes: frozenset[str] | None = None  # of a classic token
    expires_at: int | None = None  # the token
    app: App | None = None
    installations: list[Installation] = field(default_factory=list)
    reached: list[Repository] = field(default_factory=list)
    not_reached: set[str] = field(default_factory=set)
    drift: float | None = None  # seconds that GitHub's clock is ahead of ours
    clients: dict[int | None, Client] = field(default_factory=dict)

    def ok(self, message: str) -> None:
        self.findings.append(Finding(self.check, "ok", message))

    def warning(self, message: str, remedy: str) -> None:
        self.findings.append(Finding(self.check, "warning", message, remedy))

    def problem(self, message: str, remedy: str) -> None:
        self.findings.append(Finding(self.check, "problem", message, remedy))

    @property
    def credential(self) -> Credential:
        return "app" if self.integration.token is None else "token"

    @property
    def is_personal(self) -> bool:
        """Whether the token is somebody's own."""
        return self.kind in ("classic", "fine-grained")

    @property
    def webhook_url(self) -> str:
        return webhook_url(self.services.settings.public_url, self.integration.id)

    @property
    def events(self) -> Events:
        return self.services.shared(dispatcher).events

    @property
    def needed_events(self) -> list[str]:
        return [one.name for one in self.events.needed]

    def unheard(self, heard: Collection[str]) -> list[str]:
        """Return the events that are needed and not among those that are heard."""
        return grants.unheard(self.events, heard)

    def also_unheard(self, heard: Collection[str]) -> list[str]:
        """Return what is not heard and could be done without, each with what does not work then."""
        return [
            f"{one.name}: {one.permission.without}"
            for one in self.events.needed
            if one.permission is not None and not one.is_vital and one.name not in heard
        ]

    @property
    def in_force(self) -> list[int]:
        """The installations that are not suspended."""
        return [one.id for one in self.installations if one.suspended_at is None]

    @property
    def named(self) -> list[str]:
        """The repositories that the allow-list names one by one."""
        return [one for one in self.integration.repositories or () if not one.endswith("/*")]

    def allows(self, full_name: str) -> bool:
        return self.integration.scope.lists(full_name) or full_name.lower() in self.held

    def client(self, installation_id: int | None = None) -> Client:
        """Return the client of an installation; None stands for the token, or the App itself."""
        if installation_id not in self.clients:
            is_app = self.credential == "app" and installation_id is None
            self.clients[installation_id] = (
                self.github.app(self.integration.credentials)
                if is_app
                else self.github.client(self.integration.credentials, installation_id)
            )
        return self.clients[installation_id]

    def any_client(self) -> Client:
        """Return a client for what is about no repository: an App's is that of an installation."""
        default, in_force = self.integration.installation_id, self.in_force
        return self.client(default if default in in_force else next(iter(in_force), None))

    async def ask(
        self, shape: type[T], path: str, *, client: Client | None = None, **variables: str
    ) -> T:
        """Return GitHub's answer to a GET; raises CallFailed, or Silent if there is none."""
        client = client or self.client()
        for one in self.clients.values():
            one.headers = {}
        try:
            answer = await client.getitem(path, variables)
        except Temporary as error:
            # A token of an installation is minted by another client, which may have had an
            # answer: then it is the next call that shows whether GitHub is silent.
            if not any(one.headers for one in self.clients.values()):
                raise Silent(str(error)) from None
            raise
        finally:
            date = date_of(client.headers)
            if self.drift is None and date is not None:
                self.drift = date - times.now() / times.SECOND
        try:
            return msgspec.convert(answer, shape)
        except msgspec.ValidationError:
            raise Temporary("GitHub's answer is not what it should be") from None
