"""Signed payloads of a wrong shape, or of anything at all."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from bot.demo import payloads
from tests.deliveries.hostile.attack import GOOD, Door, broken, is_never_our_fault
from tests.kit.deliveries import REPO
from tests.kit.marks import slow

# One service on one engine lives through it all.
pytestmark = pytest.mark.asyncio(loop_scope="module")
HANDLED = (
    "installation",
    "installation_repositories",
    "issues",
    "ping",
    "pull_request",
    "push",
    "repository",
)


# --- Payloads of the wrong shape


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pull_request action", 7),
        ("pull_request action", ["opened"]),
        ("pull_request number", "7"),
        ("pull_request number", 7.5),
        ("pull_request number", 0),
        ("pull_request number", -7),
        ("pull_request number", True),
        ("pull_request number", 2**31),
        ("pull_request number", 10**400),
        ("pull_request pull_request title", {}),
        ("pull_request pull_request body", 1),
        ("pull_request pull_request draft", "yes"),
        ("pull_request pull_request merged", 1),
        ("pull_request pull_request state", False),
        ("pull_request pull_request state", "ajar"),
        ("pull_request pull_request user", "mona"),
        ("pull_request pull_request head", "main"),
        ("pull_request pull_request head ref", 1),
        ("pull_request pull_request head ref", "\u4e2d" * 5000),
        ("pull_request pull_request head sha", "a" * 5000),
        ("pull_request pull_request head repo", "acme/shop"),
        ("pull_request pull_request updated_at", {}),
        ("pull_request pull_request updated_at", -1),
        ("pull_request repository", "acme/shop"),
        ("pull_request repository", []),
        ("pull_request repository id", "1"),
        ("pull_request repository id", 2**63),
        ("pull_request repository id", -1),
        ("pull_request repository full_name", None),
        ("pull_request repository full_name", "acme"),
        ("pull_request repository full_name", "a/b/c"),
        ("pull_request repository full_name", "acme/shop\n"),
        ("pull_request repository full_name", "acme/.."),
        ("pull_request sender", "mona"),
        ("pull_request sender login", 1),
        ("pull_request sender login", "\u4e2d" * 1000),
        ("issues issue number", "3"),
        ("issues issue number", None),
        ("issues issue number", 10**400),
        ("issues issue labels", "bug"),
        ("issues issue labels", [{"name": 1}]),
        ("issues issue labels", ["bug"]),
        ("issues issue created_at", []),
        ("issues changes", "moved"),
        ("issues label", 1),
        ("push commits", {}),
        ("push commits", ["abc"]),
        ("push commits", [{"id": 5}]),
        ("push commits", [{"id": "abc", "message": None}]),
        ("push commits", [{"id": "abc", "timestamp": {}}]),
        ("push commits", [{"id": "not a sha"}]),
        ("push deleted", "no"),
        ("push pusher", "mona"),
        ("installation installation account", 1),
        ("installation repositories", {}),
        ("installation repositories", [1]),
        ("installation_repositories repositories_added", "all"),
        ("installation_repositories repositories_removed", [{"id": "x", "full_name": "a/b"}]),
        ("repository repository id", 1.5),
    ],
)
async def test_wrong_field(door: Door, path: str, value: Any) -> None:
    """One field that cannot be read counts as missing; the delivery is taken in without it."""
    names = path.split()
    body = json.dumps(broken(*names, value=value)).encode()
    answer = await door.signed(names[0], body)
    assert (answer.status, answer.body) == (200, {"processed": True})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pull_request pull_request", "text"),
        ("pull_request pull_request", None),
        ("pull_request pull_request", []),
        ("issues issue", 3),
        ("push ref", None),
        ("push ref", 1),
        ("push ref", "\u4e2d" * 5000),
        ("push repository", None),
        ("push repository full_name", "acme/.."),
        ("installation installation", "5"),
        ("installation installation id", "5"),
        ("installation installation id", 2**64),
        ("installation_repositories installation", None),
        ("repository repository", "acme/shop"),
    ],
)
async def test_nothing_to_take_in(door: Door, path: str, value: Any) -> None:
    """Without what an event is about it is kept, and the answer and the list name the field.

    It is a JSON object, and so no 400: GitHub would show a failure that nobody can mend.
    """
    names = path.split()
    body = json.dumps(broken(*names, value=value)).encode()
    answer = await door.signed(names[0], body)
    assert (answer.status, answer.body["processed"]) == (200, False)
    assert answer.body["reason"] == "nothing to take in"
    assert names[-1] in answer.body["detail"]
    listed = f"/api/v1/integrations/{door.integration}/deliveries"
    (delivery,) = await door.bot.walk(listed)
    assert delivery["status"] == "ignored"
    assert names[-1] in delivery["error"]
    replayed = (await door.bot.post(f"{listed}/{delivery['id']}/replay")).body
    assert (replayed["status"], replayed["error"]) == ("ignored", delivery["error"])


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-13-45T99:99:99Z",
        "9999-12-31T23:59:59-23:59",
        "",
        "0000-00-00T00:00:00Z",
        253_402_300_799,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "pull_request pull_request updated_at",
        "pull_request pull_request merged_at",
        "issues issue closed_at",
        "push repository pushed_at",
        "installation installation updated_at",
    ],
)
async def test_odd_times(door: Door, path: str, value: Any) -> None:
    names = path.split()
    answer = await door.signed(names[0], json.dumps(broken(*names, value=value)).encode())
    is_never_our_fault(answer)


@pytest.mark.parametrize(
    "changes",
    [
        None,
        [],
        "repository",
        {"repository": None},
        {"repository": {"name": {"from": 1}}},
        {"repository": {"name": {"from": ["x"]}}},
        {"owner": {"from": {"user": {"login": None}}}},
        {"owner": {"from": {}}},
        {"owner": {"from": {"user": {}, "organization": {}}}},
        {"owner": "acme"},
    ],
)
async def test_odd_renames(door: Door, changes: Any) -> None:
    """Where a repository was renamed from is told in many ways, or not at all."""
    payload = {**payloads.repository_event("renamed", REPO), "changes": changes}
    answer = await door.signed("repository", json.dumps(payload).encode())
    assert (answer.status, answer.body) == (200, {"processed": True})


FIELDS = """action number pull_request issue repository installation commits changes labels label
    ref id full_name title body state html_url head base sha repo user login sender created_at
    updated_at closed_at merged_at new_issue new_repository old_issue old_repository name from owner
    repositories repositories_added message author url timestamp pushed_at"""
PHRASES = """opened closed transferred renamed deleted open acme/shop refs/heads/main abc123
    2026-03-02T10:00:00Z experiment_key:checkout https://github.com/acme/shop/pull/7
    https://github.com/acme/shop/issues/3 http://["""
