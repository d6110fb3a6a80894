"""The stand-in GitHub complains of what GitHub would refuse: else no test could rely on it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.github import GitHub
from tests.kit import outbound
from tests.kit.outbound import REPOSITORY, TOKEN

HEADERS = {
    "Authorization": f"Bearer {TOKEN}",
    "User-Agent": "tests",
    "X-GitHub-Api-Version": "2022-11-28",
    "Accept": "application/vnd.github+json",
}


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    started = await outbound.github_for("fine-grained")
    yield started
    await started.close()


async def ask(
    github: GitHub, method: str, path: str, body: Any = None, **headers: str | None
) -> int:
    sent = {name: value for name, value in {**HEADERS, **headers}.items() if value is not None}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, github.url + path, json=body, headers=sent) as response,
    ):
        await response.read()
        return response.status


async def test_a_good_request_passes(github: GitHub) -> None:
    issue = {"title": "T", "body": "B"}
    assert await ask(github, "POST", f"/repos/{REPOSITORY}/issues", issue) == 201
    assert github.violations == []
    assert ("issues", "write") in github.permissions_used
    assert len(github.writes()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"token {TOKEN}"},
        {"X-GitHub-Api-Version": None},
        {"Accept": "text/html"},
    ],
)
async def test_headers_are_looked_at(github: GitHub, headers: dict[str, str | None]) -> None:
    await ask(github, "GET", f"/repos/{REPOSITORY}", **headers)
    assert github.violations


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("body", [{"titel": "T"}, {"title": ["T"]}, {"title": "T", "more": 1}])
async def test_bodies_are_looked_at(github: GitHub, shared: Any, body: Any) -> None:
    shared("rest-operations.json")
    assert await ask(github, "POST", f"/repos/{REPOSITORY}/issues", body) == 422
    assert github.violations


async def test_permissions_are_enforced(github: GitHub) -> None:
    check = {"name": "n", "head_sha": "a" * 40, "status": "completed", "conclusion": "success"}
    assert await ask(github, "POST", f"/repos/{REPOSITORY}/check-runs", check) == 403
    unknown = await ask(github, "GET", f"/repos/{REPOSITORY}", Authorization="Bearer ghp_of_nobody")
    assert unknown == 401
    assert await ask(github, "GET", "/repos/acme/unknown") == 404
