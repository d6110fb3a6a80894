"""What is set here: whether it is active, the address that GitHub is told, and secrets."""

import dataclasses

import pytest
from cryptography.fernet import Fernet

from bot import storage as store
from bot.github.reach import unreachable
from bot.settings import Settings
from tests.doctor.scene import TOKEN, Scene, troubles
from tests.github import Fault, GitHub
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, start


@sqlite_only
async def test_an_integration_that_is_not_active(scene: Scene) -> None:
    """That is a warning: somebody may want it so."""
    await scene.with_token()
    await scene.bot.patch(f"/api/v1/integrations/{scene.id}", {"is_active": False})
    findings = await scene.expect("integration", "warning", "not active", "is_active")
    assert len(troubles(findings)) == 1


@sqlite_only
async def test_secrets_that_cannot_be_read(scene: Scene) -> None:
    """A key that is gone is a finding, not a 500."""
    await scene.with_token()
    scene.bot.services.vault = store.Vault([Fernet.generate_key().decode()])
    findings = await scene.expect("integration", "problem", "secrets cannot be read", "SECRET_KEY")
    assert len(findings) == 1


@sqlite_only
async def test_secrets_stay_secret(scene: Scene) -> None:
    """Also where a strange GitHub repeats them, or an address holds a password."""
    await scene.with_token()
    path = f"/api/v1/integrations/{scene.id}/webhook/github"
    scene.hook.config["url"] = f"https://user:password@old.example.com{path}?key=hidden"
    findings = await scene.expect("webhook", "problem", "https://old.example.com/api", "PUBLIC_URL")
    assert "password" not in str(findings) and "hidden" not in str(findings)
    body = {"message": f"No such token: {TOKEN}\x1b[31m\n{SECRET}"}
    scene.github.fail(Fault("status", times=None, status=401, body=body))
    findings = await scene.expect("credential", "problem", "No such token: ********", "new token")
    assert "\x1b" not in str(findings) and "\\x1b" not in str(findings)


@pytest.mark.parametrize(
    ("public_url", "api_url", "reason"),
    [
        ("https://bot.example.com", "https://api.github.com", None),
        ("http://127.0.0.1:8000", "https://api.github.com", "this machine"),
        ("http://localhost:8000", "https://api.github.com", "this machine"),
        ("http://bot.localhost", "https://api.acme.ghe.com", "this machine"),
        ("http://0.0.0.0:8000", "https://api.github.com", "this machine"),
        ("http://[::1]:8000", "https://api.github.com", "this machine"),
        ("http://127.0.0.1:8000", "https://ghe.corp.example/api/v3", "this machine"),
        ("http://10.1.2.3", "https://api.github.com", "private network"),
        ("http://192.168.1.7:8000", "https://api.acme.ghe.com", "private network"),
        ("http://bot", "https://api.github.com", "private network"),
        ("http://bot.internal", "https://api.github.com", "private network"),
        ("http://10.1.2.3", "https://ghe.corp.example/api/v3", None),
        ("http://bot", "https://ghe.corp.example/api/v3", None),
        ("https://8.8.8.8", "https://api.github.com", None),
    ],
)
def test_addresses_that_github_cannot_reach(
    public_url: str, api_url: str, reason: str | None
) -> None:
    """This machine never; a private network only from an Enterprise Server in it."""
    found = unreachable(public_url, api_url)
    assert (found is None) if reason is None else reason in (found or "")


@sqlite_only
async def test_a_public_url_of_this_machine(settings: Settings, github: GitHub) -> None:
    """The warning says what to set."""
    bot = await start(dataclasses.replace(settings, public_url="http://127.0.0.1:8000"))
    try:
        scene = Scene(bot, github)
        scene.set_token()
        scene.id = await bot.integration(config={"token": TOKEN})
        await scene.expect("address", "warning", "http://127.0.0.1:8000", "Set PUBLIC_URL")
    finally:
        await bot.close()
