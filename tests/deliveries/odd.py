"""Deliveries with something odd in them."""

import json
from typing import Any

from bot.demo import payloads
from tests.kit.deliveries import PROCESSED, REPO, at
from tests.kit.running import Bot


def pull(minute: int = 0, number: int = 7, **values: Any) -> payloads.Payload:
    values = {"repo": REPO, "body": "experiment_key: a", "action": "edited", **values}
    return payloads.pull_request(values.pop("action"), number, at(minute), **values)


def issue(minute: int = 0, number: int = 3, **values: Any) -> payloads.Payload:
    values = {"repo": REPO, "body": "experiment_key: a", "action": "edited", **values}
    return payloads.issue(values.pop("action"), number, at(minute), **values)


def push(*messages: str, **values: Any) -> payloads.Payload:
    return payloads.push("main", [f"{one}\n\nExperiment-Key: a" for one in messages], repo=REPO)


async def tell(bot: Bot, integration: str, event: str, payload: Any, odd: str = "") -> None:
    """Deliver; `odd` stands in the JSON as an escape for each `ODD` in the payload."""
    text = json.dumps(payload).replace("ODD", json.dumps(odd)[1:-1])
    answer = await bot.signed(integration, event, text.encode())
    assert (answer.status, answer.body) == (200, PROCESSED)


async def linked(bot: Bot, kind: str) -> list[dict[str, Any]]:
    return await bot.walk(f"/api/v1/experiments/a/{kind}")


async def only(bot: Bot, kind: str) -> dict[str, Any]:
    (one,) = await linked(bot, kind)
    return one


ODD: list[Any] = [None, 7, "x", True, [], {}, {"name": None}, {"login": 5}]
