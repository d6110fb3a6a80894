"""Problems as pages for people."""

from contextlib import suppress

from aiohttp import web

from bot import storage as store
from bot.dashboard import rendering, sessions
from bot.services import REQUEST_ID
from bot.web.problems import Problem

# Instead of what the API says to programs
_DETAILS = {
    404: "There is no page at this address. It may be mistyped, or the page may have been removed.",
    405: "This address only accepts a form. Go back to the page with the form.",
    500: "Something went wrong in the service. Its log has the details under the request ID below.",
}


def wanted(request: web.Request) -> bool:
    """Tell whether an error is for somebody in front of a browser.

    A browser that opens an address names text/html among what it accepts; programs name JSON, or
    take anything (`*/*`). Below /api/ the answer is application/problem+json whoever asks, as
    the API promises.
    """
    accepted = request.headers.get("Accept", "").lower()
    return "text/html" in accepted and not request.path.startswith("/api/")


async def page_of(request: web.Request, problem: Problem) -> web.Response:
    """Return the page of a problem, with the way to the others for who is signed in."""
    session = None
    with suppress(store.StorageUnavailable):  # then the page is for everybody
        found = sessions.of_request(request, note=False)
        session = await store.in_time(found, store.ASIDE_SECONDS)  # it was waited for already
    return rendering.page(
        request,
        "problem.html",
        status=problem.status,
        headers=problem.headers,
        session=session,
        problem=problem.body,
        number=request[REQUEST_ID] if problem.status >= 500 else None,
        next=await _page_of_form(request) if problem.status == 401 else "",
    )


async def _page_of_form(request: web.Request) -> str:
    """Return the path of the page that a form was on: the nearest one above its address."""
    path = request.rel_url.raw_path
    with suppress(RuntimeError):  # one that has been read cannot be cloned
        while path:
            found = await request.app.router.resolve(request.clone(method="GET", rel_url=path))
            if found.http_exception is None:
                return path
            path = path.rpartition("/")[0]
    return ""


async def generic(request: web.Request, problem: Problem) -> web.Response:
    """Return the page of a problem that no page of ours has raised: in words for people."""
    detail = _DETAILS.get(problem.status, problem.body.detail)
    found = Problem(problem.status, problem.error, detail, headers=problem.headers)
    return await page_of(request, found)