NAMES = st.sampled_from(FIELDS.split())
TEXTS = st.text(max_size=20) | st.sampled_from(PHRASES.split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=6),
    max_leaves=20,
)


@st.composite
def mutilated(draw: st.DrawFn) -> tuple[str, payloads.Payload]:
    """Return a handled event with a good payload, some of whose fields are replaced or gone."""
    event = draw(st.sampled_from(sorted(GOOD)))
    payload = copy.deepcopy(GOOD[event]())
    for _ in range(draw(st.integers(1, 4))):
        inner = payload
        while isinstance(inner, dict) and inner:
            name = draw(st.sampled_from(sorted(inner)) | NAMES)
            if isinstance(inner.get(name), dict) and draw(st.booleans()):
                inner = inner[name]
                continue
            if draw(st.booleans()):
                inner[name] = draw(VALUES)
            else:
                inner.pop(name, None)
            break
    return event, payload


THOROUGH = thoroughness(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# --- Anything at all


@given(event=st.sampled_from(HANDLED), body=st.binary(max_size=200))
@THOROUGH
@slow
async def test_any_bytes(door: Door, event: str, body: bytes) -> None:
    is_never_our_fault(await door.signed(event, body))


@given(
    event=st.sampled_from(HANDLED),
    payload=st.dictionaries(NAMES | TEXTS, VALUES, max_size=8),
)
@THOROUGH
@slow
async def test_any_object(door: Door, event: str, payload: payloads.Payload) -> None:
    is_never_our_fault(await door.signed(event, json.dumps(payload).encode()))


@given(mutilated())
@THOROUGH
@slow
async def test_any_mutilation(door: Door, delivery: tuple[str, payloads.Payload]) -> None:
    event, payload = delivery
    answer = await door.signed(event, json.dumps(payload).encode())
    is_never_our_fault(answer)
