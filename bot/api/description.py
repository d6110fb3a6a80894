"""The API's OpenAPI 3.1 document, made from the declarations that route and validate.

https://spec.openapis.org/oas/v3.1.0
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bot import __version__
from bot.api.models import list_what_is_declared
from bot.api.service import EXPERIMENTS_YML
from bot.deliveries import door
from bot.settings import Settings
from bot.web.operations import PARAMETERS, Operation
from bot.web.problems import CONTENT_TYPE, ProblemDetails

_ABOUT = """Links GitHub pull requests, commits and issues to the experiments they belong to.

Send an API token as `Authorization: Bearer <token>`. Roles: `viewer` reads, `developer` reads
everything and writes experiments and links, `admin` does everything. Errors are
`application/problem+json` (RFC 9457). Lists take `limit` and `cursor` and answer
`{"items": [...], "next_cursor": ...}`. Unknown fields and parameters are refused.
"""
_REF = "#/components/schemas/{name}"
_DONE = {
    200: "Done.",
    201: "Created.",
    202: "Not done yet: the bot goes on by itself.",
}
_PROBLEMS = {
    400: "The body is no JSON, or a header is malformed.",
    401: "No token, or one that is not known.",
    403: "The token's role is too low.",
    404: "Not found.",
    408: "The body took too long.",
    409: "It conflicts with the current state.",
    412: "A condition of the headers is not met: it has changed since, or is there already.",
    413: "The body is too large.",
    415: "The content type is not supported.",
    422: "A field or parameter is invalid; `errors` says which.",
    429: "Too many unknown tokens from this address, or too many open streams; `Retry-After` says "
    "when to try again.",
    502: "GitHub refused it, or its answer could not be read.",
    503: "The database cannot take this now, GitHub cannot be reached, or others send too much; "
    "`Retry-After` says when to try again.",
}
_ETAG = {
    "description": "Changes with the answer. Send it as `If-Match` to change nothing but what you "
    "have read; counts of what is linked do not matter for that.",
    "required": True,
    "schema": {"type": "string"},
}


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
    warning: Annotated[
        str | UnsetType, Meta(description="What has to be looked after, or it will not for long.")
    ] = UNSET


def describe(operations: Sequence[Operation], settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document of `operations` and of the addresses without a token."""
    list_what_is_declared()
    types: list[Any] = [ProblemDetails, WebhookAnswer, Health]
    for operation in operations:
        types += [one for one in operation.answers.values() if not isinstance(one, str)]
        types += [operation.body, operation.query]
    types = [one for one in dict.fromkeys(types) if one is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    for component in components.values():
        if "description" in component:  # a docstring, whose indentation would make it code
            component["description"] = inspect.cleandoc(component["description"])
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, schema_of, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    paths |= {door.PATH: {"post": _webhook(schema_of)}} | _service_paths(schema_of)
    tags = dict.fromkeys([*(one.resource.tag for one in operations), "Webhook", "Service"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Experiment Bot", "version": __version__, "description": _ABOUT},
        "servers": [{"url": settings.public_url}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in tags],
        "paths": paths,
        "components": {
            "schemas": {name: components[name] for name in sorted(_used(components, paths))},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token."}
            },
        },
    }


def _operation(
    operation: Operation, schema_of: Mapping[Any, Any], components: dict[str, Any]
) -> dict[str, Any]:
    statuses = {401, 403, 422, 429, 503, *operation.problems}
    if "{" in operation.path:
        statuses.add(404)
    if "If-Match" in operation.headers:
        statuses.add(412)
    if any(pattern for pattern, _ in operation.headers.values()):
        statuses.add(400)
    if operation.body is not None:
        statuses |= {400, 408, 413, 415}
    handler = operation.handler
    text = " ".join((handler.__doc__ or "").split())
    described = {
        "operationId": f"{handler.__module__.rpartition('.')[2]}_{handler.__name__}"
        f"_{operation.method.lower()}",
        "tags": [operation.resource.tag],
        "summary": operation.summary,
        "description": f"{text}\n\nRole: `{operation.role}`.".strip(),
        "parameters": [
            *_path_parameters(operation.path),
            *_query_parameters(operation.query, schema_of, components),
            *_header_parameters(operation.headers, required=False),
        ],
        "responses": {
            str(status): _answer(status, answer, schema_of)
            | ({"headers": {"ETag": _ETAG}} if operation.tagged else {})
            for status, answer in operation.answers.items()
        }
        | _problem_answers(statuses, schema_of),
    }
    if operation.body is not None:
        required = not operation.is_body_optional
        described["requestBody"] = {"required": required, **_content(schema_of[operation.body])}
    return described


def _answer(status: int, answer: Any, schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    if status == 304:
        return {"description": "Not modified; the answer has no body."}
    if answer is None:
        return {"description": "Done; the answer has no body."}
    if isinstance(answer, str):
        return {"description": "A stream."} | _content({"type": "string"}, answer)
    return {"description": _DONE[status]} | _content(schema_of[answer])


def _content(schema: Any, content_type: str = "application/json") -> dict[str, Any]:
    return {"content": {content_type: {"schema": schema}}}


def _problem_answers(statuses: set[int], schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(status): {"description": _PROBLEMS[status]}
        | _content(schema_of[ProblemDetails], CONTENT_TYPE)
        for status in sorted(statuses)
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", path)
    return [
        _parameter(name, "path", f"^{PARAMETERS[name][0]}$", PARAMETERS[name][1]) for name in names
    ]


def _header_parameters(
    headers: Mapping[str, tuple[str | None, str]], *, required: bool
) -> list[dict[str, Any]]:
    return [
        _parameter(name, "header", pattern, meaning, required=required)
        for name, (pattern, meaning) in headers.items()
    ]


def _parameter(
    name: str, place: str, pattern: str | None, meaning: str, *, required: bool = True
) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": meaning,
        "schema": {"type": "string"} | ({"pattern": pattern} if pattern else {}),
    }


def _query_parameters(
    query: type[Struct], schema_of: Mapping[Any, Any], components: dict[str, Any]
) -> list[dict[str, Any]]:
    name = schema_of[query]["$ref"].rpartition("/")[2]
    parameters = []
    for parameter, schema in components[name]["properties"].items():
        # A parameter that is left out is null to us; it cannot be sent as null.
        (choice,) = (one for one in schema.get("anyOf", [schema]) if one.get("type") != "null")
        if "enum" in choice:
            choice = {**choice, "enum": [one for one in choice["enum"] if one is not None]}
        shown = {key: value for key, value in choice.items() if key != "default"}
        if schema.get("default") is not None:
            shown["default"] = schema["default"]
        description = shown.pop("description", None) or schema.get("description")
        parameters.append(
            {"name": parameter, "in": "query", "required": False, "schema": shown}
            | ({"description": description} if description else {})
        )
    return parameters


def _used(components: dict[str, Any], paths: dict[str, Any]) -> set[str]:
    """Return the names of the schemas that `paths` lead to; those of queries are written out."""
    used: set[str] = set()
    waiting = [paths]
    while waiting:
        text = msgspec.json.encode(waiting.pop()).decode()
        for name in re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text):
            if name not in used:
                used.add(name)
                waiting.append(components[name])
    return used


def _webhook(schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    payload = {"type": "object", "description": "GitHub's payload."}
    answer = _content(schema_of[WebhookAnswer])
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
        "parameters": [*_path_parameters(door.PATH), *_header_parameters(headers, required=True)],
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
                **answer,
            },
            "202": {
                "description": "Stored, and tried again: a handler failed, or only GitHub can tell "
                "whether the allow-list lets the repository in, and it cannot be asked now.",
                **answer,
            },
        }
        | _problem_answers({400, 401, 403, 404, 408, 413, 415, 503}, schema_of),
    }


def _service_paths(schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    def path(name: str, summary: str, content_type: str, schema: Any, *problems: int) -> Any:
        return {
            "get": {
                "operationId": f"service_{name}_get",
                "tags": ["Service"],
                "summary": summary,
                "security": [],
                "responses": {"200": {"description": "Done."} | _content(schema, content_type)}
                | _problem_answers(set(problems), schema_of),
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
        EXPERIMENTS_YML: path(
            "experiments_yml",
            "JSON Schema of .github/experiments.yml",
            "application/schema+json",
            {"type": "object"},
        ),
    }
