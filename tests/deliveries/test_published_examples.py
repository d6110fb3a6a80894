"""Every delivery that GitHub's packages of examples hold is taken, github.com's and Enterprise's.

`make examples` fetches them with npm into `.examples`. Without them these tests are skipped; where
CI is set they fail, so that they are never forgotten.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.kit.marks import leave, slow
from tests.kit.running import Bot

pytestmark = slow

FOLDER = Path(__file__).parents[2] / ".examples" / "node_modules" / "@octokit"
TAKEN = ({"processed": True}, {"processed": False, "reason": "no handler"})
HANDLED = {"installation", "issues", "ping", "pull_request", "push"}

Example = tuple[str, dict[str, Any]]


def found(package: str, pattern: str) -> list[Path]:
    """Return the files of a package that fit a pattern; skips, or fails in CI, without it."""
    files = sorted((FOLDER / package).glob(pattern))
    if not files:
        why = f"@octokit/{package} is not here: `make examples` fetches it, which takes npm"
        leave(why)
    return files


def contributed(file: Path) -> Iterator[Example]:
    """Return the examples of one GitHub in `@octokit/webhooks-examples`."""
    for event in json.loads(file.read_text("utf-8")):
        for example in event["examples"]:
            yield event["name"], example


def described(file: Path) -> Iterator[Example]:
    """Return the examples in an OpenAPI description of `@octokit/openapi-webhooks`."""
    document = json.loads(file.read_text("utf-8"))
    for webhook in document["webhooks"].values():
        event = webhook["post"]["operationId"].partition("/")[0].replace("-", "_")
        content = webhook["post"]["requestBody"]["content"]["application/json"]
        for example in content.get("examples", {}).values():
            name = example["$ref"].rpartition("/")[2]
            yield event, document["components"]["examples"][name]["value"]


async def all_are_taken(bot: Bot, examples: list[Example]) -> set[str]:
    """Deliver examples; return the names of the events that were handled."""
    integration = await bot.integration()
    handled = set()
    for event, example in examples:
        answer = await bot.deliver(integration, event, example)
        assert (answer.status, answer.body in TAKEN) == (200, True), (event, answer.body)
        if answer.body == TAKEN[0]:
            handled.add(event)
    listed = await bot.walk(f"/api/v1/integrations/{integration}/deliveries", limit=200)
    assert len(listed) == len(examples)
    assert {one["status"] for one in listed} <= {"processed", "ignored"}
    return handled


async def test_contributed_examples(bot: Bot) -> None:
    """github.com's, and those of each Enterprise Server; through one integration for each."""
    files = found("webhooks-examples", "*/index.json")
    names = {file.parent.name for file in files}
    assert "api.github.com" in names and len(names) > 4
    for file in files:
        assert await all_are_taken(bot, list(contributed(file))) >= HANDLED, file.parent.name


async def test_described_examples(bot: Bot) -> None:
    """Those of the newest Enterprise Servers, of Enterprise Cloud and of github.com."""
    files = found("openapi-webhooks", "generated/*.json")
    assert any(file.name.startswith("ghes-") for file in files)
    for file in files:
        examples = list(described(file))
        assert examples, file.name
        assert await all_are_taken(bot, examples) >= {"check_run", "ping"}, file.name
