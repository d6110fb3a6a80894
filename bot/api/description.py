"""The API's OpenAPI document: its operations, and the addresses that need no token."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bot.deliveries import door
from bot.settings import Settings
from bot.web import openapi
from bot.web.openapi import header_parameters, path_parameters, problem_answers
from bot.web.operations import Operation

_ABOUT = """Links GitHub pull requests, commits and issues to the experiments they belong to.

Send an API token as `Authorization: Bearer <token>`. Roles: `viewer` reads, `developer` reads
everything and writes experiments and links, `admin` does everything. Errors are
`application/problem+json` (RFC 9457). Lists take `limit` and `cursor` and answer
`{"items": [...], "next_cursor": ...}`. Unknown fields and parameters are refused.
"""


class WebhookAnswer(Struct, omit_defaults=True):
    """What became of a delivery."""

    processed: bool
    reason: str | UnsetType = UNSET
    detail: (
        Annotated[str, Meta(description="Which field is missing or cannot be read.")] | UnsetType
    ) = UNSET
    duplicate: bool | UnsetType = UNSET


class Health(Struct):
    """Whether the service can do its work."""

    status: Literal["ok"]


def describe(operations: Sequence[Operation], settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document of `operations` and of the addresses without a token."""
    return openapi.describe(
        operations,
        settings.public_url,
        _ABOUT,
        tags=("Webhook", "Service"),
        types=(WebhookAnswer, Health),
        others=lambda schema_of: (
            {door.PATH: {"post": _webhook(schema_of)}} | _service_paths(schema_of)
        ),
    )


def _webhook(schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    payload = {"type": "object", "description": "GitHub's payload."}
    answer = {"application/json": {"schema": schema_of[WebhookAnswer]}}
    headers = {
        "X-Hub-Signature-256": (r"^sha256=[0-9a-f]{64}$", "HMAC-SHA256 of the raw body."),
        "X-GitHub-Event": (r"^[a-z][a-z0-9_]{0,63}$", "The event's name."),
        "X-GitHub-Delivery": (
            r"^[ -~]{1,128}$",
            "The delivery's id, once per integration: GitHub sends a GUID, emulators numbers.",
        ),
    }
    return {
        "operationId": "webhook_receive_post",
        "tags": ["Webhook"],
        "summary": "Receive a delivery from GitHub",
        "description": "The signature is the authentication; no token is needed. When "
        "`processed` is true, the effects are committed.",
        "security": [],
        "parameters": [
            *path_parameters(door.PATH),
            *header_parameters(headers, required=True),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": payload},
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "properties": {"payload": {"type": "string"}},
                        "required": ["payload"],
                    }
                },
            },
        },
        "responses": {
            "200": {
                "description": "Processed, ignored or a duplicate. A field that cannot be read is "
                "left out and the rest counts; without what the event is about nothing is taken "
                "in, and `detail` names the field.",
                "content": answer,
            },
            "202": {
                "description": "Stored, and tried again: a handler failed, or only GitHub can tell "
                "whether the allow-list lets the repository in, and it cannot be asked now.",
                "content": answer,
            },
        }
        | problem_answers({400, 401, 403, 404, 408, 413, 415, 503}, schema_of),
    }


def _service_paths(schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    def path(name: str, summary: str, content_type: str, schema: Any, *problems: int) -> Any:
        return {
            "get": {
                "operationId": f"service_{name}_get",
                "tags": ["Service"],
                "summary": summary,
                "security": [],
                "responses": {
                    "200": {"description": "Done.", "content": {content_type: {"schema": schema}}}
                }
                | problem_answers(set(problems), schema_of),
            }
        }

    text, health = {"type": "string"}, schema_of[Health]
    return {
        "/healthz": path("healthz", "Is the process alive?", "application/json", health),
        "/readyz": path("readyz", "Can it do its work?", "application/json", health, 503),
        "/metrics": path("metrics", "Metrics for Prometheus", "text/plain", text),
        "/api/v1/openapi.json": path(
            "openapi", "This description", "application/json", {"type": "object"}
        ),
        "/api/v1/docs": path("docs", "This description for people", "text/html", text),
    }
