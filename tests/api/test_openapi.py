"""The OpenAPI description: valid, complete, and kept to the letter by the running service."""

import asyncio
import html
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from bot.api.resources import RESOURCES
from bot.demo import payloads
from bot.extensions import instances, modules_of
from bot.settings import Settings
from bot.web.operations import Operations
from tests.github import GitHub
from tests.kit.marks import slow
from tests.kit.running import ADMIN_TOKEN, Bot, start

# The description is the same on both engines; PostgreSQL is the one that takes less nonsense.
pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
METHODS = ("get", "put", "post", "delete", "patch")
OF_THE_API = ("/api/", "/healthz", "/readyz", "/metrics")  # all else is a page for people


@pytest.fixture
async def document(bot: Bot) -> dict[str, Any]:
    answer = await bot.get("/api/v1/openapi.json", token=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = answer.body
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): item[method]
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def test_the_description_is_valid(document: dict[str, Any]) -> None:
    """By the published schema of OpenAPI 3.1."""
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def test_an_answer_says_what_is_done(document: dict[str, Any]) -> None:
    """And a time may be a day, as the service takes it."""
    told = operations(document)
    ordered = told["POST", "/api/v1/experiments/{key}/issues"]["responses"]
    assert "not done" in ordered["202"]["description"].lower()
    parameters = {one["name"]: one for one in told["GET", "/api/v1/shipped"]["parameters"]}
    formats = {one["format"] for one in parameters["since"]["schema"]["anyOf"]}
    assert formats == {"date-time", "date"}


def test_every_route_is_described(bot: Bot, document: dict[str, Any]) -> None:
    """And nothing is described that is no route."""
    routes = {
        (route.method, route.resource.canonical)
        for route in bot.runner.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
        if route.resource.canonical.startswith(OF_THE_API)
    }
    assert routes == set(operations(document))


def test_every_resource_is_served(document: dict[str, Any]) -> None:
    """A module with operations stands in the list that gives them their order."""
    written = instances(modules_of("bot.api"), Operations)
    assert {one.tag for one in written} <= {tag["name"] for tag in document["tags"]}
    assert {id(one) for one in written} == {id(one.operations) for one in RESOURCES}


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    """Each has a name of its own, a summary, and a description of every answer and parameter."""
    described = operations(document)
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)
    for operation in described.values():
        assert operation["summary"] and operation["tags"]
        assert all(answer["description"] for answer in operation["responses"].values())
        for parameter in operation.get("parameters", ()):
            assert parameter["schema"]
            if parameter["in"] == "path":
                assert parameter["required"] and parameter["description"]


def test_what_may_go_wrong_is_described(document: dict[str, Any]) -> None:
    """An address that cannot be, no token, a low role, a busy database: all have their status."""
    for (_, path), operation in operations(document).items():
        expected = {"404"} if "{" in path else set()
        if operation.get("security") != []:
            expected |= {"401", "403", "422", "503"}
        if "requestBody" in operation:
            expected |= {"400", "408", "413", "415"}
        assert expected <= operation["responses"].keys(), path


def test_the_stream_tells_how_to_resume(document: dict[str, Any]) -> None:
    """`Last-Event-ID` is a parameter, and a 400 says that it is malformed."""
    stream = document["paths"]["/api/v1/activity/stream"]["get"]
    headers = [one["name"] for one in stream["parameters"] if one["in"] == "header"]
    assert headers == ["Last-Event-ID"]
    assert {"200", "400", "401"} <= stream["responses"].keys()


