"""Every page fits every window, with the longest names that there can be, and stays usable.

Chromium lays out each page once and is then resized, which is quick.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from bot import storage as store
from bot.demo import payloads
from bot.domain import tokens
from bot.domain.actors import Actor
from bot.settings import Settings
from tests.kit import running
from tests.kit.chromium import Visitor, pages_of
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot

pytestmark = [slow, sqlite_only]
WIDTHS = (320, 390, 640, 641, 768, 900, 1024, 1100, 1280, 1920)
TOKEN = "a-token-of-somebody-with-a-long-name"
KEY = "K" * 128
REPOSITORY = f"{'o' * 100}/{'r' * 100}"
WHO = "l" * 100
NORMAL = {"key": "checkout-flow-v2", "name": "One page checkout", "owner": "growth"}
AT = "2026-11-02T10:00:00Z"


def long(letter: str, length: int) -> str:
    """Return text that has no place to break."""
    return letter * length


async def fill(bot: Bot) -> str:
    """Let everything be as long as it can be, beside what is usual; return an integration."""
    await bot.experiment(
        KEY,
        name=long("N", 200),
        owner=long("W", 200),
        status="active",
        hypothesis=long("H", 2_000),
        description=long("D", 2_000),
        url=f"https://{long('u', 60)}.example/{long('p', 1_900)}",
        tags=[long(chr(ord("a") + number), 100) for number in range(20)],
    )
    for status in ("paused", "completed"):
        assert (await bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})).status == 200
    answer = await bot.post("/api/v1/experiments", {**NORMAL, "status": "active"})
    assert answer.status == 201
    integration = await bot.integration(
        name=long("I", 200),
        description=long("A", 500),
        config={"repositories": [REPOSITORY, "acme/*"], "label": long("b", 50)},
    )
    await bot.integration(name="Acme")
    repo = payloads.repository(REPOSITORY)
    for number, state in enumerate(("open", "closed", "closed", "open"), 1_000_000_001):
        for group, key in enumerate((KEY, NORMAL["key"], long("U", 128))):
            pull = payloads.pull_request(
                "opened" if state == "open" else "closed",
                number + group * 10,
                AT,
                repo=repo,
                title=long("T", 256),
                body=f"experiment_key: {key}",
                state=state,
                merged=number % 2 == 1,
                draft=number % 2 == 0,
                author=WHO,
                branch=long("B", 250),
            )
            await bot.tell(integration, pull)
    issue = payloads.issue(
        "opened",
        2_000_000_001,
        AT,
        repo=repo,
        title=long("S", 256),
        body=f"experiment_key: {KEY}",
        labels=(long("c", 50),),
        author=WHO,
    )
    await bot.tell(integration, issue)
    message = f"{long('M', 300)}\n\nExperiment-Key: {KEY}"
    await bot.tell(integration, payloads.push(long("B", 250), [message], repo=repo, author=WHO))
    await bot.tell(integration, {"zen": long("Z", 500), "action": long("x", 100)})
    await bot.services.database.write(_errors)
    somebody = Actor(f"github:{long('h', 60)}:1", WHO, "admin")
    await bot.services.database.write(
        lambda tx: tokens.issue(tx, long("Y", 100), "admin", somebody, secret=TOKEN)
    )
    return integration


def _errors(tx: store.Transaction) -> None:
    """Let errors be long, too, as an address in one of GitHub's is."""
    values = {"error": f"https://{long('e', 400)}.example (the credential {long('f', 200)})"}
    tx.run("UPDATE integrations SET last_error = :error", values)
    tx.run("UPDATE deliveries SET status = 'failed', error = :error WHERE seq % 2 = 0", values)
    for status, rest in (("failed", 0), ("pending", 1)):
        tx.run(
            f"""UPDATE actions SET status = '{status}', last_error = :error, collapse = NULL
                WHERE seq % 2 = {rest}""",
            values,
        )


@pytest.fixture
async def full(settings: Settings) -> AsyncIterator[tuple[Bot, str]]:
    bot = await running.start(settings)
    yield bot, await fill(bot)
    await bot.close()


