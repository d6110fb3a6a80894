"""Integrations: how they do, and creating, changing, checking and deleting them."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from bot import commands, times
from bot import storage as store
from bot.api import checks, models
from bot.api import integrations as api
from bot.commands.registry import LEVELS
from bot.dashboard import concealing, seen, typed_secrets
from bot.dashboard.page import Pages, Visit, address
from bot.domain.integrations import version
from bot.github.reach import is_local
from bot.handlers import dispatcher
from bot.web.problems import FieldError, Problem, ProblemDetails, invalid, not_found

pages = Pages()
FAILED_DAYS = 7
LONGEST_GRACE = 30 * 86_400  # seconds; the most that the API takes
_COUNTED = 100  # failed deliveries of each status, at most
_ON_PAGE = 25
_ONE = "/integrations/{integration_id}"
_AUTHS = ("token", "app")
_SECRETS = ("config.token", "config.private_key", "config.webhook_secret")
_LABELS = {
    "name": "Name",
    "description": "Description",
    "config.token": "Token",
    "config.app_id": "App ID",
    "config.private_key": "Private key",
    "config.installation_id": "Installation ID",
    "config.api_url": "GitHub",
    "config.webhook_secret": "Webhook secret",
    "config.repositories": "Repositories",
    "config.comments": "Status comment",
    "config.check": "Check",
    "config.label": "Label",
    "config.commands": "Who may use which command",
}
_NOISE = {
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
}


@dataclass(frozen=True, slots=True)
class Health:
    """How an integration does."""

    failures: list[tuple[str, int, bool]]  # status, how many lately, whether there are more
    owed: dict[str, int]  # actions by status
    left: list[tuple[str, str, int]]  # who calls, resource, calls left; empty if not known here
    app: str | None  # the page of an App that was registered from here
    secret_used_at: int | None
    previous_secret_used_at: int | None

    @property
    def waiting(self) -> int:
        return self.owed.get("pending", 0) + self.owed.get("running", 0)


@pages.get("/integrations", role="developer")
async def listing(visit: Visit) -> web.StreamResponse:
    """All of them with their health, the newest first."""
    query: dict[str, Any] = {"limit": _ON_PAGE}
    if cursor := visit.request.query.get("cursor"):
        query["cursor"] = cursor
    page = await visit.call(api.list_all, query=query, shape=models.Paged)
    health = await _health(visit, [one.id for one in page.items])
    return visit.render(
        "integrations.html",
        hide=concealing.text,
        integrations=[(one, health[one.id]) for one in page.items if one.id in health],
        failed_days=FAILED_DAYS,
        is_first=cursor is None,
        more=address("/integrations", cursor=page.next_cursor) if page.next_cursor else None,
    )


@pages.get("/integrations/new", role="admin")
async def form(visit: Visit) -> web.StreamResponse:
    """Offer the form of a new integration."""
    values = {"generate": "yes", "is_active": "yes", "config.label": "experiment"}
    return _form(visit, None, _auth(visit.request.query, "token"), values)


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
        created = await visit.call(api.create, body=body, body_shape=models.IntegrationCreate)
    except Problem as problem:
        return _form(visit, None, auth, visit.form, problem)
    if generated is None:
        said = "The integration was created, with the webhook secret that you entered."
        return visit.to(f"/integrations/{created.id}", said)
    health = (await _health(visit, [created.id]))[created.id]
    return visit.render(
        "integration_created.html",
        status=201,
        integration=created,
        health=health,
        secret=generated,
        events=visit.services.shared(dispatcher).events.needed,
    )


@pages.get(_ONE, role="developer")
async def detail(visit: Visit) -> web.StreamResponse:
    """One integration: its health, what GitHub has to be told, its settings."""
    return await _detail(visit)


@pages.get(f"{_ONE}/check", role="developer")
async def checked(visit: Visit) -> web.StreamResponse:
    """Lead somebody who loads the answer of a check again to the integration."""
    return visit.to(f"/integrations/{visit.path('integration_id').lower()}")


@pages.post(f"{_ONE}/check", role="developer")
async def check(visit: Visit) -> web.StreamResponse:
    """Run the doctor; the answer has what it found."""
    return await _detail(visit, checked=await visit.call(checks.run))


@pages.get(f"{_ONE}/edit", role="admin")
async def edit(visit: Visit) -> web.StreamResponse:
    """Offer the form of an integration; secrets are not in it."""
    shown = version(await _row(visit))
    integration = await visit.call(api.get)
    auth = _auth(visit.request.query, integration.config.auth)
    values = _as_form(visit, integration)
    return _form(visit, integration, auth, values, shown=seen.Seen.of(shown, values))


@pages.post(f"{_ONE}/edit", role="admin")
async def change(visit: Visit) -> web.StreamResponse:
    """Change an integration; a secret that is left empty is kept."""
    typed_secrets.take(visit, _SECRETS)
    integration = await visit.call(api.get)
    auth = _auth(visit.form, integration.config.auth)
    is_other = auth != integration.config.auth
    try:
        needed = _credential_fields(auth) if is_other else ["config.app_id"] * (auth == "app")
        body = _body(visit, auth, _missing(visit.form, needed))
        await visit.call(
            api.change,
            body=body,
            body_shape=models.IntegrationChange,
            conditions=seen.conditions(visit.form),
        )
    except Problem as problem:
        if problem.status == 412:
            return await _changed_meanwhile(visit, auth)
        shown = seen.Seen(visit.form.get("version", ""), visit.form.get("seen", ""))
        return _form(visit, integration, auth, visit.form, problem, shown=shown)
    return visit.to(f"/integrations/{integration.id}", "Saved.")


@pages.post(f"{_ONE}/delete", role="admin")
async def delete(visit: Visit) -> web.StreamResponse:
    """Delete an integration, if it is still as the page has shown it."""
    try:
        await visit.call(api.delete, conditions=seen.conditions(visit.form))
    except Problem as problem:
        if problem.status != 412:
            raise
        raise Problem(
            412,
            "changed meanwhile",
            "Somebody changed this integration after you opened its page, so it was not "
            "deleted. Open the page again to see the changes.",
        ) from None
    return visit.to("/integrations", "The integration was deleted. Remove its webhook in GitHub.")


@pages.get(f"{_ONE}/rotate", role="admin")
async def rotation(visit: Visit) -> web.StreamResponse:
    """Show how far the change of the webhook secret has come."""
    return await _rotation(visit)


@pages.post(f"{_ONE}/rotate", role="admin")
async def rotate(visit: Visit) -> web.StreamResponse:
    """Store a new webhook secret; the old one verifies as long as the API lets it."""
    own = visit.form.get("config.webhook_secret", "")  # who gives one wants it
    is_made_here = visit.form.get("how") != "own" and not own
    generated = secrets.token_urlsafe(32) if is_made_here else None
    secret = generated or own
    body = {"config": {"webhook_secret": secret}, "secret_grace_seconds": LONGEST_GRACE}
    try:
        if not secret:
            raise invalid([("config.webhook_secret", "is missing")])
        before = await _row(visit)
        await visit.call(
            api.change,
            body=body,
            body_shape=models.IntegrationChange,
            conditions=seen.conditions(visit.form),
        )
        after = await _row(visit)
    except Problem as problem:
        return await _rotation(visit, problem=problem)
    if before.previous_secret_until == after.previous_secret_until:
        same = "is already in use, so nothing has changed"
        return await _rotation(visit, problem=invalid([("config.webhook_secret", same)]))
    return await _rotation(visit, secret=generated, is_new=True)


@pages.post(f"{_ONE}/rotate/finish", role="admin")
async def finish(visit: Visit) -> web.StreamResponse:
    """Let no secret but the newest verify."""
    try:
        await visit.call(
            api.change,
            body={"secret_grace_seconds": 0},
            body_shape=models.IntegrationChange,
            conditions=seen.conditions(visit.form),
        )
    except Problem as problem:
        return await _rotation(visit, problem=problem)
    return visit.to(
        f"/integrations/{visit.path('integration_id').lower()}",
        "Done. Only the new webhook secret is accepted from now on.",
    )


# --- What pages show


async def _detail(visit: Visit, checked: checks.IntegrationCheck | None = None) -> web.Response:
    shown = version(await _row(visit))
    integration = await visit.call(api.get)
    health = (await _health(visit, [integration.id])).get(integration.id)
    if health is None:
        raise not_found("integration")
    public_url = visit.services.settings.public_url
    return visit.render(
        "integration.html",
        integration=integration,
        seen=seen.Seen.of(shown, {}),
        health=health,
        failed_days=FAILED_DAYS,
        checked=checked,
        hide=concealing.text,
        events=visit.services.shared(dispatcher).events.needed,
        noise={name: dict(options) for name, options in _NOISE.items()},
        is_local=is_local(public_url),
        public_url=public_url,
    )


async def _rotation(
    visit: Visit,
    *,
    problem: Problem | None = None,
    secret: str | None = None,
    is_new: bool = False,
) -> web.Response:
    shown = version(await _row(visit))
    integration = await visit.call(api.get)
    health = (await _health(visit, [integration.id])).get(integration.id)
    if health is None:
        raise not_found("integration")
    if problem is not None and problem.status == 412:
        problem = seen.changed_meanwhile("this integration")
    return visit.render(
        "rotate.html",
        status=problem.status if problem else 200,
        problem=_plain(problem) if problem else None,
        integration=integration,
        seen=seen.Seen.of(shown, {}),
        health=health,
        labels=_LABELS,
        is_rotating=integration.previous_secret_until is not None,
        secret=secret,
        is_new=is_new,
        how="own" if problem else "generate",
        now=times.now(),
    )


async def _row(visit: Visit) -> store.Integration:
    integration_id = visit.path("integration_id").lower()
    row = await visit.services.database.read(lambda tx: store.integrations.find(tx, integration_id))
    if row is None:
        raise not_found("integration")
    return row


async def _health(visit: Visit, ids: Sequence[str]) -> dict[str, Health]:
    since = times.now() - FAILED_DAYS * 86_400 * times.SECOND
    metrics = visit.services.metrics

    def job(
        tx: store.Transaction,
    ) -> dict[str, tuple[store.Integration, dict[str, int], dict[str, int]]]:
        found = {}
        for integration_id in ids:
            if row := store.integrations.find(tx, integration_id):
                failures = store.deliveries.failures(tx, row.seq, since, _COUNTED)
                found[integration_id] = (
                    row,
                    failures,
                    store.actions.owed_by(tx, integration_id),
                )
        return found

    found = await visit.services.database.read(job)
    return {
        integration_id: Health(
            failures=[
                (status, number, number == _COUNTED)
                for status, number in failures.items()
                if number
            ],
            owed=owed,
            left=sorted((*who, left) for who, left in metrics.calls_left(integration_id).items()),
            app=row.config.html_url,
            secret_used_at=row.secret_used_at,
            previous_secret_used_at=row.previous_secret_used_at,
        )
        for integration_id, (row, failures, owed) in found.items()
    }


# --- The form


def _as_form(visit: Visit, integration: models.Integration) -> dict[str, str]:
    """Return an integration as its form has it; secrets are not in it."""
    config = integration.config
    values = {
        "name": integration.name,
        "description": integration.description or "",
        "is_active": "yes" if integration.is_active else "",
        "config.api_url": config.api_url,
        "config.repositories": "\n".join(config.repositories or ()),
        "config.comments": config.comments,
        "config.check": config.check,
        "config.label": config.label or "",
        **{
            f"config.commands.{one.name}": config.commands.get(one.name, "")
            for one in visit.services.shared(commands.registered)
        },
    }
    for name in ("app_id", "installation_id"):
        if (number := getattr(config, name)) not in (None, msgspec.UNSET):
            values[f"config.{name}"] = str(number)
    return values


async def _changed_meanwhile(visit: Visit, auth: str) -> web.Response:
    """Return the form of an integration that somebody else has changed since it was opened."""
    shown = version(await _row(visit))
    integration = await visit.call(api.get)
    current = _as_form(visit, integration)
    typed = {name: text.replace("\r\n", "\n") for name, text in visit.form.items()}
    values, errors = seen.merged(typed, current)
    problem = seen.changed_meanwhile("this integration", errors)
    return _form(visit, integration, auth, values, problem, shown=seen.Seen.of(shown, current))


def _auth(values: Mapping[str, str], usual: str) -> str:
    asked = values.get("auth")
    return asked if asked in _AUTHS else usual


def _credential_fields(auth: str) -> list[str]:
    return ["config.token"] if auth == "token" else ["config.app_id", "config.private_key"]


def _missing(values: Mapping[str, str], names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, "is missing") for name in ("name", *names) if not values.get(name)]


def _body(visit: Visit, auth: str, errors: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what a form says as the API takes it; raises the problem that names `errors`."""
    values = visit.form
    config: dict[str, Any] = {
        "repositories": [
            line.strip() for line in values.get("config.repositories", "").split("\n")
        ],
        "comments": values.get("config.comments", "on"),
        "check": values.get("config.check", "on"),
        "label": values.get("config.label") or None,
    }
    config["repositories"] = [line for line in config["repositories"] if line] or None
    config["commands"] = {
        one.name: level
        for one in visit.services.shared(commands.registered)
        if (level := values.get(f"config.commands.{one.name}"))
    } or None
    if api_url := values.get("config.api_url"):
        config["api_url"] = api_url
    if auth == "token":
        config |= {"token": values["config.token"]} if values.get("config.token") else {}
    else:
        if key := values.get("config.private_key"):
            config["private_key"] = _unfolded(key)
        for name in ("app_id", "installation_id"):
            number = values.get(f"config.{name}", "")
            if number and not re.fullmatch(r"[1-9][0-9]{0,14}", number):
                errors = [*errors, (f"config.{name}", "must be a number, as GitHub shows it")]
            config[name] = int(number) if number.isdecimal() else None
    if errors:
        raise invalid(errors)
    return {
        "name": values["name"],
        "description": values.get("description") or None,
        "is_active": bool(values.get("is_active")),
        "config": config,
    }


