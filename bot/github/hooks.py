"""Webhooks as GitHub's API tells of them, what they delivered, and how it is read.

https://docs.github.com/en/rest/webhooks/repo-deliveries, and the same for organisations and Apps.
"""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from bot import jsontext
from bot.github import payloads
from bot.github.client import Client, More
from bot.github.reach import WEBHOOK_PATH

PAGE = 100
MAX_PAYLOAD = 25 * 1024 * 1024  # GitHub's cap
# An answer holds the payload and what was answered to it; each letter may be written as an escape.
MAX_ANSWER = 2 * MAX_PAYLOAD + 1024 * 1024
APP_CONFIG = "/app/hook/config"
OF_REPOSITORY = "/repos/{+repository}/hooks"
OF_ORGANIZATION = "/orgs/{organization}/hooks"
_GIVE = (
    "give the token Webhooks: read (fine-grained) or the scope {scope} (classic), and its owner "
    "the role {role}"
)
REMEDIES: Mapping[str, str] = {
    "app": "check in the App's settings that its webhook is active",
    "repository": _GIVE.format(scope="read:repo_hook", role="Admin in the repository"),
    "organization": _GIVE.format(scope="admin:org_hook", role="Owner of the organisation"),
}
# The permission that it takes to read them, as GitHub calls it.
PERMISSIONS = {
    "repository": "Webhooks: read, of the repository",
    "organization": "Webhooks: read, of the organisation",
}
Place = dict[str, str]


class HookConfig(Struct):
    url: str | None = None
    content_type: str | None = None
    insecure_ssl: str | int | float | None = None
    secret: str | None = None  # a mask, if there is one


class LastResponse(Struct):
    code: int | None = None
    message: str | None = None


class Hook(Struct):
    id: int
    active: bool = True
    events: list[str] = []
    config: HookConfig = msgspec.field(default_factory=HookConfig)
    last_response: LastResponse | None = None


class ListedDelivery(Struct):
    """An attempt to deliver something. One that got no answer has the code 0."""

    id: int
    guid: str
    delivered_at: str = ""
    event: str = ""
    action: str | None = None
    repository_id: int | None = None
    installation_id: int | None = None
    status_code: int = 0
    status: str = ""


class Lost(Exception):
    """GitHub does not have (any more) what it delivered, or not so that it can be read."""


class _Request(Struct):
    headers: dict[str, Any] = {}
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Detail(Struct):
    guid: str
    request: _Request | None = None


class Sent(Struct, frozen=True):
    """What GitHub sent with an attempt: headers by their names in lower case, and JSON text."""

    headers: dict[str, str]
    text: bytes


def leads_to(url: str | None, integration_id: str) -> bool:
    """Tell whether an address is an integration's webhook, whatever its host is called outside."""
    try:
        path = urlsplit(url or "").path
    except ValueError:
        return False
    return path.lower().endswith(WEBHOOK_PATH.format(integration_id=integration_id))


def deliveries_of(
    kind: Literal["app", "repository", "organization"], hook_id: int, name: str
) -> tuple[str, Place]:
    """Return the address of what a webhook has delivered, and what fills it."""
    if kind == "app":
        return "/app/hook/deliveries", {}
    if kind == "repository":
        return f"{OF_REPOSITORY}/{hook_id}/deliveries", {"repository": name}
    return f"{OF_ORGANIZATION}/{hook_id}/deliveries", {"organization": name}


async def listed(
    client: Client, address: str, place: Place, cursor: str | None
) -> tuple[list[ListedDelivery], str | None]:
    """Return a page of what a webhook has delivered, newest first, and the next page's cursor.

    Raises CallFailed.
    """
    query = f"?per_page={PAGE}" + ("&cursor={cursor}" if cursor is not None else "")
    variables = place if cursor is None else {**place, "cursor": cursor}
    is_first = cursor is None  # the others are not asked for again
    found, more = await client.fetch_page(f"{address}{query}", variables, is_kept=is_first)
    following = parse_qs(more or "").get("cursor", [None])[0]
    return payloads.readable(found, ListedDelivery), following


async def fetched(
    client: Client, address: str, place: Place, delivery_id: int, more: More
) -> bytes | bytearray:
    """Return GitHub's answer of one delivery, to be read by `sent_with`; raises CallFailed."""
    return await client.download(f"{address}/{delivery_id}", place, MAX_ANSWER, more)


def sent_with(answer: bytes | bytearray, guid: str) -> Sent:
    """Return what GitHub sent, of an answer that may be large; raises Lost.

    The payload is taken out as text: most of a large one is read by nobody.
    """
    try:
        detail = msgspec.json.decode(answer, type=_Detail)
        request = detail.request or _Request()
        text = msgspec.json.format(memoryview(request.payload), indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        detail, request, text = _salvaged(answer)
    if detail.guid.lower() != guid.lower():
        raise Lost("GitHub has answered with another delivery")
    if text == b"null":
        raise Lost("GitHub has no payload of it any more")
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    return Sent(headers, text)


def _salvaged(answer: bytes | bytearray) -> tuple[_Detail, _Request, bytes]:
    """Read an answer in which something odd is written, as deliveries are read."""
    try:
        data, _ = jsontext.parse_delivery(bytes(answer))
        request = data.get("request") or {}
        headers = request.get("headers")
        made = _Request(headers if isinstance(headers, dict) else {})
        return _Detail(str(data["guid"])), made, jsontext.render(request.get("payload"))
    except (jsontext.InvalidJSON, KeyError, AttributeError, TypeError):
        raise Lost("what GitHub has of it cannot be read") from None
