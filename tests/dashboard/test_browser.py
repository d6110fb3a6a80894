"""The dashboard in a real browser: Debian's Chromium, found on the path.

Without it these tests are skipped; where CI is set they fail, so that they are never forgotten.
"""

import os
import re
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests.kit.chromium import KEY, PHONE, WIDE, Visitor, deliver_pull, demo, pages_of, step
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene
from tests.kit.running import ADMIN_TOKEN, SECRET, Bot

pytestmark = sqlite_only

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"


# --- From nothing to the first linked pull request


async def test_the_first_run_ticks_itself_off(browser: Browser, bot: Bot) -> None:
    """Sign in, integration, webhook, experiment, pull request: with no page loaded again."""
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    page = visitor.page
    await visitor.go("/")
    await expect(page).to_have_url(f"{bot.url}/start")
    await expect(step(page, "Connect GitHub")).to_have_attribute("aria-current", "step")
    await page.get_by_role("link", name="Use a token").click()
    await page.get_by_label("Name", exact=True).fill("Shop")
    await page.get_by_label("Token", exact=True).fill("ghp_of_the_tests")
    await page.get_by_label("Generate a strong secret").uncheck()
    await page.get_by_label("Or enter your own").fill(SECRET)
    await page.get_by_role("button", name="Create the integration").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Shop")
    integration = (await bot.get("/api/v1/integrations")).items[0]

    await visitor.go("/start")
    await expect(step(page, "Receive the first delivery")).to_have_attribute("aria-current", "step")
    assert integration["webhook_url"] in await page.content()
    await page.evaluate("window.untouched = true")
    await bot.deliver(integration["id"], "ping", {"zen": "Keep it simple."})
    await expect(step(page, "Receive the first delivery")).to_contain_text("done")
    await bot.experiment(KEY, name="One page checkout")
    await expect(step(page, "Create the first experiment")).to_contain_text("done")
    await deliver_pull(bot, integration["id"])
    await expect(step(page, "Link the first pull request")).to_contain_text("done")
    await expect(page.get_by_text("Everything is set up")).to_be_visible()
    assert await page.evaluate("window.untouched"), "the page was loaded again"
    await visitor.go("/")
    await expect(page).to_have_url(f"{bot.url}/experiments")
    assert visitor.console == []


# --- Forms


@token_only
async def test_the_forms_of_an_experiment(browser: Browser, scene: Scene) -> None:
    """Create it, look it up, give it another status, link a pull request, order an issue."""
    visitor = await Visitor.come(browser, scene.bot)
    await visitor.sign_in()
    page = visitor.page
    await visitor.go("/experiments")
    await page.get_by_role("link", name="New experiment").first.click()
    await page.get_by_label("Key", exact=True).fill(KEY)
    await page.get_by_label("Name", exact=True).fill("One page checkout")
    await page.get_by_label("Owner").fill("growth")
    await page.get_by_role("button", name="Create the experiment").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("One page checkout")

    await page.get_by_label("Status", exact=True).select_option("active")
    await page.get_by_role("button", name="Change").click()
    await expect(page.locator("#about")).to_contain_text("active")

    number = await scene.open("", tell=False)
    await page.get_by_text("Link a pull request", exact=True).click()
    await page.get_by_label("URL of the pull request").fill("https://github.com/acme/shop/issues/1")
    await page.get_by_role("button", name="Link", exact=True).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("URL of the pull request").fill(
        f"{scene.github.url}/acme/shop/pull/{number}"
    )
    await page.get_by_role("button", name="Link", exact=True).click()
    await expect(page.locator("#pulls")).to_contain_text(f"acme/shop#{number}")

    running = scene.work_on()
    await page.get_by_text("Create a tracking issue", exact=True).click()
    await page.get_by_label("Repository", exact=True).fill("acme/shop")
    await page.get_by_label("Title", exact=True).fill("Roll it out")
    await page.get_by_role("button", name="Create the issue").click()
    await expect(page.locator("#issues")).to_contain_text("Roll it out")
    running.cancel()
    assert [one["title"] for one in scene.github.issues("acme/shop")] == ["Roll it out"]

    await visitor.go("/experiments")
    await page.get_by_label("Search", exact=True).fill("no such")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_role("link", name="One page checkout")).to_have_count(0)
    await page.get_by_label("Search", exact=True).fill("checkout")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_role("link", name="One page checkout")).to_be_visible()
    assert visitor.console == []


