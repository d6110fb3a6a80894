"""Integrations over the API: creating and showing them."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat

from bot.settings import Settings
from tests.api.managing import MASK, PATH, TOKEN, create, pem_of
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot, start


async def test_create_with_token(bot: Bot) -> None:
    """The answer is what every later answer is, with each secret masked."""
    config = {"token": "ghp_xxx", "webhook_secret": "a-strong-random-secret-at-least-32-chars"}
    answer = await bot.post(PATH, create(description="For the monorepo", config=config))
    assert answer.status == 201
    body = answer.body
    assert body["webhook_url"] == f"http://127.0.0.1:8000{PATH}/{body['id']}/webhook/github"
    assert body["created_at"] == body["updated_at"]
    assert body["created_at"].endswith("Z")
    expected = {
        "name": "Tests",
        "integration_type": "GITHUB",
        "description": "For the monorepo",
        "is_active": True,
        "last_delivery_at": None,
        "last_error": None,
    }
    assert {name: body[name] for name in expected} == expected
    assert body["config"] == {
        "auth": "token",
        "token": MASK,
        "webhook_secret": MASK,
        "api_url": "https://api.github.com",
        "backfill_days": 30,
        "commands": {},
        "repositories": None,
        "comments": "on",
        "label": "experiment",
        "check": "on",
        "code": "on",
        "cleanup": "off",
    }
    assert (await bot.get(f"{PATH}/{body['id']}")).body == body
    assert (await bot.get(PATH)).body == {"items": [body], "next_cursor": None}
    assert (await bot.get(f"{PATH}/{body['id'].upper()}")).body == body


@sqlite_only
@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
@pytest.mark.parametrize("installation", [None, 100])
async def test_create_with_app(
    bot: Bot, rsa_key: rsa.RSAPrivateKey, form: PrivateFormat, installation: int | None
) -> None:
    """An App's key is taken as PKCS#1 and as PKCS#8."""
    config = {"app_id": 12345, "private_key": pem_of(rsa_key, form), "webhook_secret": SECRET}
    if installation:
        config["installation_id"] = installation
    answer = await bot.post(PATH, create(config=config))
    assert answer.status == 201, answer.body
    shown = {"auth": "app", "app_id": 12345, "private_key": MASK, "webhook_secret": MASK}
    if installation:
        shown["installation_id"] = installation
    assert answer.body["config"] == {
        **shown,
        "api_url": "https://api.github.com",
        "backfill_days": 30,
        "commands": {},
        "repositories": None,
        "comments": "on",
        "label": "experiment",
        "check": "on",
        "code": "on",
        "cleanup": "off",
    }
    assert (await bot.get(f"{PATH}/{answer.body['id']}")).body == answer.body


@sqlite_only
@pytest.mark.parametrize("token", ["x", "ghs_" + "A1b2" * 200, "github_pat_" + "z" * 20_000])
async def test_any_token(bot: Bot, token: str) -> None:
    """Tokens are opaque and of any length."""
    answer = await bot.post(PATH, create(config={**TOKEN, "token": token}))
    assert answer.status == 201, answer.body


@sqlite_only
async def test_secret_of_exactly_16(bot: Bot) -> None:
    for secret in ("1234567890123456", "12345678 90123456", "ß" * 16):
        answer = await bot.post(PATH, create(config={**TOKEN, "webhook_secret": secret}))
        assert answer.status == 201, answer.body


EC_KEY = pem_of(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.PKCS8)
APP = {"app_id": 1, "private_key": EC_KEY, "webhook_secret": SECRET}


