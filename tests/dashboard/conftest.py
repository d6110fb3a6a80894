"""The dashboard's fixtures: a GitHub to sign in at, a bot with an App there, and a browser."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser as Chromium

from bot import storage as store
from bot.domain import integrations
from bot.domain.actors import SYSTEM
from bot.settings import Settings
from tests.dashboard.two_people import FIELDS
from tests.github import SignIn, rsa_key
from tests.github.sign_in import signing_in
from tests.kit import chromium, running
from tests.kit.running import SECRET, Bot


@pytest.fixture
async def stand() -> AsyncIterator[SignIn]:
    async with signing_in() as github:
        yield github


@pytest.fixture
async def app_bot(settings: Settings, stand: SignIn) -> AsyncIterator[Bot]:
    """A bot with an App that was set up at /setup."""
    bot = await running.start(
        replace(settings, github_api_urls=(stand.url,), sign_in_organizations=("acme",))
    )

    def job(tx: store.Transaction) -> None:
        integrations.create(
            tx,
            bot.services.vault,
            (stand.url,),
            {
                "name": "Acme App",
                "integration_type": "GITHUB",
                "config": {
                    "app_id": 7,
                    "private_key": rsa_key(),
                    "webhook_secret": SECRET,
                    "client_id": "Iv1.tests",
                    "client_secret": "a-client-secret",
                },
            },
            SYSTEM,
        )

    await bot.services.database.write(job)
    yield bot
    await bot.close()


@pytest.fixture
async def browser() -> AsyncIterator[Chromium]:
    async with chromium.launched() as browser:
        yield browser


@pytest.fixture
async def checkout(bot: Bot) -> None:
    """An experiment that is there."""
    await bot.experiment("checkout", **FIELDS)
