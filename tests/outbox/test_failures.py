"""Failures of calls are data, and the room that tells of them rests on nothing above it."""

import ast
from http import HTTPStatus
from pathlib import Path

import gidgethub
import pytest

from bot.github import CallFailed, Limited, NotListed, Refused, Shut, Temporary, failures
from bot.github.auth import explain_mint

GITHUB = Path(__file__).parents[2] / "bot" / "github"
# Modules that know nothing of anything else, beside bot.github itself.
LEAVES = {
    "bot",
    "bot.characters",
    "bot.emails",
    "bot.jsontext",
    "bot.log",
    "bot.metrics",
    "bot.settings",
    "bot.times",
}
CREDENTIAL = "the credential is not valid (any more): store a new one in the integration"


def answer(status: int, message: str, **headers: str) -> CallFailed:
    error = gidgethub.HTTPException(HTTPStatus(status), message)
    error.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return failures.of(error, 1_700_000_000.0)


def test_a_refusal_says_apart_what_is_wrong_and_what_to_do() -> None:
    refused = answer(401, "Bad credentials")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.reason, refused.remedy) == (
        401,
        "401 Bad credentials",
        CREDENTIAL,
    )
    assert str(refused) == f"401 Bad credentials ({CREDENTIAL})"


def test_the_permission_that_is_missing_is_a_part_of_the_remedy() -> None:
    refused = answer(403, "Not accessible", X_Accepted_GitHub_Permissions="issues=write")
    assert refused.reason == "403 Not accessible"
    assert refused.remedy.endswith("give it the permission issues=write")


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "API rate limit exceeded", Limited),
        (429, "Slow down", Limited),
        (403, "Unable to create comment because issue is locked.", Shut),
        (403, "Repository was archived so is read-only.", Shut),
        (410, "Issues are disabled for this repo", Refused),
        (422, "Validation Failed", Refused),
        (502, "Server Error", Temporary),
        (408, "Timeout", Temporary),
    ],
)
def test_what_an_answer_amounts_to(status: int, message: str, kind: type[CallFailed]) -> None:
    assert type(answer(status, message)) is kind


@pytest.mark.parametrize(
    ("status", "message", "lags"),
    [(404, "Not Found", True), (422, "No commit found for SHA: 1", True), (422, "Bad", False)],
)
def test_what_github_may_not_know_yet(status: int, message: str, lags: bool) -> None:
    refused = answer(status, message)
    assert isinstance(refused, Refused) and refused.lags is lags


def test_addresses_of_people_are_not_repeated() -> None:
    assert "jane@acme.com" not in str(answer(422, "jane@acme.com is no assignee"))


def test_a_token_that_is_not_given_is_explained() -> None:
    refused = explain_mint(Refused(401, "401 Bad JWT", CREDENTIAL), 55)
    assert refused.reason == "GitHub does not know the App: 401 Bad JWT"
    assert str(refused) == f"{refused.reason}; check app_id and private_key"


def test_an_address_that_is_not_listed_is_said_as_before() -> None:
    """What waits is found by this text once the address is listed again."""
    assert str(NotListed("https://ghe.example/api/v3")) == (
        "nothing is called at https://ghe.example/api/v3: GITHUB_API_URLS does not list it; add it "
        "there and restart, or give the integration another api_url"
    )


def test_bot_github_imports_nothing_of_ours_above_it() -> None:
    for path in GITHUB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module}
                if node.module == "bot":
                    names = {f"bot.{one.name}" for one in node.names if one.name != "__version__"}
            elif isinstance(node, ast.Import):
                names = {one.name for one in node.names}
            else:
                continue
            above = {
                name
                for name in names
                if name.partition(".")[0] == "bot"
                and name not in LEAVES
                and not f"{name}.".startswith("bot.github.")
            }
            assert not above, f"{path.name} imports {above}"
