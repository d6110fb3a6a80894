"""Whether a request is one that GitHub's own description of its API allows."""

import functools
import itertools
import json
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.github.model import Request
from tests.github.values import CONVERT, RAW, REPO, Json

OPERATIONS = Path(__file__).parents[3] / "shared" / "github" / "rest-operations.json"
API_VERSION = "2022-11-28"
_ACCEPTED = ("application/vnd.github+json", "application/vnd.github.v3+json")
_ALSO_RAW = (f"GET {REPO}/git/blobs/{{file_sha}}", f"GET {REPO}/contents/{{path}}")
_ANONYMOUS = (CONVERT, "GET /meta")


def check_schema(value: Any, schema: Json, where: str = "body", top: bool = True) -> list[str]:
    """Return what is wrong with a value by a JSON Schema, of which this knows a part."""
    if value is None and schema.get("nullable"):
        return []
    problems = _check_type(value, schema, where)
    if problems:
        return problems
    if "enum" in schema and value not in schema["enum"]:
        problems.append(f"{where}: {value!r:.80} is none of {schema['enum']}")
    if isinstance(value, str):
        problems += _check_text(value, schema, where)
    if isinstance(value, list):
        problems += _check_list(value, schema, where)
    if isinstance(value, dict):
        problems += _check_object(value, schema, where, top)
    return problems + _check_combined(value, schema, where)


def _check_type(value: Any, schema: Json, where: str) -> list[str]:
    wanted = schema.get("type")
    if wanted is None:
        return []
    types = wanted if isinstance(wanted, list) else [wanted]
    return [] if any(_is_of_type(value, one) for one in types) else [f"{where}: not {wanted}"]


def _is_of_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "object": dict,
        "array": list,
        "null": type(None),
    }
    return name in types and isinstance(value, types[name])


def _check_text(value: str, schema: Json, where: str) -> list[str]:
    problems = []
    if len(value) > schema.get("maxLength", math.inf):
        problems.append(f"{where}: longer than {schema['maxLength']}")
    if len(value) < schema.get("minLength", 0):
        problems.append(f"{where}: shorter than {schema['minLength']}")
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            problems.append(f"{where}: no date-time")
    return problems


def _check_list(value: list[Any], schema: Json, where: str) -> list[str]:
    problems = []
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        problems.append(f"{where}: {len(value)} items")
    for index, one in enumerate(value):
        problems += check_schema(one, schema.get("items", {}), f"{where}[{index}]", False)
    return problems


def _check_object(value: Json, schema: Json, where: str, top: bool) -> list[str]:
    problems = [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
    known = schema.get("properties", {})
    for name, one in value.items():
        if name in known:
            problems += check_schema(one, known[name], f"{where}.{name}", False)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        for name in value.keys() - known.keys():
            problems += check_schema(value[name], more, f"{where}.{name}", False)
    elif more is False or top:
        allowed = _property_names(schema)
        problems += [f"{where}: unknown {name}" for name in value if name not in allowed]
    return problems


def _property_names(schema: Json) -> set[str]:
    names = set(schema.get("properties", {}))
    for how in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(how, []):
            names |= _property_names(one)
    return names


def _check_combined(value: Any, schema: Json, where: str) -> list[str]:
    problems = []
    for one in schema.get("allOf", []):
        problems += check_schema(value, one, where, False)
    for how in ("oneOf", "anyOf"):
        tried = [check_schema(value, one, where, False) for one in schema.get(how, [])]
        if tried and all(tried):
            why = "; ".join(itertools.chain(*tried))[:200]
            problems.append(f"{where}: fits none of {how} ({why})")
    return problems


@functools.cache
def operations() -> dict[str, Json]:
    """Return GitHub's description of its operations; empty if it is not at hand."""
    if not OPERATIONS.exists():
        return {}
    found: dict[str, Json] = json.loads(OPERATIONS.read_bytes())["operations"]
    _restore(found)
    return found


def _restore(found: dict[str, Json]) -> None:
    """Put back the properties named `description` and `summary`, which the file leaves out."""

    def properties(template: str) -> Json:
        known: Json = found[template]["requestBody"]["schema"]["properties"]
        return known

    text = {"type": "string"}
    properties(f"POST {REPO}/labels").setdefault("description", text)
    properties(f"POST {REPO}/statuses/{{sha}}").setdefault(
        "description", {**text, "nullable": True}
    )
    for template in (f"POST {REPO}/check-runs", f"PATCH {REPO}/check-runs/{{check_run_id}}"):
        known = properties(template)
        known["output"]["properties"].setdefault("summary", {**text, "maxLength": 65535})
        known["actions"]["items"]["properties"].setdefault("description", {**text, "maxLength": 40})


def check_headers(request: web.Request, entry: Request) -> list[str]:
    problems = []
    headers = request.headers
    authorization = headers.get("Authorization")
    if authorization is None and entry.template not in _ANONYMOUS:
        problems.append("no Authorization")
    if authorization is not None and not re.fullmatch(r"Bearer [!-~]+", authorization):
        problems.append("Authorization is not of the form 'Bearer ...'")
    if not headers.get("User-Agent"):
        problems.append("no User-Agent")
    if headers.get("X-GitHub-Api-Version") != API_VERSION:
        problems.append(f"X-GitHub-Api-Version is not {API_VERSION}")
    accepted = (*_ACCEPTED, *RAW) if entry.template in _ALSO_RAW else _ACCEPTED
    if headers.get("Accept") not in accepted:
        problems.append(f"Accept is {headers.get('Accept')}")
    return problems


def check_query(entry: Request, operation: Json) -> list[str]:
    known = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
    problems = [f"no query parameter {name}" for name in entry.query if name not in known]
    for name, one in known.items():
        if name not in entry.query:
            problems += [f"the query has no {name}"] if one.get("required") else []
            continue
        text, schema = entry.query[name], one.get("schema", {})
        value: Any = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else text
        wants_text = schema.get("type", "string") == "string"
        problems += check_schema(text if wants_text else value, schema, f"query.{name}", False)
    return problems


def check_body(entry: Request, operation: Json) -> list[str]:
    described = operation.get("requestBody")
    if described is None:
        return ["a body where there is none"] if entry.body else []
    if entry.body is None:
        return ["no body"] if described.get("required") else []
    return check_schema(entry.body, described["schema"])
