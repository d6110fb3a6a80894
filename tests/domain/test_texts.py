"""What counts as text, through the front door: what is written on GitHub, and what is linked."""

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "cases/texts.json").read_text()
)
# Of the same kinds: what is invisible may stand as an entity, and what is escaped begins nothing.
CASES += [
    {"kind": kind, "name": name, "text": text, "keys": ["alpha"]}
    for kind, name, text in (
        ("comment", "invisible-entity", "&#8203;/experi&shy;ment&zwj; link al&NoBreak;pha"),
        ("comment", "escaped-sign", "Begin with \\<!-- here.\n/experiment link alpha"),
        ("comment", "sign-as-entity", "Begin with &lt;!-- here.\n/experiment link alpha"),
        ("title", "invisible-entity", "&#8203;Track experiment: al&shy;pha"),
    )
]
AT = "2026-03-02T10:05:00Z"


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    """The cases whose text stands in one of these places."""
    cases = [case for case in CASES if case["kind"] in kinds]
    names = [f"{case['kind']}-{case['name']}" for case in cases]
    return pytest.mark.parametrize("case", cases, ids=names)


async def linked(bot: Bot) -> dict[str, set[str]]:
    """Return the kinds of what is linked, by key."""
    found: dict[str, set[str]] = {}
    for one in await bot.walk("/api/v1/links/unresolved"):
        found.setdefault(one["experiment_key"], set()).add(one["kind"])
    return found


@sqlite_only
@of_kind("body", "message", "title")
async def test_what_a_delivery_links(bot: Bot, case: dict[str, Any]) -> None:
    integration = await bot.integration()
    text = case["text"]
    if case["kind"] == "message":
        told = {"commit": payloads.push("main", [text], repo=REPO)}
    elif case["kind"] == "title":
        told = {"issue": payloads.issue("opened", 5, AT, repo=REPO, title=text)}
    else:
        opened = payloads.pull_request("opened", 7, AT, repo=REPO, body=text)
        issue = payloads.issue("opened", 5, AT, repo=REPO, body=text)
        told = {"pull_request": opened, "issue": issue}
    await bot.tell(integration, *told.values())
    assert await linked(bot) == {key: set(told) for key in case["keys"]}


@sqlite_only
@token_only
@of_kind("comment")
async def test_what_a_comment_links(scene: Scene, case: dict[str, Any]) -> None:
    for key in ("alpha", "beta"):
        await scene.bot.experiment(key)
    number = await scene.open("No key here")
    await scene.say(number, case["text"])
    answer = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
    assert [one["key"] for one in answer.body["experiments"]] == case["keys"]


async def test_what_nobody_sees_is_kept_in_what_is_shown(bot: Bot) -> None:
    """A title and a message are shown as they were written."""
    integration = await bot.integration()
    await bot.experiment("checkout")
    title = "\u200bTrack experiment\\: check\u00adout"
    await bot.tell(integration, payloads.issue("opened", 5, AT, repo=REPO, title=title))
    message = "\ufeff👩\u200d💻 Page\n\nExperiment-Key: checkout\u200b"
    await bot.tell(integration, payloads.push("main", [message], repo=REPO))
    (issue,) = await bot.walk("/api/v1/experiments/checkout/issues")
    (commit,) = await bot.walk("/api/v1/experiments/checkout/commits")
    assert (issue["title"], issue["linked_by"]) == (title, "title")
    assert (commit["message"], commit["linked_by"]) == (message, "message")


@sqlite_only
@token_only
async def test_a_key_in_a_command_is_found_whatever_is_invisible_in_it(scene: Scene) -> None:
    """The key that was typed is not suggested; in the title of an issue an emoji stays whole."""
    await scene.bot.experiment("checkout-flow-v2")
    number = await scene.open("No key here")
    await scene.say(number, "/experiment link \u200echeckout\u2060-flow\u00ad-v2\u200b")
    await scene.say(number, '/experiment issue "👩\u200d💻 ❤\ufe0f" key=checkout-flow-v2\u200b')
    assert scene.replies(number) == []
    answer = await scene.bot.get("/api/v1/experiments/checkout-flow-v2/issues")
    assert [one["title"] for one in answer.items] == ["👩\u200d💻 ❤\ufe0f"]


HOSTILE = (
    "- - - - a\n",
    "- experiment_key: a\n",
    "&#97;",
    "~~~\n",
    "> ",
    "<div>",
    "<b a>x",
    "|a|b|\n|-|-|\n",
    "*a_",
    "<!--",
    "a@",
    "[",
)


@sqlite_only
@slow
async def test_a_push_of_hostile_messages_is_answered(bot: Bot, log_stream: io.StringIO) -> None:
    """As many as GitHub sends, as long as fit: each is read once, linked, and on the page."""
    integration = await bot.integration()
    await bot.experiment("a")
    messages = [
        f"Commit {number}\n\nexperiment_key: a\n\n{unit * (10_000 // len(unit))}"
        for number in range(2_048)
        for unit in [HOSTILE[number % len(HOSTILE)]]
    ]
    push, guid = payloads.push("feature", messages, repo=REPO), str(uuid.uuid4())
    tries = 1
    while (answer := await bot.deliver(integration, "push", push, guid=guid)).status == 503:
        tries += 1  # a busy machine takes longer than GitHub waits
    assert answer.status == 200
    assert (await bot.get("/api/v1/experiments/a")).body["counts"]["commits"] == 2_048
    assert 1 <= log_stream.getvalue().count("messages of a push read line by line") <= tries
    page = await (await Browser.sign_in(bot, "viewer")).get("/experiments/a")
    assert page.status == 200