@sqlite_only
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ([], ""),
        (create(name=""), "name"),
        (create(name=None), "name"),
        (create(name=5), "name"),
        (create(name="n" * 201), "name"),
        (create(integration_type="GITLAB"), "integration_type"),
        (create(integration_type=None), "integration_type"),
        (create(description=5), "description"),
        (create(is_active="yes"), "is_active"),
        (create(is_active=None), "is_active"),
        (create(is_activ=True), "is_activ"),
        (create(secret_grace_seconds=5), "secret_grace_seconds"),
        (create(id="0f3d1c9e-7b5a-4f0e-8d2c-1a2b3c4d5e6f"), "id"),
        (create(config=None), "config"),
        (create(config=[]), "config"),
        (create(config={}), "config.webhook_secret"),
        (create(config={"webhook_secret": SECRET}), "config.token"),
        (create(config={"token": "ghp_x"}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": "too-short-of-it"}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": ""}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": f" {SECRET}"}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": f"{SECRET}\n"}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": f"{SECRET}\u2003"}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": " " * 20}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": 1234567890123456}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": None}), "config.webhook_secret"),
        (create(config={**TOKEN, "webhook_secret": MASK}), "config.webhook_secret"),
        (create(config={**TOKEN, "token": ""}), "config.token"),
        (create(config={**TOKEN, "token": "ghp x"}), "config.token"),
        (create(config={**TOKEN, "token": "ghp_x\n"}), "config.token"),
        (create(config={**TOKEN, "token": "ghp_é"}), "config.token"),
        (create(config={**TOKEN, "token": None}), "config.token"),
        (create(config={**TOKEN, "token": MASK}), "config.token"),
        (create(config={**TOKEN, "app_id": 1}), "config.token"),
        (create(config={**TOKEN, "private_key": EC_KEY}), "config.token"),
        (create(config={**TOKEN, "installation_id": 5}), "config.token"),
        (create(config={"app_id": 1, "webhook_secret": SECRET}), "config.private_key"),
        (create(config={**APP, "private_key": EC_KEY}), "config.private_key"),
        (create(config={**APP, "private_key": "-----BEGIN"}), "config.private_key"),
        (create(config={**APP, "private_key": ""}), "config.private_key"),
        (create(config={**APP, "private_key": MASK}), "config.private_key"),
        (create(config={**APP, "app_id": "1"}), "config.app_id"),
        (create(config={**APP, "app_id": 0}), "config.app_id"),
        (create(config={**APP, "app_id": 1.5}), "config.app_id"),
        (create(config={**APP, "app_id": None}), "config.app_id"),
        (create(config={"private_key": EC_KEY, "webhook_secret": SECRET}), "config.app_id"),
        (create(config={**APP, "installation_id": "100"}), "config.installation_id"),
        (create(config={**APP, "installation_id": -1}), "config.installation_id"),
        (create(config={**TOKEN, "api_url": "https://evil.example"}), "config.api_url"),
        (create(config={**TOKEN, "api_url": "http://api.github.com"}), "config.api_url"),
        (create(config={**TOKEN, "api_url": "https://api.github.com.evil"}), "config.api_url"),
        (create(config={**TOKEN, "api_url": "https://api.github.com/x"}), "config.api_url"),
        (create(config={**TOKEN, "api_url": 5}), "config.api_url"),
        (create(config={**TOKEN, "repositories": "acme/shop"}), "config.repositories"),
        (create(config={**TOKEN, "repositories": []}), "config.repositories"),
        (create(config={**TOKEN, "repositories": ["acme"]}), "config.repositories[0]"),
        (create(config={**TOKEN, "repositories": ["a/b", "*/b"]}), "config.repositories[1]"),
        (create(config={**TOKEN, "repositories": ["a/b*"]}), "config.repositories[0]"),
        (create(config={**TOKEN, "repositories": ["a/b/c"]}), "config.repositories[0]"),
        (create(config={**TOKEN, "repositories": ["a/[b]"]}), "config.repositories[0]"),
        (create(config={**TOKEN, "repositories": ["a/b\n"]}), "config.repositories[0]"),
        (create(config={**TOKEN, "repositories": ["*"]}), "config.repositories[0]"),
        (create(config={**TOKEN, "secret": "x"}), "config.secret"),
        (create(config={**TOKEN, "auth": "token"}), "config.auth"),
    ],
)
async def test_what_cannot_be(bot: Bot, body: Any, field: str) -> None:
    """A 422 names the field, and nothing is created."""
    answer = await bot.post(PATH, body)
    assert answer.status == 422, answer.body
    assert field in [error["field"] for error in answer.body["errors"]]
    assert all(error["message"] for error in answer.body["errors"])
    assert (await bot.get(PATH)).items == []


