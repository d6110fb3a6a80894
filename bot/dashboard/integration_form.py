"""The forms of an integration: creating and changing one, and rotating its webhook secret."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from bot import commands, times
from bot import storage as store
from bot.api.integrations import IntegrationChange, IntegrationCreate, shown
from bot.commands.registry import LEVELS
from bot.dashboard import seen, typed_secrets
from bot.dashboard.forms import Refusal, plain_text
from bot.dashboard.integrations import LABELS, NOISE, ONE, health_of, id_of, refused
from bot.dashboard.page import Pages, Visit
from bot.domain.errors import Changed, Failed, FieldError, Invalid
from bot.domain.integrations import DEFAULT_GRACE, version
from bot.github.events import CLASSIC, FINE_GRAINED
from bot.github.reach import is_local
from bot.handlers import dispatcher
from bot.operations import integrations
from bot.web.validation import fit

pages = Pages()
_GRACE_FIELD = "secret_grace_seconds"
# How long the old secret goes on verifying, in seconds as the API takes them
_GRACES = (
    (3_600, "For an hour"),
    (DEFAULT_GRACE, "For a day"),
    (7 * 86_400, "For a week"),
    (30 * 86_400, "For 30 days"),
)
_AUTHS = ("token", "app")
_SECRETS = ("config.token", "config.private_key", "config.webhook_secret")


@pages.get("/integrations/new", role="admin")
async def form(visit: Visit) -> web.StreamResponse:
    """Offer the form of a new integration."""
    usual = {"config.label": "experiment", "config.backfill_days": "30"}
    values = {"generate": "yes", "is_active": "yes", **usual}
    return _form(visit, None, _auth(visit.query, "token"), values)


@pages.post("/integrations/new", role="admin")
async def create(visit: Visit) -> web.StreamResponse:
    """Create an integration; a webhook secret that is made here is shown in the answer only."""
    # Who gives one of their own wants it, box or no box.
    is_made_here = visit.form.get("generate") and not visit.form.get("config.webhook_secret")
    generated = secrets.token_urlsafe(32) if is_made_here else None
    typed_secrets.take(visit, _SECRETS)
    auth = _auth(visit.form, "token")
    try:
        needed = [*_credential_fields(auth), *(["config.webhook_secret"] if not generated else [])]
        body = _body(visit, auth, _missing(visit.form, needed))
        body["integration_type"] = "GITHUB"
        body["config"]["webhook_secret"] = generated or visit.form["config.webhook_secret"]
        values = msgspec.to_builtins(fit(body, IntegrationCreate))
        known = await integrations.create(visit.services, visit.actor, values)
    except Invalid as error:
        return _form(visit, None, auth, visit.form, refused(error))
    created = shown(visit.services, known)
    if generated is None:
        said = "The integration was created, with the webhook secret that you entered."
        return visit.to(f"/integrations/{created.id}", said)
    health = (await health_of(visit, [created.id]))[created.id]
    return visit.render(
        "integration_created.html",
        status=201,
        integration=created,
        health=health,
        secret=generated,
        events=visit.services.shared(dispatcher).events.needed,
    )


@pages.get(f"{ONE}/edit", role="admin")
async def edit(visit: Visit, typed: Mapping[str, str] | None = None) -> web.StreamResponse:
    """Offer the form of an integration; secrets are not in it.

    `typed` is what a form had that showed what somebody else has changed since.
    """
    row = await _row(visit)
    values = current = _as_form(visit, row)
    problem = None
    if typed is not None:
        values, errors = seen.merged(plain_text(typed), current)
        problem = seen.changed_meanwhile("this integration", errors)
    auth = _auth(visit.query if typed is None else typed, row.config.auth)
    return _form(visit, row, auth, values, problem, seen.Seen.of(version(row), current))


@pages.post(f"{ONE}/edit", role="admin")
async def change(visit: Visit) -> web.StreamResponse:
    """Change an integration; a secret that is left empty is kept."""
    typed_secrets.take(visit, _SECRETS)
    row = await _row(visit)
    auth = _auth(visit.form, row.config.auth)
    is_other = auth != row.config.auth
    try:
        needed = _credential_fields(auth) if is_other else ["config.app_id"] * (auth == "app")
        await _change(visit, _body(visit, auth, _missing(visit.form, needed)))
    except Changed:
        return await edit(visit, visit.form)
    except Invalid as error:
        before = seen.Seen(visit.form.get("version", ""), visit.form.get("seen", ""))
        return _form(visit, row, auth, visit.form, refused(error), before)
    return visit.to(f"/integrations/{row.id}", "Saved.")


@pages.get(f"{ONE}/rotate", role="admin")
async def rotation(
    visit: Visit,
    *,
    failed: Failed | None = None,
    secret: str | None = None,
    is_new: bool = False,
) -> web.StreamResponse:
    """Show how far the change of the webhook secret has come: no delivery is lost by it."""
    row = await _row(visit)
    problem = None
    if failed is not None:
        is_changed = isinstance(failed, Changed)
        problem = seen.changed_meanwhile("this integration") if is_changed else refused(failed)
    return visit.render(
        "rotate.html",
        problem=problem,
        integration=row,
        seen=seen.Seen.of(version(row), {}),
        labels=LABELS,
        is_rotating=(row.previous_secret_until or 0) > times.now(),
        secret=secret,
        is_new=is_new,
        how="own" if problem else "generate",
        graces=[(str(seconds), words) for seconds, words in _GRACES],
        grace=visit.form.get(_GRACE_FIELD, str(DEFAULT_GRACE)),
    )


@pages.post(f"{ONE}/rotate", role="admin")
async def rotate(visit: Visit) -> web.StreamResponse:
    """Store a new webhook secret; the old one verifies for as long as was chosen, else a day."""
    own = visit.form.get("config.webhook_secret", "")  # who gives one wants it
    is_made_here = visit.form.get("how") != "own" and not own
    generated = secrets.token_urlsafe(32) if is_made_here else None
    secret = generated or own
    grace = visit.form.get(_GRACE_FIELD, str(DEFAULT_GRACE))
    try:
        if grace not in [str(seconds) for seconds, _ in _GRACES]:
            raise Invalid.field(_GRACE_FIELD, "choice")
        body = {"config": {"webhook_secret": secret}, _GRACE_FIELD: int(grace)}
        if not secret:
            raise Invalid.field("config.webhook_secret", "missing")
        before = await _row(visit)
        after = await _change(visit, body)
    except (Changed, Invalid) as error:
        return await rotation(visit, failed=error)
    if before.previous_secret_until == after.previous_secret_until:
        same = Invalid.field("config.webhook_secret", "same_secret")
        return await rotation(visit, failed=same)
    return await rotation(visit, secret=generated, is_new=True)


@pages.post(f"{ONE}/rotate/finish", role="admin")
async def finish(visit: Visit) -> web.StreamResponse:
    """Let no secret but the newest verify."""
    try:
        await _change(visit, {_GRACE_FIELD: 0})
    except Changed as error:
        return await rotation(visit, failed=error)
    return visit.to(
        f"/integrations/{id_of(visit)}",
        "Done. Only the new webhook secret is accepted from now on.",
    )


# --- What it shows, and what it says


async def _row(visit: Visit) -> store.Integration:
    return (await integrations.get(visit.services, id_of(visit))).row


async def _change(visit: Visit, body: Mapping[str, Any]) -> store.Integration:
    """Change the integration, if it is still as the page has shown it."""
    changed = await integrations.change(
        visit.services,
        visit.actor,
        id_of(visit),
        msgspec.to_builtins(fit(body, IntegrationChange)),
        seen.as_shown(visit.form, version),
    )
    return changed.row


def _as_form(visit: Visit, row: store.Integration) -> dict[str, str]:
    """Return an integration as its form has it; secrets are not in it."""
    config = row.config
    return {
        "name": row.name,
        "description": row.description or "",
        "is_active": "yes" if row.is_active else "",
        "config.api_url": config.api_url,
        "config.repositories": "\n".join(config.repositories or ()),
        "config.comments": config.comments,
        "config.check": config.check,
        "config.code": config.code,
        "config.cleanup": config.cleanup,
        "config.label": config.label or "",
        "config.backfill_days": str(config.backfill_days),
        **{
            f"config.commands.{one.name}": config.commands.get(one.name, "")
            for one in visit.services.shared(commands.registered)
        },
        **{
            f"config.{name}": str(number)
            for name in ("app_id", "installation_id")
            if (number := getattr(config, name)) is not None
        },
    }


def _auth(values: Mapping[str, str], usual: str) -> str:
    asked = values.get("auth")
    return asked if asked in _AUTHS else usual


def _credential_fields(auth: str) -> list[str]:
    return ["config.token"] if auth == "token" else ["config.app_id", "config.private_key"]


def _missing(values: Mapping[str, str], names: Sequence[str]) -> list[FieldError]:
    return [FieldError(name, "missing") for name in ("name", *names) if not values.get(name)]


def _body(visit: Visit, auth: str, errors: list[FieldError]) -> dict[str, Any]:
    """Return what a form says as the API takes it; raises Invalid if there are `errors`."""
    values = visit.form
    config: dict[str, Any] = {
        "repositories": [
            name
            for line in values.get("config.repositories", "").split("\n")
            if (name := line.strip())
        ]
        or None,
        "comments": values.get("config.comments", "on"),
        "check": values.get("config.check", "on"),
        "code": values.get("config.code", "on"),
        "cleanup": values.get("config.cleanup", "off"),
        "label": values.get("config.label") or None,
        "commands": {
            one.name: level
            for one in visit.services.shared(commands.registered)
            if (level := values.get(f"config.commands.{one.name}"))
        }
        or None,
    }
    for name in ("api_url", "token" if auth == "token" else "private_key"):
        if given := values.get(f"config.{name}"):
            config[name] = given
    if auth == "app":
        for name in ("app_id", "installation_id"):
            number = values.get(f"config.{name}", "")
            is_number = re.fullmatch(r"[1-9][0-9]{0,14}", number) is not None
            if number and not is_number:
                errors = [*errors, FieldError(f"config.{name}", "no_number")]
            config[name] = int(number) if is_number else None
    if days := values.get("config.backfill_days"):
        is_number = re.fullmatch(r"[0-9]{1,6}", days) is not None
        if not is_number:
            errors = [*errors, FieldError("config.backfill_days", "type", "a number of days")]
        config["backfill_days"] = int(days) if is_number else None
    if errors:
        raise Invalid(errors)
    return {
        "name": values["name"],
        "description": values.get("description") or None,
        "is_active": bool(values.get("is_active")),
        "config": config,
    }


def _form(
    visit: Visit,
    row: store.Integration | None,
    auth: str,
    values: Mapping[str, str],
    problem: Refusal | None = None,
    as_shown: seen.Seen | None = None,
) -> web.Response:
    api_urls = list(visit.services.settings.github_api_urls)
    stored = row.config.api_url if row else api_urls[0]
    if stored not in api_urls:
        api_urls.append(stored)
    public_url = visit.services.settings.public_url
    kept = typed_secrets.sound(visit, _SECRETS, problem) if problem else {}
    return visit.render(
        "integration_form.html",
        problem=problem,
        integration=row,
        seen=as_shown,
        auth=auth,
        is_other=row is not None and auth != row.config.auth,
        labels=LABELS,
        # What was typed is kept; a secret is not shown, but comes back sealed.
        values={
            **{name: text for name, text in values.items() if name not in _SECRETS},
            **({"generate": ""} if "config.webhook_secret" in kept else {}),
        },
        kept=list(kept),
        sealed=typed_secrets.seal(visit, kept) if kept else None,
        api_urls=[(one, one) for one in api_urls],
        noise=NOISE,
        of_token=FINE_GRAINED,
        of_classic=CLASSIC,
        commands=list(visit.services.shared(commands.registered)),
        levels=[(one, one) for one in LEVELS[1:]],
        is_overriding=any(name.startswith("config.commands.") and values[name] for name in values),
        is_local=is_local(public_url),
        public_url=public_url,
    )
