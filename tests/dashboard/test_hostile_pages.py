"""Markup and script in everything that others write changes nothing on any page.

The pages are found by following every link from the front door, so a new one is looked at too.
"""

import html
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from bot import extensions
from bot import storage as store
from bot.dashboard.page import Pages
from bot.demo import payloads
from bot.settings import Settings
from bot.web.operations import aiohttp_path
from tests.kit import markup
from tests.kit.browsing import Browser, Page
from tests.kit.code import stands
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene

pytestmark = [slow, sqlite_only, token_only]
EVIL = (
    "<script>x-evil()</script>\"><x-evil onclick=1>'><x-evil>--></title></textarea></select>"
    "</code></pre></script></svg><img src=x onerror=alert(1)>{{1337*7331}}{%raw%}${1337*7331}"
    "#{1337*7331}<%=1337*7331%>&lt;x-evil&gt;&#60;x-evil&#62;\u202eleft\u2066\x01\x0b\x1b[31m\x7f"
    "\ufeff\U000e0041\ue000 javascript:alert(1)" + "W" * 300
)
ADDRESSES = (
    "javascript:alert(1)",
    " jAvAsCrIpT:alert(1)",
    "data:text/html,<script>x-evil()</script>",
    'https://example.com/"onmouseover="alert(1)',
    "https://example.com/<x-evil>",
    "//example.com/x-evil",
    "\\\\example.com",
    "vbscript:x",
)
ELSEWHERE = ("/api/", "/static/")
PER_KIND = 8  # pages that differ in values alone


def evil(name: str) -> str:
    """Return text to be stored somewhere, by whose beginning it is known again."""
    return f"evil-{name} {EVIL}"


async def fill(scene: Scene) -> None:
    """Let everybody write what they can, wherever they can."""
    bot = scene.bot
    for number, address in enumerate(ADDRESSES, 1):
        key = f"key-{number}"
        said = {name: evil(name) for name in ("hypothesis", "description", "owner")}
        answer = await bot.post(
            "/api/v1/experiments",
            {
                "key": key,
                "name": evil("name")[:200],
                "url": address if address.startswith("http") else None,
                "tags": [evil("tag")[:50]],
                **{field: text[:200] for field, text in said.items()},
                "status": ("draft", "active", "paused", "completed")[number % 4],
            },
        )
        if answer.status == 422:  # some are refused, which is as good
            answer = await bot.post("/api/v1/experiments", {"key": key, "name": "Plain"})
        assert answer.status == 201, answer.body
        await _tell(scene, number, key, address)
    await _commands(scene)
    await stands(bot, scene.integration, "key-3", evil("path"))
    await bot.patch(
        f"/api/v1/integrations/{scene.integration}",
        {
            "name": evil("integration")[:100],
            "description": evil("about")[:500],
            # The first secret still holds.
            "config": {"webhook_secret": "the-next-secret-of-the-tests", "code": "on"},
        },
    )
    await scene.bot.tell(scene.integration, {"zen": evil("zen"), "hook_id": 1})
    await scene.bot.deliver(scene.integration, "fork", {"action": evil("action")})
    await scene.work()
    await bot.services.database.write(_errors)


async def _tell(scene: Scene, number: int, key: str, address: str) -> None:
    """Tell of a pull request, an issue and a commit that link to a key, and to a mistyped one."""
    at = f"2026-03-02T10:{number:02}:00Z"
    repo = payloads.repository(REPOSITORY)
    named = f"experiment_key: {key}, {key}-typo\n\n{EVIL}\nexperiment_key: {EVIL}, <b>{key}</b>"
    for state in ("open", "closed"):
        pull = payloads.pull_request(
            {"open": "opened", "closed": "closed"}[state],
            number * 10 + (state == "closed"),
            at,
            repo=repo,
            title=evil("title"),
            body=named,
            state=state,
            merged=state == "closed",
            author=evil("login")[:255],
            branch=evil("branch"),
            base=evil("base"),
            sha=evil("sha") if number % 2 else None,
        )
        pull["pull_request"]["html_url"] = address
        pull["repository"] = {**repo, "html_url": address}
        pull["action"] = pull["action"] if number % 2 else "edited"
        await scene.bot.tell(scene.integration, pull)
        issue = payloads.issue(
            "opened" if state == "open" else "labeled",
            number * 10 + 5 + (state == "closed"),
            at,
            repo=repo,
            title=evil("issue"),
            body=named,
            labels=(evil("label"),),
            author=evil("opener"),
            state=state,
        )
        issue["issue"]["html_url"] = address
        issue["label"] = {"name": evil("label")}
        await scene.bot.tell(scene.integration, issue)
    message = f"{evil('message')}\n\nExperiment-Key: {key}"
    pushed = payloads.push(evil("branch"), [message, f"{message}-typo"], repo=repo)
    for commit in pushed["commits"]:
        commit["url"] = address
        commit["author"]["username"] = commit["author"]["name"] = evil("pusher")
    pushed["sender"]["login"] = evil("pusher")
    assert (await scene.bot.deliver(scene.integration, "push", pushed)).status == 200