# What is wrong with a page in the window as it is, in words; nothing if all is well.
LOOK = """() => {
  const found = [], width = document.documentElement.clientWidth;
  const say = (what, one) => found.push(`${what}: <${one.localName} class="${one.className}"> `
    + (one.textContent || "").trim().slice(0, 30));
  if (document.documentElement.scrollWidth > width)
    found.push(`the page is ${document.documentElement.scrollWidth - width} pixels too wide`);
  const scrolls = (one) => one && one !== document.body
    && (/auto|scroll/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
  for (const one of document.querySelectorAll("header *, main *, footer *")) {
    const box = one.getBoundingClientRect();
    if (!one.checkVisibility() || !box.width || one.closest(".sr, .skip, svg")) continue;
    const leaves = box.left < -1 || box.right > width + 1;
    if (leaves && !scrolls(one.parentElement)) say("cut off", one);
    if (one.matches("table, .table, tbody th, td") && box.width < 40 && one.textContent.trim())
      say("too narrow", one);
  }
  for (const one of document.querySelectorAll(".table"))
    if (one.scrollWidth > one.clientWidth + 1 && !(one.closest(".chart") && width < 390))
      say(`${one.scrollWidth - one.clientWidth} pixels to be moved sideways`, one);
  const walker = document.createTreeWalker(document.querySelector("body"), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const parent = node.parentElement;
    const left = ".sr, .skip, svg, script, title, pre, option";
    if (!parent.checkVisibility() || parent.closest(left)) continue;
    for (const word of node.data.matchAll(/[^\\s-]{2,20}/g)) {
      if (/[^\\s]/.test(node.data[word.index + word[0].length] ?? " ")) continue;
      if (/[^\\s]/.test(node.data[word.index - 1] ?? " ")) continue;
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1)
        found.push(`broken: ${word[0]} in <${parent.localName}> ${node.data.trim().slice(0, 30)}`);
    }
  }
  return [...new Set(found)].slice(0, 8);
}"""


async def looked_at(visitor: Visitor, pages: dict[str, str]) -> dict[str, list[str]]:
    """Return what is wrong with which page at which width."""
    wrong = {}
    for name, path in pages.items():
        await visitor.go(path)
        for details in await visitor.page.locator("main details").all():
            await details.evaluate("one => { one.open = true; }")
        for width in WIDTHS:
            await visitor.page.set_viewport_size({"width": width, "height": 900})
            if found := await visitor.page.evaluate(LOOK):
                wrong[f"{name} at {width}"] = found
    return wrong


async def test_the_longest_names_fit_every_window(
    browser: Browser,
    full: tuple[Bot, str],
) -> None:
    bot, integration = full
    visitor = await Visitor.come(browser, bot)
    wrong = await looked_at(visitor, {"sign-in": "/sign-in"})
    await visitor.sign_in(TOKEN)
    pages = await pages_of(bot, integration)
    failed = (await bot.get(f"/api/v1/integrations/{integration}/deliveries?status=failed")).items
    pages |= {
        "experiment": f"/experiments/{KEY}",
        "edit-experiment": f"/experiments/{KEY}/edit",
        "experiments-filtered": f"/experiments?owner={long('W', 200)}&q={long('q', 200)}",
        "new-integration": "/integrations/new?auth=app",
        "failed-delivery": f"/integrations/{integration}/deliveries/{failed[0]['id']}",
        **{
            f"all-{kind}": f"/experiments/{KEY}/{kind}"
            for kind in ("pull-requests", "issues", "commits")
        },
        "outbox-all": "/outbox?status=all",
    }
    wrong |= await looked_at(visitor, pages)
    assert not wrong, "\n".join(f"{where}: {'; '.join(what)}" for where, what in wrong.items())


async def test_the_user_menu_is_inside_every_window(
    browser: Browser,
    full: tuple[Bot, str],
) -> None:
    bot, _ = full
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in(TOKEN)
    await visitor.go("/experiments")
    summary, menu = visitor.page.locator(".who summary"), visitor.page.locator(".who .menu")
    await summary.click()
    for width in WIDTHS:
        await visitor.page.set_viewport_size({"width": width, "height": 900})
        assert await visitor.overflow() == 0, width
        for part in (summary, menu, menu.get_by_role("button", name="Sign out everywhere")):
            box = await part.bounding_box()
            assert box is not None
            assert box["x"] >= 0 and box["x"] + box["width"] <= width, (width, box)
