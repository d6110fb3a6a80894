"""The change of a webhook secret, step by step and without a lost delivery."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from bot import times
from bot.api.integrations import IntegrationChange, shown
from bot.dashboard import seen
from bot.dashboard.integrations import LABELS, ONE, health_of, id_of, refused
from bot.dashboard.page import Pages, Visit
from bot.domain.errors import Changed, Failed, Invalid, NotFound
from bot.domain.integrations import version
from bot.operations import integrations
from bot.web.validation import fit

pages = Pages()
LONGEST_GRACE = 30 * 86_400  # seconds; the most that the API takes


@pages.get(f"{ONE}/rotate", role="admin")
async def rotation(visit: Visit) -> web.StreamResponse:
    """Show how far the change of the webhook secret has come."""
    return await _rotation(visit)


@pages.post(f"{ONE}/rotate", role="admin")
async def rotate(visit: Visit) -> web.StreamResponse:
    """Store a new webhook secret; the old one verifies as long as the API lets it."""
    own = visit.form.get("config.webhook_secret", "")  # who gives one wants it
    is_made_here = visit.form.get("how") != "own" and not own
    generated = secrets.token_urlsafe(32) if is_made_here else None
    secret = generated or own
    body = {"config": {"webhook_secret": secret}, "secret_grace_seconds": LONGEST_GRACE}
    try:
        if not secret:
            raise Invalid.field("config.webhook_secret", "missing")
        before = await integrations.get(visit.services, id_of(visit))
        after = await _change(visit, body)
    except (Changed, Invalid) as error:
        return await _rotation(visit, failed=error)
    if before.row.previous_secret_until == after.row.previous_secret_until:
        same = Invalid.field("config.webhook_secret", "same_secret")
        return await _rotation(visit, failed=same)
    return await _rotation(visit, secret=generated, is_new=True)


@pages.post(f"{ONE}/rotate/finish", role="admin")
async def finish(visit: Visit) -> web.StreamResponse:
    """Let no secret but the newest verify."""
    try:
        await _change(visit, {"secret_grace_seconds": 0})
    except Changed as error:
        return await _rotation(visit, failed=error)
    return visit.to(
        f"/integrations/{id_of(visit)}",
        "Done. Only the new webhook secret is accepted from now on.",
    )


async def _change(visit: Visit, body: Mapping[str, Any]) -> integrations.Known:
    """Change the integration, if it is still as the page has shown it."""
    return await integrations.change(
        visit.services,
        visit.actor,
        id_of(visit),
        msgspec.to_builtins(fit(body, IntegrationChange)),
        seen.as_shown(visit.form, version),
    )


async def _rotation(
    visit: Visit,
    *,
    failed: Failed | None = None,
    secret: str | None = None,
    is_new: bool = False,
) -> web.Response:
    known = await integrations.get(visit.services, id_of(visit))
    integration = shown(visit.services, known)
    health = (await health_of(visit, [integration.id])).get(integration.id)
    if health is None:
        raise NotFound("integration")
    problem = None
    if failed is not None:
        is_changed = isinstance(failed, Changed)
        problem = seen.changed_meanwhile("this integration") if is_changed else refused(failed)
    return visit.render(
        "rotate.html",
        problem=problem,
        integration=integration,
        seen=seen.Seen.of(version(known.row), {}),
        health=health,
        labels=LABELS,
        is_rotating=integration.previous_secret_until is not None,
        secret=secret,
        is_new=is_new,
        how="own" if problem else "generate",
        now=times.now(),
    )