async def _commands(scene: Scene) -> None:
    for text in (f"status {EVIL}", f'issue "{EVIL}" key=key-1', f"{EVIL}", "link key-2", "help"):
        number = scene.github.open_pull(REPOSITORY, title="T", body="").number
        payload = scene.comment_payload(number, f"/experiment {text}".replace("\x1b", ""))
        payload["comment"]["html_url"] = ADDRESSES[0]
        await scene.bot.tell(scene.integration, payload)


def _errors(tx: store.Transaction) -> None:
    """Let what goes wrong be told in hostile words, as an error of GitHub's may be."""
    values = {"error": evil("error")}
    tx.run("UPDATE integrations SET last_error = :error", values)
    for status, rest in (("failed", 0), ("retrying", 1), ("ignored", 2)):
        tx.run(
            f"""UPDATE deliveries SET status = '{status}', error = :error
                WHERE seq % 5 = {rest}""",
            values,
        )
    for status, rest in (("failed", 0), ("pending", 1)):
        tx.run(
            f"""UPDATE actions SET status = '{status}', last_error = :error, collapse = NULL
                WHERE seq % 3 = {rest}""",
            values,
        )


# --- Going through all pages


@dataclass
class Crawl:
    """What somebody finds who follows every link."""

    visitor: Browser
    kinds: list[tuple[str, "re.Pattern[str]"]]
    pages: dict[str, Page] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    seen: Counter[Any] = field(default_factory=Counter)

    async def go(self, *paths: str) -> None:
        queue = deque(paths)
        while queue:
            path = queue.popleft()
            if path in self.pages or not self._is_new_kind(path):
                continue
            page = await self.visitor.get(path, headers={"Accept": "text/html"})
            self.pages[path] = page
            if page.status >= 400:
                self.broken.append(f"{page.status} {path}")
            queue.extend(one for one in links(page) if one not in self.pages)

    def _is_new_kind(self, path: str) -> bool:
        """Tell whether few pages like this were seen: same kind, same names in the query."""
        parts = urlsplit(path)
        kind = (
            kind_of(path, self.kinds) or parts.path,
            tuple(sorted(re.findall(r"(?:^|&)([^=&]+)=", parts.query))),
        )
        self.seen[kind] += 1
        return self.seen[kind] <= PER_KIND

    @property
    def reached(self) -> set[str]:
        return {kind for one in self.pages if (kind := kind_of(one, self.kinds))}


def kind_of(path: str, kinds: list[tuple[str, "re.Pattern[str]"]]) -> str | None:
    found = [name for name, pattern in kinds if pattern.fullmatch(urlsplit(path).path)]
    return found[0] if found else None


def links(page: Page) -> Iterator[str]:
    """Yield the addresses of ours that a page leads to, forms that only ask included."""
    root = markup.read(page.text)
    targets = [one["href"] for one in root.all("a")]
    targets += [one["action"] for one in root.all("form") if one["method"].lower() != "post"]
    for target in targets:
        address = urljoin(page.path, target.partition("#")[0])
        if address.startswith("/") and not address.startswith(ELSEWHERE):
            yield address


def declared(method: str) -> list[tuple[str, "re.Pattern[str]"]]:
    """Return every page of a method with the pattern of its address, plain ones first."""
    found = [
        one.path
        for pages in extensions.instances(extensions.modules_of("bot.dashboard"), Pages)
        for one in pages.declared
        if one.method == method and one.path != "/live"
    ]
    return [(path, _regex(path)) for path in sorted(found, key=lambda one: (one.count("{"), one))]


def _regex(path: str) -> "re.Pattern[str]":
    parts = re.split(r"\{\w+:((?:[^{}]|\{[^{}]*\})+)\}", aiohttp_path(path))
    return re.compile(
        "".join(f"(?:{one})" if n % 2 else re.escape(one) for n, one in enumerate(parts))
    )