async def test_the_forms_of_an_integration(browser: Browser, bot: Bot) -> None:
    """Edit it, rotate its secret with both accepted until the end, ask the doctor, delete it."""
    integration = await bot.integration()
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    page = visitor.page
    await visitor.go(f"/integrations/{integration}")
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("Name", exact=True).fill("Renamed")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Renamed")
    assert "ghp_of_the_tests" not in await page.content()

    await page.get_by_role("link", name="Rotate the secret").click()
    await page.get_by_label("Use my own:").check()
    await page.get_by_label("Your own secret").fill("another-secret-of-the-tests")
    await page.get_by_role("button", name="Save the new secret").click()
    await expect(page.locator("#arrivals")).to_contain_text("none yet")
    assert (await bot.deliver(integration, "ping", {"zen": "Old"})).status == 200
    new = await bot.deliver(
        integration, "ping", {"zen": "New"}, secret="another-secret-of-the-tests"
    )
    assert new.status == 200
    await expect(page.locator("#arrivals")).to_contain_text("GitHub signs with the new secret")
    await page.get_by_text("Finish the rotation", exact=True).click()
    await page.get_by_role("button", name="Accept only the new secret").click()
    await expect(page.get_by_role("status").first).to_be_visible()
    assert (await bot.deliver(integration, "ping", {"zen": "Old"})).status == 401

    await visitor.go(f"/integrations/{integration}")
    await page.get_by_role("button", name="Run the doctor").click()
    await expect(page.locator("main")).to_contain_text("problem")
    await visitor.go(f"/integrations/{integration}")
    assert visitor.console == []
    await page.get_by_text("Delete this integration", exact=True).click()
    await page.get_by_role("button", name="Delete").click()
    await expect(page).to_have_url(re.compile("/integrations"))
    assert (await bot.get(f"/api/v1/integrations/{integration}")).status == 404


# --- Live


async def test_an_experiment_is_live(browser: Browser, bot: Bot) -> None:
    """What GitHub tells is there without loading the page; an open form keeps what was typed."""
    integration = await bot.integration()
    await bot.experiment(KEY)
    visitor = await Visitor.come(browser, bot)
    await visitor.sign_in()
    page = visitor.page
    await visitor.go(f"/experiments/{KEY}")
    await page.get_by_text("Link a pull request", exact=True).click()
    await page.get_by_label("URL of the pull request").fill("https://github.com/half/typed")
    await deliver_pull(bot, integration, title="Put it on one page")
    await expect(page.locator("#feed")).to_contain_text("Put it on one page")
    await expect(page.locator("#pulls")).to_contain_text("acme/shop#7")
    await bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await expect(page.locator("#about")).to_contain_text("paused")
    assert (
        await page.get_by_label("URL of the pull request").input_value()
        == "https://github.com/half/typed"
    )
    assert visitor.console == []


# --- Other ways to use it


async def test_with_the_keyboard_alone(browser: Browser, bot: Bot) -> None:
    """Sign in, skip to the content, filter, open an experiment and change its status."""
    for key in (KEY, "other"):
        await bot.experiment(key)
    visitor = await Visitor.come(browser, bot)
    await visitor.go("/sign-in")
    page, keys = visitor.page, visitor.page.keyboard
    await tab_to(page, "token")
    await keys.type(ADMIN_TOKEN)
    await keys.press("Enter")
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    await visitor.go("/experiments")
    await keys.press("Tab")
    assert await focused(page) == "Skip to the content"
    await keys.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await tab_to(page, "q")
    await keys.type("checkout")
    await keys.press("Enter")
    await expect(page.get_by_role("link", name="other")).to_have_count(0)
    await tab_to(page, KEY)
    await keys.press("Enter")
    await expect(page).to_have_url(re.compile(f"/experiments/{KEY}$"))
    await tab_to(page, "status")
    await keys.press("a")  # active, and with it archived: the browser takes the first
    await tab_to(page, "Change")
    await keys.press("Enter")
    await expect(page.locator("#about")).to_contain_text("active")


