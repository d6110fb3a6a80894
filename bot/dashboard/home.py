"""`/` and `/start`: where somebody begins who has just come.

What is to be set up is shown step by step; each is done when the bot sees that it is.
"""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot import storage as store
from bot.dashboard.page import Pages, Visit, redirect
from bot.domain import signatures
from bot.github.names import web_origin
from bot.github.reach import is_local, webhook_url
from bot.handlers import dispatcher
from bot.operations import integrations

pages = Pages()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the set-up has come."""

    integration: store.Integration | None  # the one whose webhook is to be looked after: the newest
    delivery_at: int | None  # when GitHub was last heard of through any of them
    experiment: store.Experiment | None  # the newest
    pull_request: bool
    unresolved: bool


@pages.get("/")
async def home(visit: Visit) -> web.StreamResponse:
    """Lead to the experiments, or to what has to be done before there are any."""
    ready = await visit.read(
        lambda tx: store.deliveries.any_received(tx) and store.experiments.any_at_all(tx)
    )
    return redirect(visit.services, "/experiments" if ready else "/start")


@pages.get("/start")
async def start(visit: Visit) -> web.StreamResponse:
    """Show every step; the first that is not done is the present one."""
    await integrations.up_to_date(visit.services)
    standing = await visit.read(_standing)
    done = {
        "sign-in": True,
        "integration": standing.integration is not None,
        "webhook": standing.delivery_at is not None,
        "experiment": standing.experiment is not None,
        "pull-request": standing.pull_request,
    }
    settings = visit.services.settings
    return visit.render(
        "start.html",
        done=done,
        present=next((name for name, is_done in done.items() if not is_done), None),
        standing=standing,
        hook=_hook(settings.public_url, standing.integration) if standing.integration else None,
        events=visit.services.shared(dispatcher).events.needed,
        public_url=settings.public_url,
        is_local=is_local(settings.public_url),
    )


def _standing(tx: store.Transaction) -> Standing:
    return Standing(
        integration=next(iter(store.integrations.listed(tx, None, 1)), None),
        delivery_at=store.deliveries.last_received_at_all(tx),
        experiment=store.experiments.newest(tx),
        pull_request=store.links.any_pull_request(tx),
        unresolved=store.links.any_unresolved(tx),
    )


def _hook(public_url: str, row: store.Integration) -> dict[str, Any]:
    """Return what of an integration has to be put into GitHub, and where."""
    config = row.config
    origin = web_origin(config.api_url)
    named = [one for one in config.repositories or () if not one.endswith("/*")]
    return {
        "id": row.id,
        "name": row.name,
        "url": webhook_url(public_url, row.id),
        "refused": signatures.last_reason(row),
        "refused_count": row.refused_count,
        "is_app": config.auth != "token",
        "app": config.html_url,
        "pages": [(one, f"{origin}/{one}/settings/hooks/new") for one in named[:5]],
    }
