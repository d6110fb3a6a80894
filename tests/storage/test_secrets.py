"""Secrets go in and never come out: in no answer, log, metric or file, whatever goes wrong."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot import storage as store
from bot import times
from bot.deliveries.life import retry_due
from bot.demo import payloads
from bot.domain import items
from tests.kit.clock import Clock
from tests.kit.deliveries import REPO
from tests.kit.logs import captured
from tests.kit.marks import sqlite_only
from tests.kit.running import ADMIN_TOKEN, Answer, Bot

# The files of the embedded engine can be looked into.
pytestmark = sqlite_only

PATH = "/api/v1/integrations"
TOKENS = ("ghp_hXq4tT9vKwPz1aBcD2eF3gH5iJ6kL7mN", "github_pat_11ABCDEFG0aZ8yX7wV6uT5sR4qP3oN2m")
FIRST, SECOND, THIRD = (f"webhook-secret-{word}-0d9f8e7c" for word in ("one", "two", "three"))
PULL_REQUEST = payloads.pull_request("opened", 7, "2026-03-02T10:00:00Z", repo=REPO)


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@pytest.fixture(params=["text", "json"])
def log_stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that the service logs, in either form."""
    with captured(request.param) as stream:
        yield stream


class Scene:
    """A service with an integration of each kind, whose every answer is written down."""

    def __init__(self, bot: Bot, private_key: str, log_stream: io.StringIO) -> None:
        self.bot = bot
        self.viewer = store.new_token()
        self._log, self._answers, self._request = log_stream, "", bot.request
        lines = private_key.strip().splitlines()[1:-1]
        self.secrets = [*TOKENS, FIRST, SECOND, THIRD, *lines, self.viewer, ADMIN_TOKEN]
        self.with_token = {"token": TOKENS[0], "webhook_secret": FIRST}
        self.with_app = {"app_id": 5, "private_key": private_key, "webhook_secret": SECOND}
        bot.request = self._recorded  # type: ignore[method-assign]

    async def _recorded(self, *args: Any, **options: Any) -> Answer:
        answer = await self._request(*args, **options)
        self._answers += f"{dict(answer.headers)}\n{answer.body}\n"
        return answer

    async def create(self, config: dict[str, Any], **values: Any) -> Answer:
        body = {"name": "Tests", "integration_type": "GITHUB", "config": config, **values}
        return await self.bot.post(PATH, body)

    async def assert_nothing_leaked(self) -> None:
        """Look for each secret in the log, the answers, the metrics and every file."""
        await self.bot.get("/metrics")
        folder = self.bot.services.settings.data_dir
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert files.keys() >= {"bot.db", "secret.key"}
        Fernet(files["secret.key"].strip())
        texts = {
            "log": self._log.getvalue().encode(),
            "answers": self._answers.encode(),
            **files,
        }
        assert all(texts.values())
        found = {
            (name, secret)
            for name in texts
            for secret in self.secrets
            if secret.encode() in texts[name]
        }
        assert found == set()


@pytest.fixture
async def scene(bot: Bot, private_key: str, log_stream: io.StringIO) -> Scene:
    scene = Scene(bot, private_key, log_stream)
    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, "viewer", "viewer", "viewer", store.hash_token(scene.viewer), times.now()
        )
    )
    return scene