def troubles(page: Page) -> list[str]:
    """Return what is wrong with a page: as a page, and by what was stored."""
    found = markup.troubles(page.text)
    found += [
        f"unescaped: {raw}" for raw in ("<x-evil", "<script>", "<img src=x") if raw in page.text
    ]
    if "9801547" in page.text:
        found.append("a template was evaluated")
    policy = dict(
        one.strip().partition(" ")[::2]
        for one in page.headers.get("Content-Security-Policy", "").split(";")
    )
    expected = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    found += [
        f"{name} {policy.get(name)}" for name in expected if policy.get(name) != expected[name]
    ]
    if not re.fullmatch(r"'self'( https?://[^ *]+)?", policy.get("form-action", "")):
        found.append(f"form-action {policy.get('form-action')}")
    for name, value in (
        ("Content-Type", "text/html; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "same-origin"),
    ):
        if page.headers.get(name) != value:
            found.append(f"{name}: {page.headers.get(name)}")
    return found


def wrong(pages: dict[str, Page]) -> dict[str, list[str]]:
    return {path: found for path, page in pages.items() if (found := troubles(page))}


@pytest.fixture
async def crawl(scene: Scene) -> Crawl:
    await fill(scene)
    crawl = Crawl(await Browser.sign_in(scene.bot), declared("GET"))
    await crawl.go("/", "/start")
    # Some pages only long lists lead to, or a form.
    known = {"key": "key-1", "integration_id": scene.integration}
    rest = {path for path, _ in crawl.kinds} - crawl.reached
    await crawl.go(*(path.format(**known) for path in sorted(rest)))
    return crawl


async def test_nothing_that_others_write_changes_a_page(crawl: Crawl) -> None:
    assert crawl.broken == []
    assert [path for path, _ in crawl.kinds if path not in crawl.reached] == []
    assert wrong(crawl.pages) == {}
    shown = " ".join(html.unescape(page.text) for page in crawl.pages.values())
    hidden = [
        name
        for name in (
            *("name", "hypothesis", "description", "owner", "tag"),
            *("title", "login", "branch", "issue", "message", "pusher"),
            *("integration", "about", "error", "zen", "label"),
        )
        if f"evil-{name} <script>" not in shown
    ]
    assert hidden == [], "these are shown nowhere, so nothing was found out about them"


async def test_nothing_that_is_typed_changes_a_page(crawl: Crawl) -> None:
    """Every form, sent with markup in all fields: refused or taken, the page holds."""
    visitor, kinds, answers = crawl.visitor, declared("POST"), {}
    done, last = {"/sign-out"}, {}
    for _ in range(2):  # some forms show up once others were sent
        for action, fields in forms(crawl):
            kind = kind_of(action, kinds)
            if kind is None or kind in done:
                continue
            done.add(kind)
            if re.search("delete|revoke|finish|end$", kind):
                last[action] = fields
            else:
                answers[action] = await visitor.post(action, fields)
        crawl = Crawl(visitor, crawl.kinds)
        await crawl.go("/")
    ends = re.compile("revoke|end$")  # the session, too, if it is its token or itself
    for action, fields in sorted(last.items(), key=lambda one: ends.search(one[0]) is not None):
        answers[action] = await visitor.post(action, fields)
    assert [
        one for one, page in answers.items() if page.status == 401 and not ends.search(one)
    ] == []
    assert {action: page.status for action, page in answers.items() if page.status >= 500} == {}
    assert wrong(answers) == {}
    assert [path for path, _ in kinds if path not in done] == [], "no form was found for these"


def forms(crawl: Crawl) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield where each form of the pages leads, also by another button, and what it would send."""
    for page in crawl.pages.values():
        root = markup.read(page.text)
        for form in root.all("form"):
            if form["method"].lower() == "post":
                fields = markup.fields_of(form, EVIL)
                fields.pop("csrf", None)  # the visitor has it
                others = [one for one in root.all("button") if one["formaction"]]
                for action in (form["action"], *(one["formaction"] for one in others)):
                    yield action, fields


async def test_the_pages_of_who_is_not_signed_in(settings: Settings, scene: Scene) -> None:
    visitor = Browser(scene.bot)
    headers = {"Accept": "text/html"}
    paths = ("/sign-in", "/sign-in?next=/experiments%3Fq%3D%22%3E%3Cx-evil%3E", "/x-evil")
    pages = {path: await visitor.get(path, headers=headers) for path in paths}
    pages["/?notice"] = await visitor.get("/sign-in?notice=%3Cx-evil%3E", headers=headers)
    pages["refused"] = await visitor.post("/sign-in", {"token": "<x-evil>"})
    pages["elsewhere"] = await visitor.get("/sign-in?next=//example.com", headers=headers)
    assert [page.status for page in pages.values()] == [200, 200, 404, 200, 401, 400]
    assert wrong(pages) == {}
    await fill(scene)
    open_to_all = {
        path: await visitor.get(path, follow=False, headers=headers)
        for number in range(10, 90)
        for path in (f"/pull-requests/{REPOSITORY}/{number}",)
    }
    shown = {path: page for path, page in open_to_all.items() if page.status == 200}
    assert len(shown) == 2 * len(ADDRESSES) and wrong(shown) == {}
    assert [path for path, page in shown.items() if "evil-" in page.text] == []
