"""A payload is decoded once, typed; with something odd in it piece by piece, to the same end."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from bot import handlers, jsontext
from bot.demo import payloads
from bot.github.payloads import InvalidPayload, read
from tests.deliveries.odd import ODD, issue, pull, push
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

SENDER = payloads.user("mona")
COMMENT = {"id": 5, "body": "Fine by me.", "user": SENDER, "html_url": "https://github.com/a/b"}
CHECKED = {"head_sha": "a" * 40, "name": "experiments"}
ABOUT = {"repository": REPO, "sender": SENDER, "installation": {"id": 5}}
EVENTS: dict[str, payloads.Payload] = {
    "check_run": {"action": "rerequested", "check_run": CHECKED, **ABOUT},
    "check_suite": {"action": "rerequested", "check_suite": CHECKED, **ABOUT},
    "installation": payloads.installation("created", 5, at(0), repos=[REPO]),
    "installation_repositories": {
        **payloads.installation("added", 5, at(0), repos=[REPO]),
        "repositories_added": [{"id": REPO["id"], "full_name": REPO["full_name"]}],
    },
    "issue_comment": {**issue(), "action": "created", "comment": COMMENT},
    "issues": issue(),
    "installation_target": payloads.installation_target("acme", "acme-inc", 9, 5),
    "merge_group": {
        "action": "checks_requested",
        "merge_group": {
            "head_sha": "b" * 40,
            "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-c",
        },
        **ABOUT,
    },
    "deployment_status": payloads.deployment_status("c" * 40, at(3), repo=REPO),
    "organization": payloads.organization("acme", "acme-inc", 9),
    "ping": payloads.ping(7, at(0)),
    "pull_request": pull(),
    "push": push("One", "Two"),
    "repository": payloads.repository_event("publicized", REPO),
}
KNOWN = handlers.registered()


def test_every_event_that_is_heard_is_here() -> None:
    assert EVENTS.keys() == {one.name for one in KNOWN.events}


@pytest.mark.parametrize("event", [*EVENTS, "star"])
@sqlite_only
async def test_it_is_decoded_once(
    bot: Bot, integration: str, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight into what the handlers of the event declare to read, and never as a whole."""
    decoded: list[bytes] = []
    decode = jsontext.decode

    def counted(text: bytes, decoder: Any) -> Any:
        decoded.append(text)
        return decode(text, decoder)

    def refused(text: bytes) -> Any:
        raise AssertionError("read as a whole")

    monkeypatch.setattr(jsontext, "decode", counted)
    monkeypatch.setattr(jsontext, "parse_delivery", refused)
    payload = EVENTS.get(event) or payloads.star(at(0), repo=REPO, sender="mona")
    answer = await bot.deliver(integration, event, {"repository": REPO, **payload})
    assert (answer.status, answer.body["processed"]) == (200, event != "star")
    assert len(decoded) == 1


@sqlite_only
async def test_what_nobody_reads_takes_no_other_way(
    bot: Bot, integration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However odd it is. It is stored as it came, and mended when it is shown."""
    body = (
        payloads.encode(pull())[:-1]
        + rb', "odd": ["\u0000", '
        + b'"\xff", '
        + b"9" * 10_000
        + b"]}"
    )
    parse = jsontext.parse_delivery
    monkeypatch.setattr(jsontext, "parse_delivery", lambda text: pytest.fail("read as a whole"))
    assert (await bot.signed(integration, "pull_request", body)).body == {"processed": True}
    monkeypatch.setattr(jsontext, "parse_delivery", parse)
    path = f"/api/v1/integrations/{integration}/deliveries"
    (delivery,) = await bot.walk(path)
    kept = (await bot.get(f"{path}/{delivery['id']}")).body["payload"]
    assert kept["odd"] == ["\ufffd", "\ufffd", None]
    replayed = (await bot.post(f"{path}/{delivery['id']}/replay")).body
    assert replayed["status"] == "processed"


def outcome(reading: Callable[[], Any]) -> Any:
    """Return what is read, or why nothing is."""
    try:
        return reading()
    except InvalidPayload as error:
        return str(error)


def pieces(event: str, text: bytes) -> Any:
    data, _ = jsontext.parse_delivery(text)
    return outcome(lambda: read(data, KNOWN.events.reads(event)))


def at_once(event: str, text: bytes) -> Any:
    told = KNOWN.event(text, event, "1")
    return outcome(lambda: told.read(KNOWN.events.reads(event)))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all that stands in a payload."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, list):
        value = dict(enumerate(value))
    for name, one in value.items() if isinstance(value, dict) else ():
        found += [(*path, name), *places(one, (*path, name))]
    return found


ODD_VALUES = st.sampled_from(
    [*ODD, False, -1, 0, 7.0, 7.5, 2**31, 2**63, 10**30, "", "x" * 2000, "a\0b", "open", [{}], "7"]
)


@given(data=st.data())
@thoroughness(max_examples=400, deadline=None)
def test_something_odd_is_read_as_it_is_piece_by_piece(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(sorted(EVENTS)))
    payload = copy.deepcopy(EVENTS[event])
    for path in data.draw(st.lists(st.sampled_from(places(payload)), min_size=1, max_size=3)):
        inner: Any = payload
        try:
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = copy.deepcopy(data.draw(ODD_VALUES))
        except (KeyError, IndexError, TypeError):
            continue  # what held it has been replaced before
    text = json.dumps(payload).encode()
    assert at_once(event, text) == pieces(event, text)


@given(data=st.data())
@thoroughness(max_examples=400, deadline=None)
def test_bytes_that_are_changed_are_refused_and_read_alike(data: st.DataObject) -> None:
    """Whatever a quick decoder may pass over, what is no JSON is refused all the same."""
    event = data.draw(st.sampled_from(sorted(EVENTS)))
    text = payloads.encode(EVENTS[event])
    for _ in range(data.draw(st.integers(1, 3))):
        here = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.binary(max_size=2) | st.sampled_from(rb'" \ , : { } [ ] 0 \u'.split()))
        text = text[:here] + new + text[here + data.draw(st.integers(0, 2)) :]
    try:
        expected = pieces(event, text)
    except jsontext.InvalidJSON:
        with pytest.raises(jsontext.InvalidJSON):
            at_once(event, text)
        return
    assert at_once(event, text) == expected


HANDLER = '''
from gidgethub.routing import Router

from bot.github.events import Heard

HEARS = Heard("create", "it is told of", None)
router = Router()


@router.register("create", ref_type="tag")
@router.register("create", action="odd")
async def created(event, delivery):
    """Tells of it."""
'''


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        ({"ref_type": "tag"}, 1),
        ({"ref_type": "branch"}, 0),
        ({"ref_type": "branch", "action": "odd"}, 1),
        ({"action": ["odd"]}, 0),
        ({}, 0),
    ],
    ids=str,
)
def test_handlers_chosen_by_another_field_than_the_action(
    payload: payloads.Payload, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As gidgethub's routers may, which an extension brings along."""
    (tmp_path / "made_by_others.py").write_text(HANDLER)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = handlers.registered(["made_by_others"])
    assert len(known.handlers(known.event(payloads.encode(payload), "create", "1"))) == count
