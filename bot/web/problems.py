"""Errors as API and pages answer them: application/problem+json (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

CONTENT_TYPE = "application/problem+json"


class FieldError(Struct):
    """One field of a request that cannot be."""

    field: Annotated[str, Meta(description="Path of the field, such as `config.webhook_secret`.")]
    message: str


class ProblemDetails(Struct, omit_defaults=True):
    """What went wrong and what to do about it (RFC 9457)."""

    type: str
    title: str
    status: int
    error: Annotated[str, Meta(description="A short phrase that does not change.")]
    detail: Annotated[str, Meta(description="What to do about it.")]
    errors: list[FieldError] = []


class Problem(Exception):
    """Raised anywhere below a request to answer it with an error."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {error}: {detail}")
        self.status = status
        self.error = error
        self.headers = dict(headers or {})
        self.body = ProblemDetails(
            type="about:blank",
            title=HTTPStatus(status).phrase,
            status=status,
            error=error,
            detail=detail,
            errors=[FieldError(field, message) for field, message in errors],
        )

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(self.body),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


async def expect(request: web.Request) -> web.Response | None:
    """Answer an `Expect` header: go on for `100-continue`, refuse what nobody knows."""
    if request.headers["Expect"].lower() == "100-continue":
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None
    return Problem(
        417, "expectation failed", "Of expectations only 100-continue is known; leave it out."
    ).response()


def not_found(what: str) -> Problem:
    return Problem(404, "not found", f"There is no {what} here; check the address.")


def invalid(errors: Sequence[tuple[str, str]]) -> Problem:
    return Problem(422, "invalid request", "Correct the fields listed in `errors`.", errors)


def unavailable() -> Problem:
    return Problem(
        503,
        "storage unavailable",
        "The database cannot take this now; nothing was stored. Try again shortly.",
        headers={"Retry-After": "5"},
    )
