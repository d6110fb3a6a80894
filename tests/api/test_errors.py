"""What the API says of what cannot be: every word of it, as callers may have come to rely on it."""

import json
from pathlib import Path
from typing import get_args

import pytest

from bot.api import integrations
from bot.dashboard import experiment
from bot.domain.errors import Code, FieldError, Invalid
from bot.web import validation
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

FILE = Path(__file__).parents[1] / "cases/api_errors.json"


@pytest.mark.golden
@sqlite_only
async def test_words(bot: Bot, request: pytest.FixtureRequest) -> None:
    """Each request of the file, in its order, is answered with the words that stand beside it.

    `make golden` writes the words anew, for review.
    """
    cases = json.loads(FILE.read_text())
    found = []
    for case in cases:
        method, path, body = case["request"]
        answer = await bot.request(method, path, json=body)
        names = ("error", "detail", "errors") if answer.status >= 400 else ()
        said = {name: answer.body[name] for name in names if name in answer.body}
        found.append({"request": case["request"], "status": answer.status, **said})
    if request.config.getoption("--renew-golden"):
        lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in found)
        FILE.write_text(f"[\n{lines}\n]\n")
    else:
        assert found == cases


def test_no_code_is_without_words() -> None:
    """What can be wrong with a field is told in the API's words, or in those of its page."""
    codes = {code for some in get_args(Code) for code in get_args(some)}
    assert codes == {*validation._WORDS, *experiment._LINKING}


async def test_a_name_of_digits_is_a_name(bot: Bot) -> None:
    """However many: it is not read as a number."""
    digits = "1" * 5000
    for answer in (
        await bot.get(f"/api/v1/experiments?{digits}=1"),
        await bot.post("/api/v1/experiments", {"key": "a", "name": "A", digits: 1}),
        await bot.get("/api/v1/experiments?007=1"),
    ):
        assert answer.status == 422
        (error,) = answer.body["errors"]
        assert error["message"] == f"Object contains unknown field `{error['field']}`"
        assert error["field"] in (digits, "007")


def test_sentences_are_read_as_data() -> None:
    """What msgspec says of lists and of many names comes back in its own words, too."""
    config = {"token": "x", "webhook_secret": "0123456789abcdef"}
    for more, expected in (
        ({"repositories": ["a/b"] * 1001}, FieldError("config.repositories", "too_many", 1000)),
        (
            {"commands": {str(number): "read" for number in range(101)}},
            FieldError("config.commands", "too_many_names", 100),
        ),
    ):
        sent = {"name": "T", "integration_type": "GITHUB", "config": {**config, **more}}
        try:
            validation.fit(sent, integrations.IntegrationCreate)
        except Invalid as error:
            assert error.errors == (expected,)
            assert validation.words(expected).endswith(f"of length <= {expected.limit}")
        else:
            raise AssertionError("it was taken")
