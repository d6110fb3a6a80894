"""Organisations and users that are renamed: all that is theirs follows, in any order of telling."""

import asyncio
from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.browsing import Browser
from tests.kit.deliveries import at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

OWNER, OTHER = 9, 22
SHOP, TOOL = 4711, 4712
Payload = dict[str, Any]


def repo(name: str, github_id: int = SHOP, minute: int | None = 0, owner: int = OWNER) -> Payload:
    """A repository of an owner, last changed at a minute; None if no time is told."""
    found = payloads.repository(name, github_id, updated_at=at(minute or 0))
    if minute is None:
        del found["updated_at"]
    return {**found, "owner": {**found["owner"], "id": owner}}


def pull(number: int, where: Payload, minute: int | None = 0) -> Payload:
    found = payloads.pull_request(
        "edited", number, at(minute or 0), repo=where, body="experiment_key: a"
    )
    if minute is None:
        del found["pull_request"]["updated_at"]
    return found


def told_an_app(old: str, new: str, owner: int = OWNER) -> Payload:
    return payloads.installation_target(old, new, owner, 100)


def told_an_organization(old: str, new: str, owner: int = OWNER) -> Payload:
    return payloads.organization(old, new, owner)


def told_by_the_next(_: str, new: str, owner: int = OWNER) -> Payload:
    """What a repository's webhook hears: a new name, of the same owner."""
    return pull(1, repo(f"{new}/shop", SHOP, 0, owner), 5)


def told_by_one_without_times(_: str, new: str, owner: int = OWNER) -> Payload:
    return pull(1, repo(f"{new}/shop", SHOP, None, owner), None)


def renamed(old: str, where: Payload) -> Payload:
    return payloads.repository_event("renamed", where, {"repository": {"name": {"from": old}}})


def transferred(old: str, where: Payload) -> Payload:
    changes = {"owner": {"from": {"organization": {"login": old, "id": OWNER}}}}
    return payloads.repository_event("transferred", where, changes)


TELLERS = [told_an_app, told_an_organization, told_by_the_next, told_by_one_without_times]
each_order_of_three = pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
each_teller = pytest.mark.parametrize("told", TELLERS, ids=[one.__name__ for one in TELLERS])


@pytest.fixture
async def integration(bot: Bot) -> str:
    """An integration that has told of two repositories of one owner."""
    await bot.experiment("a")
    made = await bot.integration()
    await bot.tell(made, pull(1, repo("acme/shop")), pull(2, repo("acme/tool", TOOL)))
    return made


async def places(bot: Bot) -> list[tuple[str, int]]:
    """Repository and number of each pull request of experiment `a`."""
    items = await bot.walk("/api/v1/experiments/a/pull-requests")
    return sorted((item["repository"], item["number"]) for item in items)


@each_teller
async def test_all_that_is_theirs_follows(
    bot: Bot, integration: str, told: Callable[..., Payload]
) -> None:
    """Lists, feed and look-ups have the new name, and the old one leads nowhere."""
    await bot.tell(integration, told("acme", "acme-inc"))
    assert await places(bot) == [("acme-inc/shop", 1), ("acme-inc/tool", 2)]
    for number, name in enumerate(("shop", "tool"), start=1):
        found = await bot.get(f"/api/v1/pull-requests/acme-inc/{name}/{number}")
        assert found.body["repository"] == f"acme-inc/{name}"
        assert (await bot.get(f"/api/v1/pull-requests/acme/{name}/{number}")).status == 404
    feed = await bot.walk("/api/v1/experiments/a/activity")
    told_of = {one["repository"] for one in feed if one["repository"]}
    assert told_of == {"acme-inc/shop", "acme-inc/tool"}


@each_teller
async def test_addresses_lead_to_the_new_name(
    bot: Bot, integration: str, told: Callable[..., Payload]
) -> None:
    """Whoever takes the old name is not who is meant, wherever an address is shown."""
    shop = repo("acme/shop")
    push = payloads.push("main", ["One\n\nExperiment-Key: a", "Experiment-Key: b"], repo=shop)
    issue = payloads.issue("opened", 7, at(0), repo=shop, body="experiment_key: a, b")
    await bot.tell(integration, push, issue, told("acme", "acme-inc"))
    shown = [
        *[
            one
            for kind in ("pull-requests", "issues", "commits", "activity")
            for one in await bot.walk(f"/api/v1/experiments/a/{kind}")
        ],
        *await bot.walk("/api/v1/links/unresolved"),
        (await bot.get("/api/v1/pull-requests/acme-inc/tool/2")).body,
    ]
    addresses = {one["html_url"] for one in shown if one.get("repository")}
    assert len(addresses) == 5
    for one in addresses:
        assert one.startswith("https://github.com/acme-inc/")
    visitor, shop_page = await Browser.sign_in(bot), "acme-inc/shop"
    for page in (f"repositories/{shop_page}", f"pull-requests/{shop_page}/1", "experiments/a"):
        text = (await visitor.get(f"/{page}")).text
        assert "github.com/acme-inc/shop/" in text and "github.com/acme/" not in text


