"""`/start`: what is to be set up, step by step; each is done when the bot sees that it is."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot import storage as store
from bot.dashboard.page import Pages, Visit
from bot.github.names import web_origin
from bot.github.reach import is_local, webhook_url
from bot.handlers import dispatcher

pages = Pages()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the set-up has come."""

    integration: store.Integration | None  # the one whose webhook is to be looked after: the newest
    delivery_at: int | None  # when GitHub was last heard of through any of them
    experiment: store.Experiment | None  # the newest
    pull_request: bool
    unresolved: bool

    @property
    def done(self) -> dict[str, bool]:
        """Return the steps in their order, with which of them are done."""
        return {
            "sign-in": True,
            "integration": self.integration is not None,
            "webhook": self.delivery_at is not None,
            "experiment": self.experiment is not None,
            "pull-request": self.pull_request,
        }


@pages.get("/start")
async def start(visit: Visit) -> web.StreamResponse:
    """Show every step; the first that is not done is the present one."""
    standing = await visit.read(_standing)
    done = standing.done
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
    newest = store.integrations.listed(tx, None, 1).rows
    found = store.experiments.listed(tx, None, None, None, 1).rows
    return Standing(
        integration=newest[0] if newest else None,
        delivery_at=store.deliveries.last_received_at_all(tx),
        experiment=found[0] if found else None,
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
        "is_app": config.auth != "token",
        "app": config.html_url,
        "pages": [(one, f"{origin}/{one}/settings/hooks/new") for one in named[:5]],
    }
