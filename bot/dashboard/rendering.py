"""Turns values into pages: the templates, what they may call, their headers, the static files."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from bot import __version__, characters, times
from bot.dashboard import sessions
from bot.emails import name_without_email, without_emails
from bot.services import SERVICES, Services
from bot.web.problems import Problem

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {
    path.name: (path.read_bytes(), _TYPES[path.suffix])
    for path in sorted((_HERE / "static").iterdir())
    if path.suffix in _TYPES
}
_DIGEST = hashlib.sha256(b"".join(content for content, _ in _FILES.values())).hexdigest()[:12]
_UNITS = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
)


def root(services: Services) -> str:
    """Return the path of PUBLIC_URL, under which a proxy may serve us; empty for none."""
    return urlsplit(services.settings.public_url).path.rstrip("/")


def page(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    session: "sessions.Session | None" = None,
    form_action: str = "",
    **values: Any,
) -> web.Response:
    """Return a page. `form_action` adds an origin to which its forms may lead."""
    services = request.config_dict[SERVICES]
    text = _environment.get_template(template).render(
        root=root(services),
        static=f"{root(services)}/static/{_DIGEST}",
        session=session,
        may=lambda role: session is not None and session.actor.may(role),
        path=request.path,
        notice=sessions.open_notice(services.vault, request.query.get("notice")),
        **values,
    )
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'; form-action 'self' {form_action}".rstrip()
        + "; base-uri 'none'; frame-ancestors 'none'"
    )
    return web.Response(
        status=status,
        text=text,
        content_type="text/html",
        headers={
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            # Other sites learn nothing; our own forms are known by what browsers say with them.
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **(headers or {}),
        },
    )


async def static(request: web.Request) -> web.Response:
    """Serve a static file; its address changes with the content, so it is kept for good."""
    found = _FILES.get(request.match_info["name"])
    if found is None or request.match_info["digest"] != _DIGEST:
        raise Problem(404, "not found", "There is nothing at this address.")
    content, content_type = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(body=content, content_type=content_type, charset="utf-8", headers=headers)


# --- What templates can call


def moment(value: str | int | None) -> datetime | None:
    """Return a time of the API (RFC 3339), or of storage (microseconds)."""
    microseconds = times.parse(value) if isinstance(value, str) else value
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / times.SECOND, UTC)


def exact(value: str | int | None) -> str:
    """Return a time for people, to the second, in UTC."""
    at = moment(value)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


def iso(value: str | int | None) -> str:
    at = moment(value)
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""


def ago(value: str | int | None) -> str:
    """Return how long ago a time was, or how long it is until then."""
    at = moment(value)
    if at is None:
        return "never"
    seconds = times.now() / times.SECOND - at.timestamp()
    for unit, length in _UNITS:
        count = int(abs(seconds) // length)
        if count:
            text = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now" if seconds > -5 else "in a moment"


def day(value: str | int | None) -> str:
    """Return the day of a time."""
    at = moment(value)
    return f"{at:%A}, {at.day} {at:%B %Y}" if at else ""


def external(url: str | None) -> str | None:
    """Return an address to link to if it is one of the web, else None."""
    return url if url and re.fullmatch(r"https?://[!-~]+", url) else None


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """Return a text that begins as a sentence does."""
    return text[:1].upper() + text[1:]


def _made() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = __version__
    of_times = (exact, iso, ago, day)
    of_texts = (characters.shortened, sentence, external, without_emails, name_without_email)
    filters = (*of_times, *of_texts, plural)
    environment.filters.update({one.__name__: one for one in filters})
    return environment


_environment = _made()
