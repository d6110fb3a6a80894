"""What the API's description says for people, as Markdown and on the page of it."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bot.api import service
from bot.domain import cmark
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot


def descriptions(part: Any) -> Iterator[str]:
    """Yield all that a part of the description says for people."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("description", "summary") and isinstance(value, str):
                yield value
            yield from descriptions(value)
    elif isinstance(part, list):
        for one in part:
            yield from descriptions(one)


@sqlite_only
async def test_every_description_is_markdown_without_surprises(bot: Bot) -> None:
    """Code is a span: indentation would make a block of it, whose backticks are seen."""
    document = (await bot.get("/api/v1/openapi.json", token=None)).body
    for text in descriptions(document):
        rendered = cmark.render(text)
        assert "<pre" not in rendered and "`" not in rendered, text
        assert not re.search(r"<(?!/?(?:p|code)\b)", rendered), text


@sqlite_only
async def test_the_page_says_all_that_the_description_says(bot: Bot) -> None:
    document = (await bot.get("/api/v1/openapi.json", token=None)).body
    answer = await bot.get("/api/v1/docs", token=None)
    page = " ".join(html.unescape(re.sub(r"<[^>]+>", "", answer.body)).split())
    document["components"].pop("securitySchemes")
    for text in descriptions(document):
        for paragraph in text.replace("`", "").split("\n\n"):
            assert " ".join(paragraph.split()) in page
    # Below the path of PUBLIC_URL, too
    assert 'href="openapi.json"' in answer.body


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a `b` c", "a <code>b</code> c"),
        ("``a ` b`` c", "<code>a ` b</code> c"),
        ("`<b>` & <i>", "<code>&lt;b&gt;</code> &amp; &lt;i&gt;"),
        ("`a\n  b`", "<code>a b</code>"),
        ("`<script>alert(1)</script>", "`&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("``a`", "``a`"),
    ],
)
def test_code_in_a_description(text: str, shown: str) -> None:
    assert service._with_code(text) == shown