@each_teller
@pytest.mark.parametrize("minute", [3, None])
async def test_a_late_delivery_does_not_rename_back(
    bot: Bot, integration: str, told: Callable[..., Payload], minute: int | None
) -> None:
    """Neither the repository that it tells of, nor what else is its owner's."""
    await bot.tell(integration, told("acme", "acme-inc"))
    for number, name, github_id in ((3, "shop", SHOP), (4, "tool", TOOL)):
        await bot.tell(integration, pull(number, repo(f"acme/{name}", github_id, minute), minute))
    assert {name for name, _ in await places(bot)} == {"acme-inc/shop", "acme-inc/tool"}
    assert len(await places(bot)) == 4


@each_teller
async def test_who_takes_the_old_name_is_another(
    bot: Bot, integration: str, told: Callable[..., Payload]
) -> None:
    """It begins with nothing, and late deliveries of the one before are not about it."""
    await bot.tell(integration, told("acme", "acme-inc"))
    taken = repo("acme/shop", 5001, 7, OTHER)
    newcomer = payloads.pull_request("opened", 1, at(7), repo=taken)
    await bot.tell(integration, newcomer, pull(3, repo("acme/shop", SHOP, 3), 3))
    found = (await bot.get("/api/v1/pull-requests/acme/shop/1")).body
    assert (found["repository"], found["experiments"]) == ("acme/shop", [])
    assert ("acme-inc/shop", 3) in await places(bot)
    await bot.tell(integration, told_an_app("acme", "acme-old", OTHER))
    assert (await bot.get("/api/v1/pull-requests/acme-old/shop/1")).status == 200
    assert {name for name, _ in await places(bot)} == {"acme-inc/shop", "acme-inc/tool"}


@pytest.mark.parametrize("told", [told_an_app, told_an_organization])
async def test_renamed_and_back(bot: Bot, integration: str, told: Callable[..., Payload]) -> None:
    """Every delivery may be replayed then."""
    await bot.tell(integration, told("acme", "acme-inc"), told("acme-inc", "acme"))
    assert await places(bot) == [("acme/shop", 1), ("acme/tool", 2)]
    page = f"/api/v1/integrations/{integration}/deliveries"
    for delivery in (await bot.get(page)).items:
        assert (await bot.post(f"{page}/{delivery['id']}/replay")).status == 200
        assert await places(bot) == [("acme/shop", 1), ("acme/tool", 2)]


@each_teller
async def test_only_the_letters_case_is_another(
    bot: Bot, integration: str, told: Callable[..., Payload]
) -> None:
    await bot.tell(integration, told("acme", "Acme"))
    await bot.tell(integration, pull(3, repo("acme/shop", SHOP, 3), 3))
    assert {name for name, _ in await places(bot)} == {"Acme/shop", "Acme/tool"}


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_two_renames_and_a_late_delivery(
    bot: Bot, integration: str, order: tuple[int, ...]
) -> None:
    """What an owner is called in the end does not depend on what is heard first."""
    story = [
        pull(3, repo("acme-inc/shop", SHOP, 0), 6),
        pull(4, repo("acme-corp/shop", SHOP, 0), 8),
        pull(5, repo("acme/shop", SHOP, 0), 4),
    ]
    await bot.tell(integration, *(story[position] for position in order))
    assert {name for name, _ in await places(bot)} == {"acme-corp/shop", "acme-corp/tool"}


@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
async def test_two_renames_that_an_app_is_told_of(
    bot: Bot, integration: str, order: tuple[int, ...]
) -> None:
    story = [told_an_app("acme", "acme-inc"), told_an_app("acme-inc", "acme-corp")]
    await bot.tell(integration, *(story[position] for position in order))
    await bot.tell(integration, pull(3, repo("acme-inc/shop", SHOP, 3), 3))
    assert {name for name, _ in await places(bot)} == {"acme-corp/shop", "acme-corp/tool"}


@each_order_of_three
async def test_three_renames_that_an_app_is_told_of(
    bot: Bot, integration: str, order: tuple[int, ...]
) -> None:
    """An earlier one that comes last is from a name that nobody has heard, to one given up."""
    names = ["acme", "acme-inc", "acme-corp", "acme-group"]
    story = [told_an_app(old, new) for old, new in pairwise(names)]
    await bot.tell(integration, *(story[position] for position in order))
    assert {name for name, _ in await places(bot)} == {"acme-group/shop", "acme-group/tool"}


