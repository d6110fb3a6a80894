"""What counts as text however it is nested, against how it was made and a second reader."""

import os
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from bot.commands import parser
from bot.demo import payloads
from bot.domain import keys
from tests.domain import nestings, second_reader
from tests.domain.nestings import KEY, Piece
from tests.kit.deliveries import REPO
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot

EXAMPLES = int(os.environ.get("EXAMPLES", "300"))  # more by hand, and then other ones each time
AT = "2026-03-02T10:05:00Z"


def _in_body(text: str) -> bool:
    return KEY in keys.keys_in_markdown(text)


def _in_message(text: str) -> bool:
    return KEY in keys.keys_in_messages([text])[0]


def _in_comment(text: str) -> bool:
    return any(KEY in one.words for one in parser.parse(text))


def _second_for_keys(text: str) -> bool:
    return second_reader.names(text, KEY)


def _second_for_commands(text: str) -> bool:
    return second_reader.commands(text, KEY)


Make = Callable[[Random], Piece]
Read = Callable[[str], bool]
KINDS: dict[str, tuple[Make, Read, Read]] = {
    "body": (nestings.body, _in_body, _second_for_keys),
    "message": (nestings.message, _in_message, _second_for_keys),
    "comment": (nestings.comment, _in_comment, _second_for_commands),
}


@slow
@pytest.mark.parametrize("kind", KINDS)
@thoroughness(max_examples=EXAMPLES, derandomize=EXAMPLES == 300, deadline=None, database=None)
@given(rng=st.randoms(use_true_random=False))
def test_a_line_counts_unless_something_around_it_hides_it(kind: str, rng: Random) -> None:
    make, read, second = KINDS[kind]
    piece = make(rng)
    told = f"{' in '.join(piece.around)}:\n{piece.text}"
    assert second(piece.text) == piece.counts, f"the second reader differs from the making: {told}"
    assert read(piece.text) == piece.counts, f"the bot differs from the making: {told}"


@slow
@sqlite_only
async def test_deliveries_link_what_counts(bot: Bot) -> None:
    """The same through the front door, each text in a pull request of its own."""
    integration = await bot.integration()
    pieces = {number: nestings.body(Random(number)) for number in range(1, 41)}
    for number, piece in pieces.items():
        await bot.tell(
            integration,
            payloads.pull_request("opened", number, AT, repo=REPO, body=piece.text),
        )
    linked = {one["number"] for one in await bot.walk("/api/v1/links/unresolved")}
    assert linked == {number for number, piece in pieces.items() if piece.counts}
    assert 10 < len(linked) < 30, "the sample shows both"
