"""Integrations: create, list, read, change, delete."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bot import storage as store
from bot import times
from bot.api.integration_config import Config, ConfigChange, ConfigCreate
from bot.api.models import Id, LongText, Name, Time, shaped
from bot.domain import grants, signatures
from bot.domain.audit import MASK
from bot.emails import without_emails
from bot.github import NotListed
from bot.github.reach import webhook_url
from bot.handlers import dispatcher
from bot.operations import integrations
from bot.services import Services
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Integrations")
PATH = "/api/v1/integrations"


GraceSeconds = Annotated[
    int,
    Meta(
        ge=0,
        le=2_592_000,
        description="How long a replaced webhook secret goes on verifying; 86400 unless given, 0 "
        "cuts it off at once.",
    ),
]


class IntegrationCreate(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A new integration."""

    name: Name
    integration_type: Literal["GITHUB"]
    config: ConfigCreate
    description: LongText | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class IntegrationChange(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to change of an integration; the rest is kept."""

    name: Name | UnsetType = UNSET
    integration_type: Literal["GITHUB"] | UnsetType = UNSET
    config: ConfigChange | UnsetType = UNSET
    description: LongText | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET
    secret_grace_seconds: GraceSeconds | UnsetType = UNSET


class Lack(Struct):
    """A permission that an account has not granted, and what does not work until it has."""

    permission: Annotated[str, Meta(description="Such as `merge_queues: read`.")]
    without: str


class Installation(Struct):
    """An installation of the App that deliveries told of, or that is the default."""

    installation_id: int
    account: Annotated[
        str | None,
        Meta(
            description="Of one that no `installation` event has told of, the owner of a "
            "repository whose deliveries came through it."
        ),
    ]
    repository_selection: Annotated[
        str | None, Meta(description="null until an `installation` event tells.")
    ]
    repositories: Annotated[int, Meta(description="How many of them deliveries have told of.")]
    suspended_at: Time | None
    html_url: Annotated[
        str | None, Meta(description="GitHub's page of it, where its owner accepts permissions.")
    ]
    permissions: Annotated[
        dict[str, str] | None,
        Meta(
            description="What its owner has granted, by name; null until an `installation` event "
            "or a check tells."
        ),
    ]
    lacks: Annotated[
        list[Lack], Meta(description="What is needed by the settings and not granted.")
    ]
    unheard: Annotated[list[str], Meta(description="Events that are needed and not sent.")]


class Refused(Struct):
    """Deliveries that were refused for their signature since the last good one; none is stored."""

    count: int
    last_at: Time | None
    last_reason: Annotated[
        str | None, Meta(description="What was wrong with the last one, and what to do about it.")
    ]


class Integration(Struct):
    """An integration."""

    id: Id
    name: str
    integration_type: Literal["GITHUB"]
    description: str | None
    is_active: bool
    created_at: Time
    updated_at: Time
    webhook_url: Annotated[str, Meta(description="The payload URL for GitHub's webhook settings.")]
    config: Config
    previous_secret_until: Annotated[
        Time | None, Meta(description="Until when an earlier webhook secret is accepted.")
    ]
    last_delivery_at: Time | None
    last_error: Annotated[
        str | None,
        Meta(description="The newest error of which what it is about has not been done since."),
    ]
    refused: Refused
    installations: list[Installation]


@operations.add(
    "POST",
    PATH,
    role="admin",
    summary="Create an integration",
    body=IntegrationCreate,
    answers={201: Integration},
)
async def create(call: Call) -> Any:
    """Secrets are stored encrypted and never shown again. Put `webhook_url` into GitHub."""
    return 201, shown(
        call.services, await integrations.create(call.services, call.actor, call.values)
    )


@operations.add(
    "GET",
    PATH,
    role="developer",
    summary="List integrations",
    query=Paged,
    answers={200: Page[Integration]},
)
async def list_all(call: Call) -> Any:
    """The newest first."""
    await integrations.up_to_date(call.services)
    return await call.page(1, integrations.listed, lambda one: shown(call.services, one))


@operations.add(
    "GET",
    f"{PATH}/{{integration_id}}",
    role="developer",
    summary="Get an integration",
    answers={200: Integration},
)
async def get(call: Call) -> Any:
    """Secrets are masked."""
    return shown(call.services, await integrations.get(call.services, call.id("integration_id")))


async def change(call: Call) -> Any:
    """Changes what is sent and keeps the rest.

    A replaced webhook secret goes on verifying for `secret_grace_seconds`, a day unless given.
    """
    changed = await integrations.change(
        call.services, call.actor, call.id("integration_id"), call.values
    )
    return shown(call.services, changed)


for _method in ("PUT", "PATCH"):
    operations.add(
        _method,
        f"{PATH}/{{integration_id}}",
        role="admin",
        summary="Change an integration",
        body=IntegrationChange,
        answers={200: Integration},
    )(change)


@operations.add(
    "DELETE",
    f"{PATH}/{{integration_id}}",
    role="admin",
    summary="Delete an integration",
    answers={204: None},
)
async def delete(call: Call) -> Any:
    """Its secrets and deliveries go; pull requests, commits, issues, links and feed stay."""
    await integrations.delete(call.services, call.actor, call.id("integration_id"))
    return 204, None


def shown(services: Services, known: integrations.Known) -> Integration:
    """Return an integration as the API shows it, with its secrets masked."""
    row, config = known.row, known.row.config
    until = row.previous_secret_until
    last_error = without_emails(row.last_error) if row.last_error else None
    if config.api_url not in services.settings.github_api_urls:
        last_error = str(NotListed(config.api_url))
    return shaped(
        Integration,
        row,
        webhook_url=webhook_url(services.settings.public_url, row.id),
        config=shaped(
            Config,
            config,
            webhook_secret=MASK,
            token=MASK if config.auth == "token" else UNSET,
            private_key=MASK if config.auth == "app" else UNSET,
            app_id=UNSET if config.app_id is None else config.app_id,
            installation_id=UNSET if config.installation_id is None else config.installation_id,
        ),
        previous_secret_until=times.render(until if until and until > times.now() else None),
        last_delivery_at=times.render(known.last_delivery_at),
        last_error=last_error,
        refused=Refused(
            count=row.refused_count,
            last_at=times.render(row.refused_at),
            last_reason=signatures.last_reason(row),
        ),
        installations=[_installation(services, row, one) for one in known.installations],
    )


def _installation(
    services: Services, row: store.Integration, one: integrations.Installed
) -> Installation:
    events = services.shared(dispatcher).events
    given = one.permissions
    lacks = grants.lacking(events, row.config, given) if given is not None else []
    return shaped(
        Installation,
        one,
        lacks=[Lack(str(lack), lack.without) for lack in lacks],
        unheard=grants.unheard(events, one.events) if one.events is not None else [],
    )
