"""A bot of bedevere's shape: aiohttp's server, gidgethub's verification, routing and client.

It does the same work as the other apps: reads the key line of a new pull request and forgets it.
Bedevere's pause of a second before it dispatches is left out.

https://github.com/python/bedevere/blob/main/bedevere/__main__.py
"""

import os
import re
from typing import Any

import aiohttp
from aiohttp import web
from gidgethub import ValidationFailure, routing, sansio
from gidgethub import aiohttp as gh_aiohttp

KEY_LINE = re.compile(r"^experiment_key: *([\w.-]+)", re.IGNORECASE | re.MULTILINE)
router = routing.Router()
cache: dict[str, Any] = {}


@router.register("pull_request", action="opened")
async def opened(event: sansio.Event, gh: gh_aiohttp.GitHubAPI) -> None:
    KEY_LINE.search(event.data["pull_request"]["body"] or "")


async def take(request: web.Request) -> web.Response:
    body = await request.read()
    try:
        event = sansio.Event.from_http(request.headers, body, secret=os.environ["WEBHOOK_SECRET"])
    except ValidationFailure:
        return web.Response(status=401)
    async with aiohttp.ClientSession() as session:
        gh = gh_aiohttp.GitHubAPI(session, "a benchmark", oauth_token="none", cache=cache)
        await router.dispatch(event, gh)
    return web.Response(status=200)


def main() -> None:
    app = web.Application()
    app.router.add_post("/", take)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)


if __name__ == "__main__":
    main()
