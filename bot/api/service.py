"""The service itself: is it alive, is it ready, what does it measure, what does it offer."""

import asyncio
import base64
import functools
import hashlib
import math
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup

from bot import jsontext, metrics
from bot import storage as store
from bot.code import experiments_yml
from bot.services import SERVICES, Services
from bot.together import Once
from bot.web.problems import expect

_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_TRIES = 5  # in a second, of whether the database takes a write
_TEMPLATES = Path(__file__).parent / "templates"
EXPERIMENTS_YML = "/api/v1/experiments-yml.schema.json"


def routes(describe: Callable[[], dict[str, Any]], public_url: str) -> list[web.RouteDef]:
    """Return the routes that need no token; `describe` returns the OpenAPI document.

    Few ask for it, and it takes longer than all else that a start does: it is made when they do.
    """
    document = functools.cache(lambda: jsontext.render(describe()))
    rendered = functools.cache(lambda: _page(describe()))

    async def openapi(request: web.Request) -> web.Response:
        body = await asyncio.to_thread(document)
        return web.Response(body=body, content_type="application/json")

    async def docs(request: web.Request) -> web.Response:
        page, policy = await asyncio.to_thread(rendered)
        return web.Response(
            text=page, content_type="text/html", headers={"Content-Security-Policy": policy}
        )

    address = f"{public_url}{EXPERIMENTS_YML}"
    schema = functools.cache(lambda: jsontext.render(experiments_yml.schema(address)))

    async def schema_of_file(request: web.Request) -> web.Response:
        return web.Response(body=schema(), content_type="application/schema+json")

    pages = {
        "/healthz": _healthz,
        "/readyz": _readyz,
        "/metrics": _metrics,
        "/api/v1/openapi.json": openapi,
        "/api/v1/docs": docs,
        EXPERIMENTS_YML: schema_of_file,
    }
    return [web.get(path, page, expect_handler=expect) for path, page in pages.items()]


async def _healthz(request: web.Request) -> web.Response:
    return web.Response(body=b'{"status":"ok"}', content_type="application/json")


class _Readiness:
    """Whether the database takes a write: tried five times a second at most, whoever asks."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._trying: Once[store.StorageUnavailable | None] = Once()
        self._tries: deque[float] = deque(maxlen=_TRIES)
        self._failure: store.StorageUnavailable | None = None  # of the last

    async def check(self) -> None:
        """Raise StorageUnavailable if it does not."""
        oldest = self._tries[0] if len(self._tries) == _TRIES else -math.inf
        if asyncio.get_running_loop().time() > oldest + 1:
            self._failure = await self._trying.get("write", self._try)
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    async def _try(self) -> store.StorageUnavailable | None:
        self._tries.append(asyncio.get_running_loop().time())
        try:
            await self._database.check()
        except store.StorageUnavailable as error:
            return error
        return None


async def _readyz(request: web.Request) -> web.Response:
    """Ready when the database takes what is written; it was migrated before anybody could ask."""
    services = request.config_dict[SERVICES]
    await services.shared(_Readiness).check()
    warning = services.database.burden().warning
    told = {"status": "ok"} if warning is None else {"status": "ok", "warning": warning}
    return web.Response(body=jsontext.render(told), content_type="application/json")


async def _metrics(request: web.Request) -> web.Response:
    services = request.config_dict[SERVICES]
    services.metrics.log_bytes.set(services.database.burden().log_bytes)
    return web.Response(
        body=services.metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE}
    )


def _page(description: dict[str, Any]) -> tuple[str, str]:
    """Return the human page of the description, and the policy that allows only its own style."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(with_code=_with_code, meaning=_meaning)
    style = (_TEMPLATES / "docs.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("docs.html").render(api=description, style=style)
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def _with_code(text: str) -> Markup:
    """Show the code spans of CommonMark as code; all else is text."""
    shown, position = Markup(), 0
    for span in _CODE_SPAN.finditer(text):
        shown += text[position : span.start()]
        shown += Markup("<code>{}</code>").format(" ".join(span[2].split()))
        position = span.end()
    return shown + text[position:]


def _meaning(schema: dict[str, Any]) -> str:
    """Return what a schema says of itself, and of what it may be or hold."""
    inner = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    said = [schema.get("description", ""), *map(_meaning, inner)]
    return " ".join(filter(None, said))