async def focused(page: Page) -> str:
    """Return what has the focus: its text, else the name of the control."""
    script = "(e => (e.innerText || e.name || e.id || e.tagName).trim())(document.activeElement)"
    return str(await page.evaluate(script))


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until a control or link of that name or text has the focus, and shows that."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        script = """(e => [(e.innerText || '').trim(), e.name || ''])(document.activeElement)"""
        if name in await page.evaluate(script):
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert await page.evaluate(outline) != "none", f"{name} does not show its focus"
            return
    raise AssertionError(f"{name} cannot be reached")


async def test_without_javascript(browser: Browser, bot: Bot) -> None:
    """Everything can be done; nothing moves by itself."""
    integration = await bot.integration()
    visitor = await Visitor.come(browser, bot, java_script_enabled=False)
    await visitor.sign_in()
    page = visitor.page
    await visitor.go("/new-experiment")
    await page.get_by_label("Key", exact=True).fill(KEY)
    await page.get_by_label("Name", exact=True).fill("One page checkout")
    await page.get_by_role("button", name="Create the experiment").click()
    await deliver_pull(bot, integration, title="Put it on one page")
    await visitor.go(f"/experiments/{KEY}")
    await expect(page.locator("#feed")).to_contain_text("Put it on one page")
    await page.get_by_label("Status", exact=True).select_option("paused")
    await page.get_by_role("button", name="Change").click()
    await expect(page.locator("#about")).to_contain_text("paused")
    await page.locator("details.who summary").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page).to_have_url(f"{bot.url}/sign-in")


# --- Every page


async def test_every_page_in_both_themes_and_on_a_phone(browser: Browser, bot: Bot) -> None:
    """axe-core finds nothing, nothing is wider than the window, and the console stays empty."""
    pages = await pages_of(bot, await demo(bot))
    visitor = await Visitor.come(browser, bot)
    wrong = {}
    for path in ("/sign-in", pages["pull-request"]):  # what is shown to everybody
        await visitor.go(path)
        assert await visitor.page.get_by_role("heading", level=1).inner_text()
        assert await visitor.violations() == []
        await visitor.page.set_viewport_size(PHONE)
        assert await visitor.overflow() == 0
        await visitor.page.set_viewport_size(WIDE)
    await visitor.sign_in()
    for name, path in pages.items():
        await visitor.go(path)
        for theme in ("light", "dark"):
            await visitor.page.emulate_media(color_scheme=theme)
            if found := await visitor.violations():
                wrong[f"{name}, {theme}"] = found
        for width in (320, 640, 1920):
            await visitor.page.set_viewport_size({"width": width, "height": 800})
            if overflow := await visitor.overflow():
                wrong[f"{name} at {width}"] = [f"{overflow} pixels too wide"]
        await visitor.page.set_viewport_size(WIDE)
    assert wrong == {}
    assert visitor.console == []


async def test_every_page_says_the_same_without_javascript(browser: Browser, bot: Bot) -> None:
    pages = await pages_of(bot, await demo(bot))
    with_it = await Visitor.come(browser, bot)
    without = await Visitor.come(browser, bot, java_script_enabled=False)
    for visitor in (with_it, without):
        await visitor.sign_in()
    for path in pages.values():
        texts = []
        for visitor in (with_it, without):
            await visitor.go(path)
            texts.append(
                await visitor.page.locator("h1, h2, th, td, dt, dd, label").all_inner_texts()
            )
        assert texts[0], path
        assert len(texts[0]) == len(texts[1]), path


async def test_every_page_is_shown(browser: Browser, bot: Bot, tmp_path: Path) -> None:
    """Take a picture of each, in both themes; SCREENSHOTS=1 keeps them under docs/screenshots."""
    folder = SCREENSHOTS if os.environ.get("SCREENSHOTS") else tmp_path
    folder.mkdir(exist_ok=True)
    pages = await pages_of(bot, await demo(bot))
    visitor = await Visitor.come(browser, bot)
    await visitor.go("/sign-in")
    await shoot(visitor, folder, "sign-in")
    await visitor.sign_in()
    for name, path in pages.items():
        await visitor.go(path)
        await shoot(visitor, folder, name)
    for kind, size in (("top", WIDE), ("phone", PHONE)):
        await visitor.page.set_viewport_size(size)
        for name in ("experiments", "experiment"):
            await visitor.go(pages[name])
            await shoot(visitor, folder, f"{name}-{kind}", whole=False)
    assert len(list(folder.glob("*.png"))) == 2 * (len(pages) + 5)


async def shoot(visitor: Visitor, folder: Path, name: str, *, whole: bool = True) -> None:
    """Keep what the visitor sees, light and dark, in few colours so that the files stay small."""
    for theme in ("light", "dark"):
        await visitor.page.emulate_media(color_scheme=theme)
        path = folder / f"{name}-{theme}.png"
        await visitor.page.screenshot(path=path, full_page=whole)
        with Image.open(path) as image:
            few = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        assert path.stat().st_size < 300_000
