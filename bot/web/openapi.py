"""The OpenAPI 3.1 description, made from the same declarations that route and validate.

https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from bot import __version__
from bot.web.operations import PARAMETERS, Operation
from bot.web.problems import CONTENT_TYPE, ProblemDetails

_REF = "#/components/schemas/{name}"
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
    429: "Too many unknown tokens from this address; `Retry-After` says when to try again.",
    502: "GitHub refused it, or its answer could not be read.",
    503: "The database cannot take this now, or GitHub cannot be reached; `Retry-After` says when "
    "to try again.",
}
_ETAG = {
    "description": "Changes with the answer. Send it as `If-Match` to change nothing but what you "
    "have read; counts of what is linked do not matter for that.",
    "required": True,
    "schema": {"type": "string"},
}


def describe(
    operations: Sequence[Operation],
    server: str,
    about: str,
    *,
    tags: Sequence[str],
    types: Sequence[Any],
    others: Callable[[Mapping[Any, Any]], dict[str, dict[str, Any]]],
) -> dict[str, Any]:
    """Return the OpenAPI document of `operations`, and of other paths made of `types`.

    `tags` are those of the other paths, which `others` makes of the schemas by type.
    """
    types = [ProblemDetails, *types]
    for operation in operations:
        types += [one for one in operation.answers.values() if one is not None and one is not str]
        types += [operation.body] if operation.body else []
        types.append(operation.query)
    types = [one for one in dict.fromkeys(types) if not isinstance(one, str)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, schema_of, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    paths.update(others(schema_of))
    used = _used(components, paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Experiment Bot", "version": __version__, "description": about},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.resource.tag for one in operations)]
        + [{"name": name} for name in tags],
        "paths": paths,
        "components": {
            "schemas": {name: components[name] for name in sorted(used)},
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
        statuses |= {400, 413, 415}
    handler = operation.handler
    text = " ".join((handler.__doc__ or "").split())
    described = {
        "operationId": f"{handler.__module__.rpartition('.')[2]}_{handler.__name__}"
        f"_{operation.method.lower()}",
        "tags": [operation.resource.tag],
        "summary": operation.summary,
        "description": f"{text}\n\nRole: `{operation.role}`.".strip(),
        "parameters": [
            *path_parameters(operation.path),
            *_query_parameters(operation.query, schema_of, components),
            *header_parameters(operation.headers, required=False),
        ],
        "responses": {
            str(status): _answer(status, answer, schema_of)
            | ({"headers": {"ETag": _ETAG}} if operation.tagged else {})
            for status, answer in operation.answers.items()
        }
        | problem_answers(statuses, schema_of),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[operation.body]}},
        }
    return described


def _answer(status: int, answer: Any, schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    if status == 304:
        return {"description": "Not modified; the answer has no body."}
    if answer is None:
        return {"description": "Done; the answer has no body."}
    if isinstance(answer, str):
        return {"description": "A stream.", "content": {answer: {"schema": {"type": "string"}}}}
    return {
        "description": "Done.",
        "content": {"application/json": {"schema": schema_of[answer]}},
    }


def problem_answers(statuses: set[int], schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(status): {
            "description": _PROBLEMS[status],
            "content": {CONTENT_TYPE: {"schema": schema_of[ProblemDetails]}},
        }
        for status in sorted(statuses)
    }


def path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", path)
    return [
        _parameter(name, "path", f"^{PARAMETERS[name][0]}$", PARAMETERS[name][1]) for name in names
    ]


def header_parameters(
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
        choices = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
        (choice,) = choices
        if "enum" in choice:
            choice = {**choice, "enum": [one for one in choice["enum"] if one is not None]}
        shown = {key: value for key, value in choice.items() if key != "default"}
        if schema.get("default") is not None:
            shown["default"] = schema["default"]
        description = shown.pop("description", None)
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
