"""Integrations over the API: changing them, and replacing their secrets."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat

from bot import server, times
from bot import storage as store
from bot.domain import integrations as domain
from bot.domain.actors import SYSTEM
from tests.api.managing import MASK, PATH, create, pem_of
from tests.kit.clock import Clock
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot

NEW_SECRET = "a-newer-webhook-secret"
NEWEST_SECRET = "the-newest-webhook-secret"


@pytest.fixture
def pem(rsa_key: rsa.RSAPrivateKey) -> str:
    """A private key in the form that GitHub gives out."""
    return pem_of(rsa_key, PrivateFormat.TraditionalOpenSSL)


async def token_of(bot: Bot, role: str) -> str:
    secret = f"xbot_{role}_of_the_tests"
    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, f"token-{role}", role, role, store.hash_token(secret), times.now()
        )
    )
    return secret


# --- Change


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_change_keeps_the_rest(bot: Bot, method: str) -> None:
    """What is not sent stays, also with PUT."""
    integration = await bot.integration(
        name="Before", description="Kept", config={"repositories": ["acme/*"]}
    )
    path = f"{PATH}/{integration}"
    before = (await bot.get(path)).body
    config = {"token": "ghp_xxxx", "webhook_secret": "new-strong-secret-here"}
    answer = await bot.request(method, path, json={"config": config})
    assert answer.status == 200, answer.body
    changed = {"updated_at", "previous_secret_until"}
    assert {name: answer.body[name] for name in before if name not in changed} == {
        name: before[name] for name in before if name not in changed
    }
    assert answer.body["updated_at"] >= before["updated_at"]
    assert (await bot.get(path)).body == answer.body
    delivered = await bot.deliver(integration, "ping", {}, secret="new-strong-secret-here")
    assert delivered.status == 200

    answer = await bot.request(method, path, json={"name": "After", "description": None})
    assert (answer.body["name"], answer.body["description"]) == ("After", None)
    answer = await bot.request(method, path, json={"config": {"repositories": None}})
    assert answer.body["config"]["repositories"] is None
    assert answer.body["name"] == "After"
    assert (await bot.request(method, path, json={})).status == 200


async def open_integration(bot: Bot, integration: str) -> domain.Integration:
    found = await bot.services.integration(integration, fresh=True)
    assert found is not None
    return found


@sqlite_only
async def test_switching_credentials(bot: Bot, pem: str) -> None:
    """A new kind of credentials replaces the other whole."""
    integration = await bot.integration()
    path = f"{PATH}/{integration}"
    app = {"app_id": 12345, "private_key": pem, "installation_id": 100}
    answer = await bot.patch(path, {"config": app})
    assert answer.status == 200, answer.body
    assert answer.body["config"].keys() == {
        *("auth", "app_id", "private_key", "installation_id"),
        *("webhook_secret", "api_url", "repositories", "commands", "comments", "label", "check"),
        *("backfill_days", "code", "cleanup"),
    }
    assert answer.body["config"]["auth"] == "app"
    opened = await open_integration(bot, integration)
    assert (opened.token, opened.private_key, opened.app_id) == (None, pem, 12345)

    answer = await bot.patch(path, {"config": {"installation_id": 200}})
    assert answer.body["config"]["installation_id"] == 200
    answer = await bot.patch(path, {"config": {"installation_id": None}})
    assert "installation_id" not in answer.body["config"]

    answer = await bot.patch(path, {"config": {"token": "ghp_again"}})
    assert answer.status == 200, answer.body
    assert answer.body["config"]["auth"] == "token"
    assert "app_id" not in answer.body["config"]
    assert "private_key" not in answer.body["config"]
    opened = await open_integration(bot, integration)
    assert (opened.token, opened.private_key, opened.app_id) == ("ghp_again", None, None)
    assert opened.webhook_secret == SECRET


@sqlite_only
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"config": {"webhook_secret": MASK}}, "config.webhook_secret"),
        ({"config": {"token": MASK}}, "config.token"),
        ({"config": {"private_key": MASK, "app_id": 5}}, "config.private_key"),
        ({"config": {"app_id": 5}}, "config.private_key"),
        ({"config": {"private_key": "x"}}, "config.app_id"),
        ({"config": {"installation_id": 5}}, "config.installation_id"),
        ({"config": {"webhook_secret": "short"}}, "config.webhook_secret"),
        ({"config": {"webhook_secret": None}}, "config.webhook_secret"),
        ({"config": {"token": None}}, "config.token"),
        ({"config": {"tokn": "ghp_x"}}, "config.tokn"),
        ({"config": None}, "config"),
        ({"name": None}, "name"),
        ({"is_active": None}, "is_active"),
        ({"created_at": "2026-03-02T10:00:00Z"}, "created_at"),
        ({"secret_grace_seconds": -1}, "secret_grace_seconds"),
        ({"secret_grace_seconds": "0"}, "secret_grace_seconds"),
        ({"secret_grace_seconds": None}, "secret_grace_seconds"),
        ({"integration_type": "JIRA"}, "integration_type"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_changes_that_cannot_be(bot: Bot, method: str, body: Any, field: str) -> None:
    """A 422 names the field; the integration stays as it was, secrets and all."""
    integration = await bot.integration()
    before = (await bot.get(f"{PATH}/{integration}")).body
    answer = await bot.request(method, f"{PATH}/{integration}", json=body)
    assert answer.status == 422, answer.body
    assert field in [error["field"] for error in answer.body["errors"]]
    assert (await bot.get(f"{PATH}/{integration}")).body == before
    opened = await open_integration(bot, integration)
    assert (opened.token, opened.webhook_secret) == ("ghp_of_the_tests", SECRET)
    assert (await bot.deliver(integration, "ping", {})).status == 200


@sqlite_only
async def test_an_answer_sent_back(bot: Bot) -> None:
    """Whoever sends back what was read is told, rather than have a mask for a secret."""
    integration = await bot.integration()
    body = (await bot.get(f"{PATH}/{integration}")).body
    answer = await bot.put(f"{PATH}/{integration}", {"name": "New", "config": body["config"]})
    assert answer.status == 422
    assert (await bot.get(f"{PATH}/{integration}")).body == body


async def test_delete(bot: Bot) -> None:
    """A deleted integration is gone from everywhere, and lets nothing in."""
    integration, other = await bot.integration(), await bot.integration(name="Other")
    guid = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"
    await bot.deliver(integration, "ping", {}, guid=guid)
    path = f"{PATH}/{integration}"
    answer = await bot.delete(path)
    assert (answer.status, answer.body) == (204, "")
    for answer in (
        await bot.get(path),
        await bot.put(path, {"name": "Back"}),
        await bot.patch(path, {"name": "Back"}),
        await bot.delete(path),
        await bot.get(f"{path}/deliveries"),
        await bot.get(f"{path}/deliveries/{guid}"),
        await bot.post(f"{path}/deliveries/{guid}/replay"),
        await bot.deliver(integration, "ping", {}),
    ):
        assert (answer.status, answer.body["error"]) == (404, "not found")
    assert [one["id"] for one in (await bot.get(PATH)).items] == [other]


async def test_deleted_secrets_are_gone(bot: Bot) -> None:
    """Nothing is left of the secrets of a deleted integration, not even encrypted."""
    integration = await bot.integration()
    await bot.delete(f"{PATH}/{integration}")
    rows = await bot.services.database.read(lambda tx: tx.all("SELECT secrets FROM integrations"))
    assert [row["secrets"] for row in rows] in ([], [""])


@sqlite_only
@pytest.mark.parametrize(
    ("method", "path", "body", "roles"),
    [
        ("POST", PATH, create(), {"admin"}),
        ("GET", PATH, None, {"admin", "developer"}),
        ("GET", f"{PATH}/{{id}}", None, {"admin", "developer"}),
        ("PUT", f"{PATH}/{{id}}", {"name": "New"}, {"admin"}),
        ("PATCH", f"{PATH}/{{id}}", {"name": "New"}, {"admin"}),
        ("GET", f"{PATH}/{{id}}/deliveries", None, {"admin", "developer", "viewer"}),
        ("POST", f"{PATH}/{{id}}/deliveries/{{guid}}/replay", None, {"admin", "developer"}),
        ("DELETE", f"{PATH}/{{id}}", None, {"admin"}),
    ],
)
async def test_roles(bot: Bot, method: str, path: str, body: Any, roles: set[str]) -> None:
    """Too low a role is a 403, no token or an unknown one a 401; neither changes anything."""
    guid = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"
    integration = await bot.integration()
    await bot.deliver(integration, "ping", {}, guid=guid)
    address = path.format(id=integration, guid=guid)
    before = (await bot.get(f"{PATH}/{integration}")).body
    for token in (None, "xbot_nobody", ""):
        answer = await bot.request(method, address, token=token, json=body)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    for role in ("viewer", "developer"):
        answer = await bot.request(method, address, token=await token_of(bot, role), json=body)
        if role in roles:
            assert answer.status == 200, answer.body
        else:
            assert (answer.status, answer.body["error"]) == (403, "forbidden")
    assert (await bot.get(f"{PATH}/{integration}")).body == before
    assert len((await bot.get(PATH)).items) == 1
    answer = await bot.request(method, address, token=await token_of(bot, "admin"), json=body)
    assert answer.status in (200, 201, 204)


class Rotation:
    """An integration whose secret is replaced while the time is moved."""

    def __init__(self, bot: Bot, integration: str, clock: Clock) -> None:
        self.bot, self.integration, self._clock = bot, integration, clock
        clock.stop()

    def wait(self, seconds: int) -> None:
        self._clock.ahead += seconds

    async def change(self, secret: str | None = None, **values: Any) -> dict[str, Any]:
        body = {**values, **({"config": {"webhook_secret": secret}} if secret else {})}
        answer = await self.bot.put(f"{PATH}/{self.integration}", body)
        assert answer.status == 200, answer.body
        changed: dict[str, Any] = answer.body
        return changed

    async def accepted(self, *secrets: str) -> list[bool]:
        """Tell of each secret whether a delivery that is signed with it passes."""
        answers = [
            await self.bot.deliver(self.integration, "ping", {}, secret=one) for one in secrets
        ]
        assert {answer.status for answer in answers} <= {200, 401}
        return [answer.status == 200 for answer in answers]


@pytest.fixture
async def rotation(bot: Bot, clock: Clock) -> Rotation:
    return Rotation(bot, await bot.integration(), clock)


# --- Rotation


@pytest.mark.parametrize(
    ("values", "grace"),
    [
        ({}, 86_400),
        ({"secret_grace_seconds": 60}, 60),
        ({"secret_grace_seconds": 604_800}, 604_800),
    ],
)
async def test_grace(rotation: Rotation, values: dict[str, int], grace: int) -> None:
    """The old secret verifies for its grace and not longer; the new one from now on."""
    assert await rotation.accepted(SECRET, NEW_SECRET) == [True, False]
    shown = await rotation.change(NEW_SECRET, **values)
    assert shown["previous_secret_until"] is not None
    assert await rotation.accepted(SECRET, NEW_SECRET) == [True, True]
    rotation.wait(grace - 1)
    assert await rotation.accepted(SECRET, NEW_SECRET) == [True, True]
    rotation.wait(1)
    assert await rotation.accepted(SECRET, NEW_SECRET) == [False, True]


async def test_no_grace(rotation: Rotation) -> None:
    """A grace of 0 cuts the old secret off with the same request."""
    shown = await rotation.change(NEW_SECRET, secret_grace_seconds=0)
    assert shown["previous_secret_until"] is None
    assert await rotation.accepted(SECRET, NEW_SECRET) == [False, True]


async def test_two_rotations_within_the_grace(rotation: Rotation) -> None:
    """Each old secret keeps the time it was given."""
    await rotation.change(NEW_SECRET, secret_grace_seconds=100)
    rotation.wait(40)
    await rotation.change(NEWEST_SECRET, secret_grace_seconds=100)
    every = (SECRET, NEW_SECRET, NEWEST_SECRET)
    assert await rotation.accepted(*every) == [True, True, True]
    rotation.wait(59)
    assert await rotation.accepted(*every) == [True, True, True]
    rotation.wait(1)
    assert await rotation.accepted(*every) == [False, True, True]
    rotation.wait(40)
    assert await rotation.accepted(*every) == [False, False, True]


async def test_other_changes_keep_the_grace(rotation: Rotation) -> None:
    """A change of something else neither prolongs nor ends it; a grace of 0 alone ends it."""
    await rotation.change(NEW_SECRET, secret_grace_seconds=100)
    rotation.wait(50)
    await rotation.change(name="Renamed")
    await rotation.change(NEW_SECRET)
    assert await rotation.accepted(SECRET, NEW_SECRET) == [True, True]
    rotation.wait(50)
    assert await rotation.accepted(SECRET, NEW_SECRET) == [False, True]

    await rotation.change(NEWEST_SECRET)
    assert await rotation.accepted(NEW_SECRET, NEWEST_SECRET) == [True, True]
    await rotation.change(secret_grace_seconds=0)
    assert await rotation.accepted(NEW_SECRET, NEWEST_SECRET) == [False, True]


async def test_rotation_and_back(rotation: Rotation) -> None:
    """A secret that comes back is the current one, without an end."""
    await rotation.change(NEW_SECRET, secret_grace_seconds=100)
    await rotation.change(SECRET, secret_grace_seconds=0)
    assert await rotation.accepted(SECRET, NEW_SECRET) == [True, False]
    rotation.wait(1000)
    assert await rotation.accepted(SECRET, NEW_SECRET) == [True, False]


@pytest.mark.parametrize("grace", [0, 86_400])
async def test_rotation_by_another_process(bot: Bot, grace: int) -> None:
    """A secret that another process has stored is accepted at once."""
    integration = await bot.integration()
    assert (await bot.deliver(integration, "ping", {})).status == 200
    other = await server.open_services(bot.services.settings)
    try:
        await other.database.write(
            lambda tx: domain.change(
                tx,
                other.vault,
                other.settings.github_api_urls,
                integration,
                {"config": {"webhook_secret": NEW_SECRET}, "secret_grace_seconds": grace},
                SYSTEM,
            )
        )
    finally:
        await other.database.close()
    assert (await bot.deliver(integration, "ping", {}, secret=NEW_SECRET)).status == 200
    answer = await bot.deliver(integration, "ping", {})
    assert answer.status == (200 if grace else 401)