@each_order_of_three
async def test_what_follows_another_is_called_by_no_late_delivery(
    bot: Bot, integration: str, order: tuple[int, ...]
) -> None:
    """It has the owner's new name since the other told of it, as if it had told itself."""
    story = [
        pull(3, repo("acme-inc/shop", SHOP, 0), 6),
        pull(4, repo("acme-corp/tool", TOOL, 0), 8),
        pull(5, repo("acme/shop", SHOP, 0), 4),
    ]
    await bot.tell(integration, *(story[position] for position in order))
    assert {name for name, _ in await places(bot)} == {"acme-corp/shop", "acme-corp/tool"}


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
async def test_there_and_back(bot: Bot, integration: str, order: tuple[int, ...]) -> None:
    """What is told of the time in between does not bring the name of then again."""
    story = [
        transferred("acme", repo("globex/tool", TOOL, 3, OTHER)),
        pull(3, repo("globex/tool", TOOL, 3, OTHER), 4),
        transferred("globex", repo("acme/tool", TOOL, 5)),
        pull(4, repo("acme/tool", TOOL, 5), 6),
    ]
    await bot.tell(integration, *(story[position] for position in order))
    assert {name for name, _ in await places(bot)} == {"acme/shop", "acme/tool"}


async def test_a_rename_among_deliveries_of_all_that_is_theirs(bot: Bot, integration: str) -> None:
    """What is told at the same time of each of them is neither lost nor left behind."""
    names = [(f"tool-{number}", 6000 + number) for number in range(12)]
    await bot.tell(integration, *(pull(1, repo(f"acme/{name}", one)) for name, one in names))
    told = [pull(2, repo(f"acme/{name}", one, 2), 2) for name, one in names]
    told += [told_an_app("acme", "acme-inc"), renamed("tool-3", repo("acme/hammer", 6003, 4))]
    told += [pull(3, repo(f"acme/{name}", one, 3), 3) for name, one in names]
    await asyncio.gather(*(bot.tell(integration, one) for one in told))
    found = await places(bot)
    assert len(found) == 2 + 3 * len(names)
    assert {name for name, _ in found} == {
        *(f"acme-inc/{'hammer' if name == 'tool-3' else name}" for name, _ in names),
        "acme-inc/shop",
        "acme-inc/tool",
    }


SWAP = [told_an_app("globex", "initech", OTHER), told_an_app("acme", "globex")]


@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
async def test_a_name_passes_from_one_to_another(
    bot: Bot, integration: str, order: tuple[int, ...]
) -> None:
    """Each keeps what is its own, whichever rename is heard first."""
    await bot.tell(integration, pull(7, repo("globex/shop", 5001, 0, OTHER)))
    await bot.tell(integration, *(SWAP[position] for position in order))
    assert await places(bot) == [("globex/shop", 1), ("globex/tool", 2), ("initech/shop", 7)]
    found = (await bot.get("/api/v1/pull-requests/globex/shop/1")).body
    assert found["repository"] == "globex/shop"


@each_teller
async def test_who_has_a_name_now_is_found_by_it(
    bot: Bot, integration: str, told: Callable[..., Payload]
) -> None:
    """Also while nobody has told what became of who had it before."""
    before = pull(1, repo("globex/shop", 5001, 0, OTHER))
    before["pull_request"]["title"] = "Initech's"
    await bot.tell(integration, before, told("acme", "globex"))
    found = (await bot.get("/api/v1/pull-requests/globex/shop/1")).body
    assert found["title"] == "Try the new checkout"
    after = {**before, "repository": repo("initech/shop", 5001, 1, OTHER)}
    after["pull_request"] = {**before["pull_request"], "base": {"ref": "main"}}
    await bot.tell(integration, after)
    found = (await bot.get("/api/v1/pull-requests/initech/shop/1")).body
    assert found["title"] == "Initech's"


@each_teller
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_repository_is_renamed_as_well(
    bot: Bot, integration: str, told: Callable[..., Payload], is_first: bool
) -> None:
    """The rename of the one says nothing new of the other, if it comes late."""
    of_repository = renamed("shop", repo("acme/store", SHOP, 4))
    of_owner = told("acme", "acme-inc")
    if told in (told_by_the_next, told_by_one_without_times):
        of_owner = pull(2, repo("acme-inc/tool", TOOL, 0), 5)
    story = (of_repository, of_owner) if is_first else (of_owner, of_repository)
    await bot.tell(integration, *story)
    assert await places(bot) == [("acme-inc/store", 1), ("acme-inc/tool", 2)]


