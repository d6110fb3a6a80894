"""Integrations: how they do, and checking and deleting them."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from bot import storage as store
from bot import times
from bot.api import backfills, checks
from bot.api import recovery as recovery_api
from bot.api.integrations import shown
from bot.dashboard import concealing, seen
from bot.dashboard.forms import Refusal, refusal
from bot.dashboard.page import Pages, Visit, address
from bot.domain.errors import Changed, Conflict, Failed, NotFound
from bot.domain.integrations import version
from bot.github.reach import is_local
from bot.handlers import dispatcher
from bot.operations import integrations, recovery
from bot.operations.backfills import progress
from bot.web.problems import Problem, problem_of

pages = Pages()
FAILED_DAYS = 7
_COUNTED = 100  # failed deliveries of each status, at most
_ON_PAGE = 25
ONE = "/integrations/{integration_id}"
LABELS = {
    "name": "Name",
    "description": "Description",
    "config.token": "Token",
    "config.app_id": "App ID",
    "config.private_key": "Private key",
    "config.installation_id": "Installation ID",
    "config.api_url": "GitHub",
    "config.webhook_secret": "Webhook secret",
    "secret_grace_seconds": "Old secret",
    "config.repositories": "Repositories",
    "config.comments": "Status comment",
    "config.check": "Check",
    "config.code": "Code",
    "config.cleanup": "Clean-up",
    "config.label": "Label",
    "config.backfill_days": "Days to read of a new repository",
    "config.commands": "Who may use which command",
}
NOISE = {
    "config.comments": (
        ("on", "One comment, kept up to date"),
        ("once", "One comment, never updated"),
        ("off", "No comment"),
    ),
    "config.check": (
        ("on", "On pull requests that name an experiment"),
        ("always", "On every pull request, so that it can be required"),
        ("required", "On every pull request; it fails without an experiment"),
        ("off", "No check"),
    ),
    "config.code": (
        ("on", "Diffs and the default branch are read for keys"),
        ("off", "No code is read"),
    ),
    "config.cleanup": (
        ("off", "Only when somebody asks for it"),
        ("on", "An issue for each experiment that is over and still in the code"),
    ),
}


@dataclass(frozen=True, slots=True)
class Health:
    """How an integration does."""

    failures: list[tuple[str, int, bool]]  # status, how many lately, whether there are more
    owed: dict[str, int]  # actions by status
    left: list[tuple[str, str, int]]  # who calls, resource, calls left; empty if not known here
    app: str | None  # the page of an App that was registered from here

    @property
    def waiting(self) -> int:
        return self.owed.get("pending", 0) + self.owed.get("running", 0)


@pages.get("/integrations", role="developer")
async def listing(visit: Visit) -> web.StreamResponse:
    """All of them with their health, the newest first."""
    before = visit.position(1, "/integrations")
    await integrations.up_to_date(visit.services)
    found = await visit.services.database.read(lambda tx: integrations.listed(tx, before, _ON_PAGE))
    page = visit.page(found, "/integrations", lambda one: shown(visit.services, one))
    health = await health_of(visit, [one.id for one in page.items])
    return visit.render(
        "integrations.html",
        hide=concealing.text,
        integrations=[(one, health[one.id]) for one in page.items if one.id in health],
        failed_days=FAILED_DAYS,
        is_first=before is None,
        more=address("/integrations", cursor=page.next_cursor) if page.next_cursor else None,
    )


@pages.get(ONE, role="developer")
async def detail(
    visit: Visit, checked: checks.IntegrationCheck | None = None
) -> web.StreamResponse:
    """One integration: its health, what GitHub has to be told, its settings."""
    known = await integrations.get(visit.services, id_of(visit))
    integration = shown(visit.services, known)
    health = (await health_of(visit, [integration.id])).get(integration.id)
    recovered = recovery_api.shown(await recovery.state(visit.services, integration.id))
    if health is None:
        raise NotFound("integration")
    read = await visit.read(lambda tx: progress(tx, integration.id))
    public_url = visit.services.settings.public_url
    return visit.render(
        "integration.html",
        integration=integration,
        seen=seen.Seen.of(version(known.row), {}),
        health=health,
        recovery=recovered,
        failed_days=FAILED_DAYS,
        checked=checked,
        backfill=backfills.shown(read),
        hide=concealing.text,
        events=visit.services.shared(dispatcher).events.needed,
        noise={name: dict(options) for name, options in NOISE.items()},
        is_local=is_local(public_url),
        public_url=public_url,
    )


@pages.get(f"{ONE}/check", role="developer")
async def checked(visit: Visit) -> web.StreamResponse:
    """Lead somebody who loads the answer of a check again to the integration."""
    return visit.to(f"/integrations/{id_of(visit)}")


@pages.post(f"{ONE}/check", role="developer")
async def check(visit: Visit) -> web.StreamResponse:
    """Run the doctor; the answer has what it found."""
    return await detail(visit, checked=await checks.check(visit.services, id_of(visit)))


@pages.post(f"{ONE}/recover", role="developer")
async def recover(visit: Visit) -> web.StreamResponse:
    """Have what GitHub could not deliver read and taken in now."""
    here = f"/integrations/{id_of(visit)}"
    try:
        await recovery.order(visit.services, visit.actor, id_of(visit))
    except Conflict as error:
        return visit.to(here, problem_of(error).body.detail, kind="error")
    return visit.to(here, "GitHub is asked what it could not deliver. The result appears here.")


@pages.post(f"{ONE}/delete", role="admin")
async def delete(visit: Visit) -> web.StreamResponse:
    """Delete an integration, if it is still as the page has shown it."""
    try:
        await integrations.delete(
            visit.services, visit.actor, id_of(visit), seen.as_shown(visit.form, version)
        )
    except Changed:
        raise Problem(
            412,
            "changed meanwhile",
            "Somebody changed this integration after you opened its page, so it was not "
            "deleted. Open the page again to see the changes.",
        ) from None
    return visit.to("/integrations", "The integration was deleted. Remove its webhook in GitHub.")


def id_of(visit: Visit) -> str:
    """Return the id of the integration that a page is of."""
    return visit.path("integration_id").lower()


def refused(error: Failed) -> Refusal:
    """Return why a form of an integration was refused."""
    return refusal(error, error="not stored", detail="Correct these fields:")


async def health_of(visit: Visit, ids: Sequence[str]) -> dict[str, Health]:
    """Return how integrations do, by id; those that have gone are left out."""
    since = times.now() - FAILED_DAYS * 86_400 * times.SECOND
    metrics = visit.services.metrics

    def health(tx: store.Transaction, row: store.Integration) -> Health:
        failures = store.deliveries.failures(tx, row.seq, since, _COUNTED)
        return Health(
            failures=[
                (status, number, number == _COUNTED)
                for status, number in failures.items()
                if number
            ],
            owed=store.actions.owed_by(tx, row.id),
            left=sorted((*who, left) for who, left in metrics.calls_left(row.id).items()),
            app=row.config.html_url,
        )

    def job(tx: store.Transaction) -> dict[str, Health]:
        rows = [store.integrations.find(tx, one) for one in ids]
        return {row.id: health(tx, row) for row in rows if row}

    return await visit.read(job)