def _unfolded(pem: str) -> str:
    """Return a key whose line ends were lost, or are of another system, as PEM is written."""
    found = re.fullmatch(
        r"(-----BEGIN [A-Z ]+-----)([A-Za-z0-9+/=\s]+)(-----END [A-Z ]+-----)", pem
    )
    if found is None:
        return pem
    text = "".join(found[2].split())
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((found[1], *lines, found[3], ""))


def _form(
    visit: Visit,
    integration: models.Integration | None,
    auth: str,
    values: Mapping[str, str],
    problem: Problem | None = None,
    *,
    shown: seen.Seen | None = None,
) -> web.Response:
    api_urls = list(visit.services.settings.github_api_urls)
    stored = integration.config.api_url if integration else api_urls[0]
    if stored not in api_urls:
        api_urls.append(stored)
    public_url = visit.services.settings.public_url
    kept = typed_secrets.sound(visit, _SECRETS, problem) if problem else {}
    return visit.render(
        "integration_form.html",
        status=problem.status if problem else 200,
        problem=_plain(problem) if problem else None,
        integration=integration,
        seen=shown,
        auth=auth,
        is_other=integration is not None and auth != integration.config.auth,
        labels=_LABELS,
        # What was typed is kept; a secret is not shown, but comes back sealed.
        values={
            **{name: text for name, text in values.items() if name not in _SECRETS},
            **({"generate": ""} if "config.webhook_secret" in kept else {}),
        },
        kept=list(kept),
        sealed=typed_secrets.seal(visit, kept) if kept else None,
        api_urls=[(one, one) for one in api_urls],
        noise=_NOISE,
        commands=list(visit.services.shared(commands.registered)),
        levels=[(one, one) for one in LEVELS[1:]],
        is_overriding=any(name.startswith("config.commands.") and values[name] for name in values),
        is_local=is_local(public_url),
        public_url=public_url,
    )


def _plain(problem: Problem) -> ProblemDetails:
    """Return a problem with its fields as the form has them, in words of people."""
    body = problem.body
    errors = []
    for one in body.errors:
        name, message = one.field, one.message
        if found := re.fullmatch(r"(config\.repositories)\[(\d+)\]", name):
            name, message = found[1], f"line {int(found[2]) + 1} {message}"
        if found := re.search(r"length >= (\d+)", message):
            message = f"must have at least {found[1]} characters"
        elif found := re.search(r"length <= (\d+)", message):
            message = f"must have at most {found[1]} characters"
        elif "matching regex" in message:
            message = "contains a character that cannot be stored"
        errors.append(FieldError(name, message))
    if errors and problem.status != 412:
        return msgspec.structs.replace(
            body, error="not stored", detail="Correct these fields:", errors=errors
        )
    return body