@each_teller
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_repository_goes_to_another_owner(
    bot: Bot, integration: str, told: Callable[..., Payload], is_first: bool
) -> None:
    """It follows its new owner alone."""
    transfer = transferred("acme", repo("globex/tool", TOOL, 4, OTHER))
    story = [transfer, told("acme", "acme-inc")]
    await bot.tell(integration, *(story if is_first else reversed(story)))
    assert await places(bot) == [("acme-inc/shop", 1), ("globex/tool", 2)]
    await bot.tell(integration, pull(4, repo("acme/tool", TOOL, 3), 3))
    await bot.tell(integration, told_an_app("globex", "initech", OTHER))
    assert {name for name, _ in await places(bot)} == {"acme-inc/shop", "initech/tool"}


async def test_a_transfer_renames_nobody_else(bot: Bot, integration: str) -> None:
    """Also where payloads have the same id for every owner."""
    await bot.tell(integration, transferred("acme", repo("globex/tool", TOOL, 4)))
    assert await places(bot) == [("acme/shop", 1), ("globex/tool", 2)]


async def test_what_is_known_by_name_alone(bot: Bot, integration: str) -> None:
    """Of such a repository GitHub's rename is believed, but not of one that is another owner's."""
    nameless = {"full_name": "acme/site"}
    await bot.tell(integration, pull(5, nameless), pull(6, repo("acme/other", 5002, 0, OTHER)))
    await bot.tell(integration, told_an_app("acme", "acme-inc"))
    assert {name for name, _ in await places(bot)} == {
        "acme-inc/shop",
        "acme-inc/tool",
        "acme-inc/site",
        "acme/other",
    }


async def test_an_owner_without_an_id(bot: Bot, integration: str) -> None:
    """A name alone means whoever has it now."""
    told = told_an_app("acme", "acme-inc")
    del told["account"]["id"]
    await bot.tell(integration, told)
    assert await places(bot) == [("acme-inc/shop", 1), ("acme-inc/tool", 2)]


@pytest.mark.parametrize(
    "odd",
    [
        {"account": None},
        {"account": {"id": OWNER}},
        {"account": {"login": "../..", "id": OWNER}},
        {"account": {"login": "a/b", "id": OWNER}},
        {"account": "acme-inc"},
        {"changes": {"login": {"from": 5}}, "account": {"login": "acme-inc", "id": 77}},
        {"changes": [], "account": {"login": "acme-inc", "id": -1}},
    ],
)
async def test_odd_renames(bot: Bot, integration: str, odd: Payload) -> None:
    """What cannot be read renames nothing, and is answered."""
    payload = {**told_an_app("acme", "acme-inc"), **odd}
    answer = await bot.deliver(integration, "installation_target", payload)
    assert answer.status == 200
    assert await places(bot) == [("acme/shop", 1), ("acme/tool", 2)]


@sqlite_only
@pytest.mark.parametrize("owner", [None, "acme", [], {"id": "9"}, {"id": 2**70}, {}])
async def test_odd_owners(bot: Bot, integration: str, owner: Any) -> None:
    """An owner that cannot be read spoils nothing else."""
    where = {**repo("acme/shop", SHOP, 1), "owner": owner}
    await bot.tell(integration, pull(3, where, 1), told_an_app("acme", "acme-inc"))
    assert ("acme-inc/shop", 3) in await places(bot)


async def test_an_installation_has_the_new_name(bot: Bot, integration: str) -> None:
    """By what the App is told, and by a delivery of a repository that it serves."""
    account = {"id": 100, "account": {"login": "acme"}, "updated_at": at(0)}
    await bot.deliver(integration, "installation", {"action": "created", "installation": account})
    path = f"/api/v1/integrations/{integration}"
    await bot.tell(integration, told_an_app("acme", "acme-inc"))
    (shown,) = (await bot.get(path)).body["installations"]
    assert shown["account"] == "acme-inc"
    through = {"installation": {"id": 100}}
    await bot.tell(integration, {**pull(3, repo("acme-inc/shop", SHOP, 0), 5), **through})
    await bot.tell(integration, {**pull(3, repo("acme-corp/shop", SHOP, 0), 6), **through})
    (shown,) = (await bot.get(path)).body["installations"]
    assert shown["account"] == "acme-corp"


async def test_the_first_name_that_is_heard_may_be_the_newest(bot: Bot) -> None:
    """What comes late tells an older one, also where the repository has not changed since."""
    await bot.experiment("a")
    late = pull(1, repo("acme/shop"), 1)
    await bot.tell(await bot.integration(), pull(1, repo("acme-inc/shop"), 5), late)
    assert await places(bot) == [("acme-inc/shop", 1)]
