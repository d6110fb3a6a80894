"""Signs of several characters stay whole wherever they are shown, and wherever a text is cut."""

import unicodedata

import pytest

from bot import characters
from bot.demo import payloads
from bot.domain import sizes, texts
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot

SIGNS = {
    "a family": "👨\u200d👩\u200d👧\u200d👦",
    "a heart": "❤\ufe0f",
    "a skin tone": "👍🏽",
    "a person with both": "🧑🏿\u200d🚀",
    "a flag": "🇩🇪",
    "another flag": "🏳\ufe0f\u200d🌈",
    "the flag of a region": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a keycap": "1\ufe0f\u20e3",
    "accents": "e\u0301\u0323",
    "a conjunct": "क्षि",
    "a syllable in parts": unicodedata.normalize("NFD", "한"),
}
# What is no sign of one piece, but has to be kept
WORDS = {
    "Persian": "می\u200cخواهم",  # noqa: RUF001
    "Hebrew": "\u200fשלום",  # noqa: RUF001
    "newer than this Python": "🫨\U0001fae9",
    "a soft hyphen": "check\u00adout",
}


@pytest.mark.parametrize("name", [*SIGNS, *WORDS])
def test_what_is_invisible_is_kept_in_what_is_shown(name: str) -> None:
    text = {**SIGNS, **WORDS}[name]
    assert texts.code(f"a {text} b") == f"`a {text} b`"
    assert characters.is_plain(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb\u2066c\u2069d", "`a b c d`"),  # what turns the direction
        ("a\nb\tc\x00d\x1b[1m\u2028e", "`a b c d [1m e`"),
        ("\u200b\u200d\ufe0f", "(empty)"),
        ("", "(empty)"),
    ],
)
def test_what_has_no_place_in_a_line(text: str, shown: str) -> None:
    assert texts.code(text).strip("`") == shown.strip("`")
    assert not text or characters.is_plain(text) == (text == characters.plain(text))


@pytest.mark.parametrize("name", SIGNS)
def test_a_cut_is_between_signs(name: str) -> None:
    sign = SIGNS[name]
    text = f"x{sign * 4}"
    whole = {f"x{sign * count}" for count in range(5)}
    for room in range(1, len(text) + 1):
        begun = characters.begin(text, room)
        assert begun in whole and room - len(begun) < len(sign)
        assert characters.shortened(text, room).removesuffix("…") in {"", *whole}
    assert characters.begin(text, 500) == text
    # Each way of cutting one line goes by it.
    long = sign * 200
    assert texts.code(long).strip("`").removesuffix("…") == sign * (119 // len(sign))
    (line, _, note) = sizes.cut(sign * 2_000, 400, "{left}").split("\n")
    assert set(line.split(sign)) == {""} and note


def test_what_is_no_sign_of_any_script_is_cut() -> None:
    for text in ("e" + "\u0301" * 5_000, "\u200d" * 5_000, "\u0301" * 5_000):
        assert len(characters.begin(text, 100)) == 100
    assert len(characters.begin("🇩" * 5_001, 100)) == 100
    assert len(characters.begin("🇩" * 5_001, 99)) == 98


# --- Through the front door

FAMILY, ENGLAND = SIGNS["a family"], SIGNS["the flag of a region"]


@sqlite_only
@token_only
async def test_comments_and_issues_keep_them(scene: Scene) -> None:
    name = f"{FAMILY} {WORDS['Persian']} ❤\ufe0f"
    await scene.bot.experiment("family", name=name)
    number = await scene.open("experiment_key: family")
    await scene.work()
    (comment,) = scene.comments(number)
    assert name in comment
    label = f"{FAMILY} team"
    title = f"{FAMILY} of {ENGLAND}"
    await scene.say(
        number, f'/experiment issue "{title}" label="{label}"\n/experiment lnik {title}'
    )
    (issue,) = scene.github.issues(REPOSITORY)
    assert (issue["title"], issue["labels"][0]["name"]) == (title, label)
    (reply,) = scene.replies(number)
    assert f"`/experiment lnik {title}`" in reply


@sqlite_only
async def test_names_may_have_them(bot: Bot) -> None:
    integration = await bot.integration(config={"label": FAMILY})
    answer = await bot.get(f"/api/v1/integrations/{integration}")
    assert answer.body["config"]["label"] == FAMILY
    browser = await Browser.sign_in(bot)
    await browser.get("/tokens")
    page = await browser.post("/tokens", {"name": FAMILY, "role": "viewer"})
    assert page.status == 200 and FAMILY in page.text
    turned = {"config": {"label": "a\u202eb"}}
    assert (await bot.patch(f"/api/v1/integrations/{integration}", turned)).status == 422


@sqlite_only
async def test_pages_cut_between_them(bot: Bot) -> None:
    integration = await bot.integration()
    for number in range(1, 9):
        title = f"{'x' * number}{FAMILY * 20}"
        pull = payloads.pull_request(
            "opened",
            number,
            "2026-03-02T10:05:00Z",
            repo=REPO,
            title=title,
            body=f"experiment_key: no-{number}",
        )
        await bot.tell(integration, pull)
    page = await (await Browser.sign_in(bot)).get("/unresolved")
    assert page.text.count(f"{FAMILY}…") == 8
    assert page.text.count(FAMILY) > 8 * 9


@sqlite_only
async def test_the_audit_cuts_between_them(bot: Bot) -> None:
    """In the list of the API and on its page, which shows less of each value."""
    for number in range(8):
        await bot.experiment(f"key-{number}", description=f"{'x' * number}{FAMILY * 200}")
    for one in (await bot.get("/api/v1/audit?type=experiment.created")).items:
        text = one["after"]["description"].lstrip("x")
        assert set(text.split(FAMILY)) == {"", "…"}
    page = await (await Browser.sign_in(bot)).get("/audit")
    assert page.text.count(f"{FAMILY}…") >= 8