async def test_everyday_life(scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Integrations of both kinds are made, changed, rotated, used, misused and deleted."""
    bot = scene.bot
    one = (await scene.create(scene.with_token)).body["id"]
    two = (await scene.create(scene.with_app)).body["id"]
    await bot.put(f"{PATH}/{one}", {"config": {"token": TOKENS[1], "webhook_secret": THIRD}})
    await bot.patch(f"{PATH}/{two}", {"config": {"webhook_secret": THIRD}})
    await bot.get(PATH)
    await bot.get(PATH, token=scene.viewer)
    await bot.get("/api/v1/experiments", token=scene.viewer)
    guid = "6a1f0f6c-2f1b-4a52-9d33-0c4f1d7f5e10"
    for secret, status in ((FIRST, 200), (THIRD, 200), (SECOND, 401), (TOKENS[1], 401)):
        answer = await bot.deliver(one, "pull_request", PULL_REQUEST, secret=secret, guid=guid)
        assert answer.status == status
    with monkeypatch.context() as broken:
        broken.setattr(items, "observe", lambda *_: 1 / 0)
        answer = await bot.deliver(two, "pull_request", PULL_REQUEST, secret=THIRD, guid=guid)
        assert answer.status == 202
        await bot.post(f"{PATH}/{two}/deliveries/{guid}/replay")
        clock.ahead += 3_600
        await retry_due(bot.services)
    for integration in (one, two):
        await bot.walk(f"{PATH}/{integration}/deliveries")
        await bot.get(f"{PATH}/{integration}/deliveries/{guid}")
        assert (await bot.get(f"{PATH}/{integration}")).status == 200
    assert (await bot.delete(f"{PATH}/{two}")).status == 204
    await scene.assert_nothing_leaked()


async def test_mistakes(scene: Scene, private_key: str) -> None:
    """What is refused is not repeated, in whichever field the secret stood."""
    integration = (await scene.create(scene.with_token)).body["id"]
    wrong: list[dict[str, Any]] = [
        {"config": {**scene.with_token, "token": f"{TOKENS[0]} "}},
        {"config": {**scene.with_token, "webhook_secret": f"{FIRST} "}},
        {"config": {**scene.with_token, "private_key": private_key}},
        {"config": {**scene.with_app, "app_id": TOKENS[0]}},
        {"config": {**scene.with_app, "installation_id": SECOND}},
        {"config": {**scene.with_app, "private_key": private_key[:-200]}},
        {"config": {**scene.with_app, "private_key": [private_key]}},
        {"config": {**scene.with_token, "api_url": TOKENS[0]}},
        {"config": {**scene.with_token, "repositories": [TOKENS[0], private_key]}},
        {"config": {**scene.with_token, "repositories": FIRST}},
        {"config": {**scene.with_token, "secret": FIRST}},
        {"config": TOKENS[0]},
        {"config": [private_key]},
        {"config": scene.with_token, "token": TOKENS[0]},
        {"config": scene.with_token, "is_active": TOKENS[0]},
        {"config": scene.with_token, "integration_type": TOKENS[0]},
        {"config": scene.with_token, "name": [FIRST]},
    ]
    for body in wrong:
        answer = await scene.bot.post(PATH, {"name": "x", "integration_type": "GITHUB", **body})
        assert answer.status == 422, body
        answer = await scene.bot.patch(f"{PATH}/{integration}", body)
        assert answer.status in (200, 422)
    for text in (f'{{"token": "{TOKENS[0]}', f'"{FIRST}"', f"token={TOKENS[0]}", private_key):
        headers = {"Content-Type": "application/json"}
        answer = await scene.bot.request("POST", PATH, data=text.encode(), headers=headers)
        assert answer.status in (400, 422)
    await scene.assert_nothing_leaked()


async def test_odd_places(scene: Scene, private_key: str) -> None:
    """Secrets as bearer tokens, in queries, in headers and as bodies of deliveries."""
    integration = (await scene.create(scene.with_token)).body["id"]
    await scene.create(scene.with_app)
    bot, webhook = scene.bot, f"{PATH}/{integration}/webhook/github"
    for secret in (TOKENS[0], FIRST, scene.viewer[:-1], f"{ADMIN_TOKEN}x"):
        assert (await bot.get(PATH, token=secret)).status == 401
        for scheme in ("token", "Basic", "Bearer Bearer", ""):
            headers = {"Authorization": f"{scheme} {secret}".strip()}
            assert (await bot.get(PATH, token=None, headers=headers)).status == 401
    for secret in (TOKENS[0], FIRST, ADMIN_TOKEN):
        for path, status in (
            (f"{PATH}?access_token={secret}", 422),
            (f"{PATH}?cursor={secret}", 422),
            (f"{PATH}?limit={secret}", 422),
            (f"{PATH}/{integration}/deliveries?status={secret}", 422),
            (f"{PATH}/{integration}/deliveries?event={secret}!", 422),
            (f"/api/v1/experiments?status={secret}", 422),
            (f"/nowhere?token={secret}", 404),
            (f"/healthz?token={secret}", 200),
        ):
            assert (await bot.get(path)).status == status, path
        assert (await bot.post(f"{webhook}?secret={secret}", {})).status == 401
        for name, status in (
            ("X-Hub-Signature-256", 401),
            ("X-Hub-Signature", 200),
            ("X-GitHub-Event", 400),
            ("X-GitHub-Token", 200),
            ("Authorization", 200),
            ("Cookie", 200),
        ):
            answer = await bot.deliver(
                integration, "ping", {}, secret=FIRST, headers={name: secret}
            )
            assert answer.status == status, name
        for body in (secret.encode(), f'{{"{secret}'.encode()):
            headers = payloads.headers("ping", body, FIRST)
            assert (await bot.send(integration, body, headers)).status == 400
    await bot.walk(f"{PATH}/{integration}/deliveries")
    await scene.assert_nothing_leaked()


@pytest.mark.parametrize("function", ["add", "change", "find"])
async def test_a_fault_of_our_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """Even the traceback of a bug in the midst of storing secrets shows none of them."""
    integration = (await scene.create(scene.with_token)).body["id"]

    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(store.integrations, function, fail)
        answers = [
            await scene.create(scene.with_app),
            await scene.bot.patch(f"{PATH}/{integration}", {"config": {"token": TOKENS[1]}}),
            await scene.bot.put(f"{PATH}/{integration}", {"config": {"webhook_secret": THIRD}}),
        ]
    assert 500 in [answer.status for answer in answers]
    assert (await scene.bot.get(f"{PATH}/{integration}")).status == 200
    await scene.assert_nothing_leaked()
