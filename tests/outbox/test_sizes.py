"""Texts that would be longer than GitHub takes are cut, and say so."""

import re

import pytest

from bot import storage as store
from bot.domain import sizes, tracking
from bot.domain.verdicts import verdict_of
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene

ROW = re.compile(r"\| \[`.*`\]\(http.*\) \| `k-.*` \| .* \| `.*` \|( \d+ \| \d+ \|)?")


async def many(scene: Scene) -> list[str]:
    """Make experiments of long names and owners, whose characters have four bytes."""
    keys = [f"k-{number:03}-{'x' * 120}" for number in range(80)]
    for key in keys:
        await scene.bot.experiment(key, name="\N{ROCKET}" * 200, owner="\N{ROCKET}" * 200)
    return keys


@sqlite_only
@token_only
async def test_a_status_comment_of_more_than_it_has_room_for(scene: Scene) -> None:
    keys = await many(scene)
    number = await scene.open("")
    for start in range(0, len(keys), 20):
        await scene.say(number, f"/experiment link {' '.join(keys[start : start + 20])}")
    (comment,) = [one for one in scene.comments(number) if "experiment-bot:status" in one]
    assert len(comment) <= sizes.BODY
    rows = [line for line in comment.split("\n") if line.startswith("| [")]
    assert all(ROW.fullmatch(row) for row in rows) and 10 < len(rows) < 80
    page = f"/pull-requests/acme/shop/{number})."
    assert f"\n\n… and {80 - len(rows)} more: see [all of them](" in comment and page in comment
    assert comment.rstrip().endswith("-->") and "</details>" in comment
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_a_reply_of_more_than_it_has_room_for(scene: Scene) -> None:
    keys = await many(scene)
    number = await scene.open("")
    line = f"/experiment status {' '.join(keys[:20])}"
    comment = await scene.say(number, "\n".join([line] * 10))
    assert scene.reactions(comment) == ["eyes", "rocket"]
    (reply,) = scene.replies(number)
    assert len(reply) <= sizes.BODY
    text, _, marker = reply.rstrip().rpartition("\n\n")
    body, _, note = text.rpartition("\n\n")
    assert re.fullmatch(r"… and \d+ more lines, for which a comment has no room: .*", note)
    assert ROW.fullmatch(body.split("\n")[-1]) or body.endswith(":")
    assert marker.startswith("<!-- experiment-bot:reply")


@pytest.mark.parametrize("status", ["active", "completed", None])
def test_a_check_of_more_than_it_has_room_for(status: store.ExperimentStatus | None) -> None:
    keys = [f"{number:04}-{'x' * 120}" for number in range(2000)]
    linked = [store.KeyedExperiment(key, "body", "N", status) for key in keys]
    verdict = verdict_of(lambda _: [], linked, "on", is_told=True)
    assert verdict is not None
    assert len(verdict.title) == sizes.STATUS and verdict.title.endswith("…")
    assert len(verdict.summary.encode()) <= sizes.SUMMARY
    shown = verdict.summary.count("-x")
    assert f"- … and {2000 - shown} more, which the details page lists." in verdict.summary


LONG = "word " * 20_000
BODIES = {
    "lines": ("line\n" * 30_000, "line"),
    "a block of code": ("Text\n\n````python\n" + "a = 1\n```\n" * 30_000, "````"),
    "a block of code that ends": ("```\na\n```\n" + "line\n" * 30_000, "line"),
    "a line": (LONG, "word"),
    "characters of four bytes": ("\N{ROCKET}" * 70_000, "\N{ROCKET}"),
    "all that fits": ("\N{ROCKET}" * 60_000, "\N{ROCKET}"),
}


@pytest.mark.parametrize("what", BODIES)
def test_an_issue_of_more_than_it_has_room_for(what: str) -> None:
    """The API takes no more than fits; an extension's command may order more."""
    given, last = BODIES[what]
    body = tracking.body_of({"body": given}, "01a21759-f110-7061-8869-b30978df2d5c")
    assert len(body) <= sizes.BODY
    text, _, marker = body.rpartition("\n\n")
    assert tracking.action_of(marker) == "01a21759-f110-7061-8869-b30978df2d5c"
    if what != "all that fits":
        text, _, note = text.rpartition("\n\n")
        assert note.startswith("… and ")
    assert text.rstrip().endswith(last)
