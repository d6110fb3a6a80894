"""A delivery that goes past aiohttp is answered as one that does not."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from bot import storage as store
from bot.deliveries import door, life, records
from tests.deliveries.hostile.attack import Door
from tests.kit.deliveries import PROCESSED, assert_problem, sign
from tests.kit.marks import sqlite_only
from tests.server.connection.sending import BODY, answered, stored, whole

pytestmark = sqlite_only


async def unavailable(*_: object) -> NoReturn:
    raise store.StorageUnavailable("it is being moved")


async def at_fault(*_: object) -> NoReturn:
    raise RuntimeError("the gears are stuck")


async def retrying(*_: object) -> records.Outcome:
    return records.outcome_of(RuntimeError("the gears are stuck"))


ANSWERS: dict[str, tuple[int, bytes, dict[str, str | None], Any]] = {
    "processed": (200, BODY, {}, None),
    "unhandled": (200, BODY, {"X_GitHub_Event": "star"}, None),
    "nothing": (400, b"", {}, None),
    "retrying": (202, BODY, {}, retrying),
    "no JSON": (400, b"{", {}, None),
    "no event": (400, BODY, {"X_GitHub_Event": None}, None),
    "forged": (401, BODY, {"X_Hub_Signature_256": sign(b"")}, None),
    "unsigned": (401, BODY, {"X_Hub_Signature_256": None}, None),
    "unsigned, nothing": (401, b"", {"X_Hub_Signature_256": None}, None),
    "too large": (413, BODY, {"Content_Length": str(door.MAX_BODY + 1)}, None),
    "text": (415, BODY, {"Content_Type": "text/plain"}, None),
    "packed": (415, BODY, {"Content_Encoding": "gzip"}, None),
    "unavailable": (503, BODY, {}, unavailable),
    "fault": (500, BODY, {}, at_fault),
    "last": (200, BODY, {"Connection": "close"}, None),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers_are_those_of_the_routes(
    at: Door, name: str, routed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, body, changes, ingest = ANSWERS[name]
    if ingest is not None:
        monkeypatch.setattr(life, "ingest", ingest)
    changes = {"X_Request_ID": "the-number-9", **changes}
    straight = await answered(at, whole(at, body, **changes))
    assert routed == []
    other = whole(at, body, **changes).replace(b"github HTTP", b"github?a=b HTTP", 1)
    assert straight == await answered(at, other)
    assert len(routed) == 1
    assert straight[0][0].split()[1] == str(status).encode()


async def test_inactive_and_unknown_integrations(at: Door, routed: list[str]) -> None:
    await at.bot.patch(f"/api/v1/integrations/{at.integration}", {"is_active": False})
    routed.clear()
    unknown = at.path.replace(at.integration, "0f3d1c9e-7b5a-4f0e-8d2c-1a2b3c4d5e6f")
    for path, status in ((at.path, b"403"), (unknown, b"404")):
        request = whole(at, X_Request_ID="7").replace(at.path.encode(), path.encode(), 1)
        straight = await answered(at, request)
        assert straight[0][0].split()[1] == status and routed == []
        query = request.replace(b"github HTTP", b"github?a=b HTTP", 1)
        assert straight == await answered(at, query)
        routed.clear()


@pytest.mark.parametrize("change", [bytes.upper, bytes.lower])
async def test_names_of_headers_in_any_case(
    at: Door, change: Callable[[bytes], bytes], routed: list[str]
) -> None:
    line, *lines = at.head(BODY).rstrip().split(b"\r\n")
    pairs = [one.split(b": ") for one in lines]
    odd = b"\r\n".join([line, *(change(name) + b":\t " + value + b" \t" for name, value in pairs)])
    answer = await at.raw(odd + b"\r\n\r\n" + BODY)
    assert (answer.status, answer.body, routed) == (200, PROCESSED, [])


async def test_headers_that_are_repeated(at: Door, routed: list[str]) -> None:
    """Two signatures are one too many; of others the first counts."""
    twice = at.head(BODY, X_GitHub_Delivery="first")[:-2]
    answer = await at.raw(twice + b"x-github-delivery: second\r\n\r\n" + BODY)
    assert answer.status == 200 and await stored(at) == ["first"]
    signature = f"X-Hub-Signature-256: {sign(BODY)}\r\n\r\n".encode()
    assert_problem(await at.raw(twice + signature + BODY), 401, "invalid signature")
    assert len(routed) == 1  # to ask what is stored