async def test_the_page_lists_every_operation(bot: Bot, document: dict[str, Any]) -> None:
    """The human page needs no token, runs no script, and leaves nothing out."""
    answer = await bot.get("/api/v1/docs", token=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "<script" not in answer.body
    assert not re.search(r"\s(style|on\w+)=", answer.body), "the policy allows none of these"
    assert "`" not in answer.body, "code is shown as code"
    text = html.unescape(re.sub(r"<[^>]+>", "", answer.body))
    for (method, path), operation in operations(document).items():
        assert f"{method} {path}" in text
        assert operation["summary"] in text
    for name in document["components"]["schemas"]:
        assert f'id="type-{name}"' in answer.body
        assert "." not in name, "two types have one name: the module that it is in is shown"
    anchors = set(re.findall(r'href="#([^"]+)"', answer.body))
    assert anchors <= set(re.findall(r'id="([^"]+)"', answer.body))


SCHEMATHESIS = """
base-url = "{url}"
seed = 1
warnings = false
max-stream-events = 1

[headers]
Authorization = "Bearer {token}"

[generation]
max-examples = 3
database = "none"

# Part of the addresses lead to what is there, so that more than 404s is seen.
[dictionaries]
integrations = {{ values = ["{integration}"] }}
deliveries = {{ values = ["{delivery}"] }}
keys = {{ values = ["known"] }}
owners = {{ values = ["acme"] }}
repositories = {{ values = ["shop"] }}

[parameters]
"path.integration_id" = {{ dictionary = "integrations", probability = 0.6 }}
"path.delivery_id" = {{ dictionary = "deliveries", probability = 0.8 }}
"path.key" = {{ dictionary = "keys", probability = 0.4 }}
"path.owner" = {{ dictionary = "owners", probability = 0.8 }}
"path.repo" = {{ dictionary = "repositories", probability = 0.8 }}

# No schema can say that a token excludes an App's id, that a PEM holds an RSA key, or which
# addresses the service's own settings allow, so not all that fits the schema is taken.
[[operations]]
include-path-regex = "^/api/v1/integrations(/\\\\{{integration_id\\\\}})?$"
include-method = ["POST", "PUT", "PATCH"]
checks = {{ positive_data_acceptance = {{ enabled = false }} }}

# The stream has no end of its own. The coverage phase, unlike fuzzing, sends `Last-Event-ID: 0` as
# a good value whatever the pattern says.
[[operations]]
include-path = "/api/v1/activity/stream"
request-timeout = 0.3
phases = {{ coverage = {{ checks = {{ positive_data_acceptance = {{ enabled = false }} }} }} }}
"""


def without_what_no_schema_can_say(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what only the service can make, and a key that repeats the address's."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    made_here = ("cursor", "If-Match", "If-None-Match")
    for operation in operations(changed).values():
        parameters = operation.get("parameters", [])
        operation["parameters"] = [one for one in parameters if one["name"] not in made_here]
    changed["components"]["schemas"]["ExperimentReplace"]["properties"].pop("key", None)
    return changed


@slow
async def test_schemathesis_finds_nothing(
    settings: Settings, document: dict[str, Any], tmp_path: Path
) -> None:
    """Every operation with generated requests, good and bad, against all of the default checks."""
    github = await GitHub.start()
    github.add_token("ghp_of_the_tests", "experiment-bot")
    bot = await start(replace(settings, github_api_urls=(github.url,)))
    try:
        await _generate_requests(bot, document, tmp_path)
    finally:
        await bot.close()
        await github.close()


async def _generate_requests(bot: Bot, document: dict[str, Any], tmp_path: Path) -> None:
    integration = await bot.integration()
    delivery = "6dfb3c4e-6f4e-4c68-a1de-6a26e2dbb3f2"
    await bot.experiment("known")
    payload = payloads.pull_request(
        "opened",
        7,
        "2026-03-02T10:00:00Z",
        repo=payloads.repository("acme/shop"),
        body="experiment_key: known, unknown",
    )
    await bot.deliver(integration, "pull_request", payload, guid=delivery)
    (tmp_path / "api.json").write_text(json.dumps(without_what_no_schema_can_say(document)))
    (tmp_path / "schemathesis.toml").write_text(
        SCHEMATHESIS.format(
            url=bot.url, token=ADMIN_TOKEN, integration=integration, delivery=delivery
        )
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "api.json"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
