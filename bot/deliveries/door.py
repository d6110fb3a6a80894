"""The door in: find the integration, refuse early, verify, parse, store and hand over.

It knows nothing about experiments. Rules of GitHub's that it keeps:
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

import asyncio
import hashlib
import hmac
import re
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from aiohttp import StreamReader, web
from isal import isal_zlib
from msgspec import Struct
from multidict import CIMultiDictProxy
from structlog.contextvars import bind_contextvars

from bot import jsontext, log, times
from bot import storage as store
from bot.deliveries import hosts, life
from bot.deliveries.records import KEPT_HEADERS, Arriving, id_of
from bot.deliveries.refusals import Refusals
from bot.domain import signatures
from bot.domain.integrations import Integration
from bot.github.delivered import DeliveredEvent, NoObject
from bot.github.reach import WEBHOOK_PATH
from bot.handlers import dispatcher
from bot.handlers.dispatch import Dispatcher
from bot.services import REQUEST_ID, SERVICES, Services
from bot.storage import RefusedFor
from bot.web import bodies, problems
from bot.web.problems import Problem
from bot.web.replies import Reply

PATH = WEBHOOK_PATH
MAX_BODY = 25 * 1024 * 1024  # GitHub's cap on a payload
_AT_ONCE = 4  # large bodies that are read at the same time
_BLOCK = 1024 * 1024
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_HOST = store.integrations.HOST
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS = re.compile(WEBHOOK_PATH.format(integration_id=f"({_UUID.pattern})"))
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")


def routes() -> list[web.RouteDef]:
    return [web.post(PATH, receive, expect_handler=expect)]


class Sent(Struct, frozen=True):
    """A delivery as it was sent, whichever way it came."""

    headers: CIMultiDictProxy[str]
    content: StreamReader
    hesitant: web.Request | None = None  # which sends its body once it is told to

    @property
    def length(self) -> int | None:
        """Return how long the body is going to be, None if that is not said."""
        given = self.headers.get("Content-Length")
        return int(given) if given is not None else None

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Unsigned(Problem):
    """The signature of a delivery does not let it in; `why` is what is counted."""

    def __init__(self, why: RefusedFor, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(401, *signatures.WORDS[why], headers=headers)
        self.why = why


class _Signed(Struct, frozen=True):
    """A body that has been verified: through whom it came, by which of their secrets, and when."""

    integration: Integration
    signed_by: int
    body: bytes
    received_at: int


def _opening(_: Services) -> asyncio.Semaphore:
    """Return what bounds how many large bodies are in memory twice: as sent, and as read."""
    return asyncio.Semaphore(_AT_ONCE)


def integration_of(path: str) -> str | None:
    """Return the integration whose webhook has this address, None where it is another address.

    One with a query, or in another spelling, is another.
    """
    found = _ADDRESS.fullmatch(path)
    return found[1] if found is not None else None


async def receive(request: web.Request) -> web.Response:
    """Answer a delivery that came by the routes."""
    services, integration_id = request.config_dict[SERVICES], request.match_info["integration_id"]
    hesitant = request if "Expect" in request.headers else None
    sent = Sent(request.headers, request.content, hesitant)
    return (await answer(services, sent, integration_id, request[REQUEST_ID])).response()


async def answer(services: Services, sent: Sent, integration_id: str, request_id: str) -> Reply:
    """Answer one delivery."""
    started = time.perf_counter()
    told: dict[str, Any] = {"request": request_id, "integration": integration_id}
    event = "other"
    try:
        async with asyncio.timeout(store.SECONDS) as limit:
            signed = await _verified(sent, services, integration_id.lower(), limit)
            delivery = await _read(sent, services, signed, told)
            if delivery.handlers:
                event = delivery.event.event
            outcome = await life.ingest(services, delivery)
        told["outcome"] = outcome.name
        status = 202 if outcome.status == "retrying" else 200
        reply = Reply(status, jsontext.render(outcome.answer), {"Content-Type": _JSON})
    except store.StorageUnavailable as error:
        told |= {"outcome": "unavailable", "reason": str(error)}
        reply = _unavailable(error).reply()
    except TimeoutError:  # GitHub is about to give up itself, and would call that our failure
        told |= {"outcome": "unavailable", "reason": "it was not stored in time"}
        reply = _unavailable().reply()
    except Problem as problem:
        if isinstance(problem, Unsigned):
            services.metrics.refused.labels(problem.why).inc()
            services.shared(Refusals).count(integration_id.lower(), problem.why)
        told |= {"outcome": "refused", "reason": problem.error}
        reply = problem.reply()
    seconds = time.perf_counter() - started
    services.metrics.count_delivery(event, told["outcome"], seconds)
    fields = {"status": reply.status, "ms": round(seconds * 1000, 2), **told}
    kind = None if "delivery" in told else "delivery that is not verified"
    log.line("delivery", fields, soon=True, kind=kind)
    await asyncio.sleep(0)  # the line is written, with those of its batch, before any is answered
    return reply


async def _verified(
    sent: Sent, services: Services, integration_id: str, limit: asyncio.Timeout
) -> _Signed:
    """Return the body of a request that an integration's secret has signed; raises Problem.

    The time of `limit` begins anew once the body is there.
    """
    received_at = times.now()
    integration = (
        await services.integration(integration_id) if _UUID.fullmatch(integration_id) else None
    )
    if integration is None:
        raise Problem(404, "not found", "No integration has this id; check the payload URL.")
    signature = _signature(sent)
    _check_headers_of_body(sent)
    secrets = integration.secrets_at(received_at)
    body, digests = await _body(sent, secrets, limit)
    signed_by = _signed_by(digests, signature)
    if signed_by is None:
        # Another process may have stored a new secret, or a new state, this very moment.
        integration = await services.integration(integration_id, fresh=True)
        now = integration.secrets_at(received_at) if integration is not None else []
        if now != secrets:  # else 25 MB were signed a second time for nothing
            signed_by = _signed_by(_digests(now, body), signature)
        if integration is None or signed_by is None:
            raise Unsigned("wrong")
    if not integration.is_active:
        raise Problem(403, "integration inactive", "Set is_active to true to accept deliveries.")
    await _check_host(sent, services, integration)
    refusals = services.shared(Refusals)
    if refusals.concern(integration):
        await refusals.take_back(integration.id)
    return _Signed(integration, signed_by, body, received_at)


async def _check_host(sent: Sent, services: Services, integration: Integration) -> None:
    """Refuse what another GitHub sends than the one that the integration is of."""
    told = sent.headers.getall("X-GitHub-Enterprise-Host", ())
    if hosts.is_another(told, integration):
        raise Problem(403, "wrong host", await hosts.tell(services, integration))
    if integration.last_error_about == _HOST:
        await services.database.write(
            lambda tx: store.integrations.clear_last_error(tx, integration.id, _HOST)
        )
        services.forget_integration(integration.id)


async def _read(sent: Sent, services: Services, signed: _Signed, told: dict[str, Any]) -> Arriving:
    """Return what a verified body delivers, and add what its log line tells; raises Problem."""
    name, guid = _identity(sent)
    body, size, is_form = signed.body, len(signed.body), sent.media_type == _FORM
    told |= {"delivery": guid, "github_event": name, "bytes": size}
    # Whatever else is logged on behalf of this delivery from here on tells which it is.
    bind_contextvars(integration=signed.integration.id, delivery=guid, github_event=name)
    known, given = services.shared(dispatcher), sent.headers.get

    if size > life.LARGE:
        async with services.shared(_opening):
            event, packed = await asyncio.to_thread(_open, known, name, guid, body, is_form=is_form)
    else:
        event, packed = _open(known, name, guid, body, is_form=is_form)
    delivery = Arriving(
        integration=signed.integration,
        signed_by=signed.signed_by,
        event=event,
        handlers=known.handlers(event),
        repository=event.about.full_name if event.about else None,
        received_at=signed.received_at,
        headers={
            name: value if value.isascii() else _clean(value)
            for name in KEPT_HEADERS
            if (value := given(name)) is not None
        },
        payload=packed,
        size=size,
    )
    told |= {"action": delivery.action, "repository": delivery.repository}
    return delivery


def _signature(sent: Sent) -> bytes:
    """Return what a well-formed signature header says; raises a 401 that says what is wrong."""
    values = sent.headers.getall("X-Hub-Signature-256", [])
    if not any(values):
        why: RefusedFor = "sha1" if sent.headers.get("X-Hub-Signature") else "missing"
        raise Unsigned(why, headers={"Connection": "close"} if sent.length != 0 else None)
    if len(values) > 1 or not _SIGNATURE.fullmatch(values[0]):
        raise Unsigned("malformed")
    return bytes.fromhex(values[0].removeprefix("sha256="))


def _check_headers_of_body(sent: Sent) -> None:
    """Refuse what the headers alone show cannot pass."""
    if (sent.length or 0) > MAX_BODY:
        _refuse_size()
    encoding = sent.headers.get("Content-Encoding", "identity")
    if sent.media_type not in (_JSON, _FORM) or encoding.lower() != "identity":
        raise Problem(
            415,
            "unsupported content type",
            "Set the webhook's content type to application/json "
            "(application/x-www-form-urlencoded works, too), without Content-Encoding.",
        )


def _refuse_size() -> NoReturn:
    raise Problem(413, "body too large", f"The limit is GitHub's own: {MAX_BODY} bytes.")


async def _body(
    sent: Sent, secrets: Sequence[bytes], limit: asyncio.Timeout
) -> tuple[bytes, list[bytes]]:
    """Read the body and sign it on the way, chunk by chunk, with every secret in force."""
    if sent.hesitant is not None:
        await problems.expect(sent.hesitant)
    content = sent.content
    if content.is_eof():  # a small body came with its headers
        raw = content.read_nowait()
        if len(raw) > MAX_BODY:
            _refuse_size()
        return raw, _digests(secrets, raw)
    macs = [hmac.new(secret, digestmod=hashlib.sha256) for secret in secrets]
    # Chunks hold on to more memory than they fill, so they are soon put together to blocks.
    blocks: list[bytes] = []
    chunks: list[bytes] = []
    size = 0
    limit.reschedule(None)
    async with bodies.arriving():
        async for chunk in content.iter_any():
            size += len(chunk)
            if size > MAX_BODY:
                _refuse_size()
            for mac in macs:
                mac.update(chunk)
            chunks.append(chunk)
            if size >= (len(blocks) + 1) * _BLOCK:
                blocks.append(b"".join(chunks))
                chunks.clear()
    limit.reschedule(asyncio.get_running_loop().time() + store.SECONDS)
    return b"".join(blocks + chunks), [mac.digest() for mac in macs]


def _digests(secrets: Sequence[bytes], raw: bytes) -> list[bytes]:
    return [hmac.digest(secret, raw, hashlib.sha256) for secret in secrets]


def _signed_by(digests: Sequence[bytes], signature: bytes) -> int | None:
    """Compare in constant time with every secret in force, however early one fits.

    Return the position of the one that does, None if there is none.
    """
    matches = [hmac.compare_digest(digest, signature) for digest in digests]
    return matches.index(True) if any(matches) else None


def _identity(sent: Sent) -> tuple[str, str]:
    """Return the event's name and the delivery's guid; raises a 400 that says which is wrong."""
    event = sent.headers.get("X-GitHub-Event")
    if event is None or not _EVENT.fullmatch(event):
        raise Problem(400, "invalid event", "X-GitHub-Event is missing or not an event's name.")
    guid = id_of(sent.headers.get("X-GitHub-Delivery", ""))
    if guid is None:
        raise Problem(
            400,
            "invalid delivery id",
            "X-GitHub-Delivery must be 1 to 128 printable ASCII characters; GitHub sends a GUID.",
        )
    return event, guid


def _open(
    known: Dispatcher, name: str, guid: str, raw: bytes, *, is_form: bool
) -> tuple[DeliveredEvent, bytes]:
    """Return what a body delivers, and its JSON text compressed for storage; raises Problem."""
    try:
        event = known.event(_payload_field(raw) if is_form else raw, name, guid)
    except jsontext.InvalidJSON as error:
        raise Problem(400, "invalid JSON", f"The payload cannot be read: {error}") from None
    except NoObject:
        raise Problem(400, "not a JSON object", "GitHub's payloads are JSON objects.") from None
    return event, isal_zlib.compress(event.text, 0)


def _clean(header: str) -> str:
    """Return a header's value as text that can be stored; aiohttp passes odd bytes through."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _payload_field(raw: bytes) -> bytes:
    try:
        fields = urllib.parse.parse_qs(
            raw.decode("ascii"), errors="replace", max_num_fields=16, keep_blank_values=True
        )
        (payload,) = fields["payload"]
    except (ValueError, KeyError):
        raise Problem(
            400, "invalid form", "The form needs one field `payload` with the JSON in UTF-8."
        ) from None
    return payload.encode()


def _unavailable(error: store.StorageUnavailable | None = None) -> Problem:
    return Problem(
        503,
        "storage unavailable",
        f"The database cannot take the delivery now{problems.told_of(error)}. "
        "Send it again with GitHub's Redeliver button: it counts once.",
        headers={"Retry-After": "30"},
    )


async def expect(request: web.Request) -> web.Response | None:
    """Send no `100 Continue` yet: `receive` does, once the headers can pass."""
    if request.headers["Expect"].lower() == "100-continue":
        return None
    return await problems.expect(request)