@sqlite_only
async def test_encrypted_key(bot: Bot, rsa_key: rsa.RSAPrivateKey) -> None:
    """A key behind a password, and a public one, are no keys to sign with."""
    public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for key in (pem_of(rsa_key, PrivateFormat.PKCS8, b"password"), public.decode()):
        answer = await bot.post(PATH, create(config={**APP, "private_key": key}))
        assert answer.status == 422
        assert [error["field"] for error in answer.body["errors"]] == ["config.private_key"]


@sqlite_only
async def test_several_errors_at_once(bot: Bot) -> None:
    config = {"token": MASK, "webhook_secret": f" {SECRET}", "repositories": ["acme"]}
    answer = await bot.post(PATH, create(config=config))
    assert {error["field"] for error in answer.body["errors"]} >= {
        "config.token",
        "config.webhook_secret",
        "config.repositories[0]",
    }


@sqlite_only
async def test_api_urls(settings: Settings) -> None:
    """Only the addresses of GITHUB_API_URLS are taken; the first is the default."""
    urls = ("https://github.acme.example/api/v3", "https://api.github.com")
    settings = Settings.from_environment(
        {
            "DATA_DIR": str(settings.data_dir),
            "ADMIN_TOKEN": str(settings.admin_token),
            "GITHUB_API_URLS": f"{urls[0]}/, {urls[1]}",
        }
    )
    bot = await start(settings)
    try:
        for sent, kept in (
            (None, urls[0]),
            (urls[0], urls[0]),
            (f"{urls[0]}/", urls[0]),
            (urls[1], urls[1]),
        ):
            answer = await bot.post(PATH, create(config={**TOKEN, "api_url": sent}))
            assert answer.body["config"]["api_url"] == kept
        answer = await bot.post(PATH, create(config={**TOKEN, "api_url": "https://acme.example"}))
        assert answer.status == 422
        answer = await bot.patch(
            f"{PATH}/{(await bot.get(PATH)).items[0]['id']}",
            {"config": {"api_url": "https://acme.example"}},
        )
        assert answer.status == 422
    finally:
        await bot.close()


async def test_list_is_walked(bot: Bot) -> None:
    """Newest first, no matter how small the pages are."""
    made = [await bot.integration(name=str(number)) for number in range(5)]
    for limit in (1, 2, 5, 200):
        walked = await bot.walk(PATH, limit)
        assert [one["id"] for one in walked] == made[::-1]
    for query in ("limit=0", "limit=201", "limit=x", "cursor=nonsense", "cursor=", "page=2"):
        assert (await bot.get(f"{PATH}?{query}")).status == 422, query


@sqlite_only
async def test_a_fine_grained_token_serves_one_owner(bot: Bot) -> None:
    """However the two come together; what is stored already can be changed in all else."""
    fine, both = {"token": "github_pat_11ABC_xyz"}, ["acme/shop", "ACME/*", "globex/shop"]
    sent = create(config={**TOKEN, **fine, "repositories": both})
    other = "globex/shop"
    made = await bot.post(PATH, create(config={**TOKEN, "repositories": both}))
    at = f"{PATH}/{made.body['id']}"
    tried = [
        await bot.post(PATH, sent),
        await bot.patch(at, {"config": fine}),
        await bot.put(at, {"config": {**fine, "repositories": both}}),
    ]
    for answer in tried:
        assert answer.status == 422, answer.body
        ((field, message),) = [(one["field"], one["message"]) for one in answer.body["errors"]]
        assert field == f"config.repositories[{both.index(other)}]"
        assert "of another owner than acme" in message and "serves one owner" in message
    for config in ({**fine, "repositories": both[:2]}, {"repositories": None}):
        assert (await bot.patch(at, {"config": config})).status == 200
    assert (await bot.patch(at, {"config": {"repositories": both}})).status == 422
