"""Errors as API and pages answer them: application/problem+json (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from bot import storage as store
from bot.domain.errors import Changed, Conflict, ConflictCode, Failed, Invalid, NoLonger, NotFound
from bot.github import CallFailed, Refused
from bot.web.replies import Reply
from bot.web.validation import words

CONTENT_TYPE = "application/problem+json"
_CONFLICTS: Mapping[ConflictCode, tuple[int, str, str]] = {
    "experiment_exists": (
        409,
        "experiment exists",
        "There already is an experiment {about}; change it with PATCH or PUT.",
    ),
    "not_waiting": (409, "not waiting", "The action is {about}."),
    "superseded": (409, "superseded", "A newer action that is pending does the same."),
    "payload_gone": (
        409,
        "payload not kept",
        "The payload of this delivery is not stored; use GitHub's Redeliver button.",
    ),
    "key_reused": (
        422,
        "idempotency key reused",
        "This Idempotency-Key was used for another request; send a new one.",
    ),
    "integration_inactive": (
        409,
        "integration inactive",
        "The integration is not active, so it reads nothing; set is_active to true first.",
    ),
    "backfill_running": (
        409,
        "backfill running",
        "Another backfill is under way, which is {about}; wait until it is done, or stop it with "
        "DELETE.",
    ),
    "not_over": (
        409,
        "experiment not over",
        "The experiment {about} is neither completed nor archived; set its status first.",
    ),
    "code_unread": (
        409,
        "code not read",
        "The default branch has not been read yet, or `code` is off there; try again later.",
    ),
    "not_in_code": (
        409,
        "nothing in the code",
        "Nothing of the experiment {about} is known to be in the default branch.",
    ),
    "nothing_to_read": (409, "nothing to read", "Nothing is read: {about}."),
    "unreadable": (502, "unreadable answer", "GitHub's answer does not describe a pull request."),
}


class FieldMessage(Struct):
    """One field of a request that cannot be."""

    field: Annotated[str, Meta(description="Path of the field, such as `config.webhook_secret`.")]
    message: str


FieldMessage.__name__ = "FieldError"  # as the API's description has called it from the first


class ProblemDetails(Struct, omit_defaults=True):
    """What went wrong and what to do about it (RFC 9457)."""

    type: str
    title: str
    status: int
    error: Annotated[str, Meta(description="A short phrase that does not change.")]
    detail: Annotated[str, Meta(description="What to do about it.")]
    errors: list[FieldMessage] = []


class Problem(Exception):
    """Raised anywhere below a request to answer it with an error."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        errors: Sequence[FieldMessage] = (),
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
            errors=list(errors),
        )

    def reply(self) -> Reply:
        body = msgspec.json.encode(self.body)
        return Reply(self.status, body, {**self.headers, "Content-Type": CONTENT_TYPE})

    def response(self) -> web.Response:
        return self.reply().response()


async def expect(request: web.Request) -> web.Response | None:
    """Answer an `Expect` header: go on for `100-continue`, refuse what nobody knows."""
    if request.headers["Expect"].lower() == "100-continue":
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None
    return Problem(
        417, "expectation failed", "Only the expectation 100-continue is supported; leave it out."
    ).response()


def problem_of(error: Failed | CallFailed) -> Problem:
    """Return the answer to what could not be done, in the API's words."""
    match error:
        case NotFound():
            return Problem(404, "not found", f"There is no {error.what} here; check the address.")
        case Invalid():
            said = [FieldMessage(one.field, words(one)) for one in error.errors]
            return Problem(422, "invalid request", "Correct the fields listed in `errors`.", said)
        case Conflict():
            status, phrase, detail = _CONFLICTS[error.code]
            return Problem(status, phrase, detail.format(about=error.about))
        case Changed():
            detail = "It has changed since you read it, so nothing was done."
            return Problem(412, "precondition failed", detail)
        case NoLonger():
            return Problem(403, "forbidden", "You may not do this any more, so nothing was done.")
        case CallFailed():
            return _problem_of_call(error)
    raise AssertionError(f"no words for {error!r}")


def _problem_of_call(error: CallFailed) -> Problem:
    if isinstance(error, Refused):
        return Problem(502, "refused by GitHub", f"{error}.")
    said = f"{error}. Try again."
    return Problem(503, "GitHub unavailable", said, headers={"Retry-After": "30"})


def told_of(error: store.StorageUnavailable | None) -> str:
    """Return why the database cannot do something, as far as that may be read by anybody."""
    return f": {error}" if isinstance(error, store.TooMuchUnread) else ""


def unavailable(error: store.StorageUnavailable) -> Problem:
    return Problem(
        503,
        "storage unavailable",
        f"The database cannot do this now{told_of(error)}. {error.remedy or 'Try again shortly.'}",
        headers={"Retry-After": "5"},
    )
