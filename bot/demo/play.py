"""Plays a week of a small company's GitHub over real HTTP, so that there is something to look at.

The week ends a few minutes before now; apart from the clock and the secrets it is the same every
time.
"""

import asyncio
import secrets
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot import log, server, times
from bot.demo import payloads
from bot.demo.telling import INSTALLATION, Delivery, Request, everything
from bot.github.reach import WEBHOOK_PATH
from bot.services import Services
from bot.settings import Settings


@contextmanager
def throw_away_settings(settings: Settings) -> Iterator[Settings]:
    """Yield `settings` with a database and a key of their own, which are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="experiment-bot-demo-") as folder:
        database_url = f"sqlite:///{Path(folder, 'bot.db')}"
        yield replace(
            settings,
            data_dir=Path(folder),
            database_url=database_url,
            secret_keys=(),
            recovery_minutes=0,  # its App is made up: nobody at GitHub knows of its deliveries
        )


async def run(services: Services, token: str | None) -> None:
    """Serve, play the week, say what there is to see, and stay up until told to stop.

    Raises OSError if the address is taken, and what went wrong if the week could not be played.
    """
    assert token is not None, "a new database has a new admin token"
    playing: list[asyncio.Task[None]] = []

    def start() -> None:
        playing.append(task := asyncio.create_task(_play(services, token)))
        task.add_done_callback(_stop_if_failed)

    settings = services.settings
    if settings.log_level in ("debug", "info"):  # a line per request would tear the progress bar
        log.configure("warning", settings.log_format)
    await server.serve(services, with_worker=True, on_start=start)
    for task in playing:
        task.cancel()  # does nothing to one that is over
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, aiohttp.ClientError):
            raise click.ClickException(f"the week was cut short: {outcome}")
        if isinstance(outcome, Exception):
            raise outcome


def _stop_if_failed(playing: "asyncio.Task[None]") -> None:
    if not playing.cancelled() and playing.exception() is not None:
        signal.raise_signal(signal.SIGTERM)  # as Ctrl-C would


async def _play(services: Services, token: str) -> None:
    settings = services.settings
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        api = Api(session, _local_url(settings), token)
        answers = await play_week(api)
        summary = await _summary(api, answers, settings.public_url)
    log.configure(settings.log_level, settings.log_format)
    click.echo(summary)


def _local_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@dataclass(frozen=True)
class Api:
    session: aiohttp.ClientSession
    url: str
    token: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a good answer; raises ClickException for another."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=headers
        ) as response:
            if not response.ok:
                raise _unexpected(f"{method} {path}", response.status, await response.text())
            return await response.json()

    async def deliver(self, path: str, delivery: Delivery, secret: str) -> str:
        """Send a delivery and return what became of it in a word."""
        body = payloads.encode(delivery.payload)
        headers = payloads.headers(delivery.event, body, secret, delivery.guid)
        async with self.session.post(self.url + path, data=body, headers=headers) as response:
            answer = await response.json(content_type=None)
            if response.status == 401 and delivery.is_forged:
                return "refused"
            if response.status != 200 or delivery.is_forged:
                raise _unexpected(delivery.event, response.status, await response.text())
            if answer.get("duplicate"):
                return "duplicate"
            return "processed" if answer["processed"] else "ignored"


def _unexpected(what: str, status: int, text: str) -> click.ClickException:
    return click.ClickException(f"the week was cut short: {what} was answered {status}: {text}")


async def play_week(api: Api) -> Counter[str]:
    """Send the whole week and return how many deliveries got which answer.

    Meanwhile the clock of this process shows the moment that is played, so that experiments and
    deliveries, too, bear the times of the week.
    """
    week = everything(datetime.now(UTC))
    clock = [_microseconds(week[0].at)]
    answers: Counter[str] = Counter()
    with mock.patch.object(times, "now", lambda: clock[0]):
        secret = secrets.token_urlsafe(32)
        integration = await _create_integration(api, secret)
        webhook = WEBHOOK_PATH.format(integration_id=integration)
        with click.progressbar(week, label="Playing a week of deliveries") as bar:
            for one in bar:
                clock[0] = _microseconds(one.at)
                if isinstance(one, Request):
                    await api.ask(one.method, one.path, one.body)
                else:
                    known = secrets.token_urlsafe(32) if one.is_forged else secret
                    answers[await api.deliver(webhook, one, known)] += 1
    return answers


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * times.SECOND


async def _create_integration(api: Api, webhook_secret: str) -> str:
    key = await asyncio.to_thread(rsa.generate_private_key, 65_537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    body = {
        "name": "Acme on GitHub",
        "integration_type": "GITHUB",
        "description": "The App of the demo; its credentials open nothing.",
        "config": {
            "app_id": 2_097_152,
            "private_key": pem.decode(),
            "installation_id": INSTALLATION,
            "webhook_secret": webhook_secret,
            # These repositories are made up, so the bot has nothing to say in them.
            "comments": "off",
            "label": None,
            "check": "off",
            "backfill_days": 0,
            "code": "off",
        },
    }
    created = await api.ask("POST", "/api/v1/integrations", body)
    return str(created["id"])


async def _summary(api: Api, answers: Counter[str], public_url: str) -> str:
    """Return what the week left behind, and where to look at it."""
    experiments = (await api.ask("GET", "/api/v1/experiments?limit=200"))["items"]
    unresolved = (await api.ask("GET", "/api/v1/links/unresolved?limit=200"))["items"]
    lines = [
        "",
        f"{answers.total()} deliveries: {answers['processed']} processed, "
        f"{answers['duplicate']} sent twice and applied once, "
        f"{answers['ignored']} of no interest, "
        f"{answers['refused']} refused (wrong signature)",
        "",
        f"{'Experiment':24}{'Status':12}{'Pull requests':>13}{'Commits':>9}{'Issues':>8}",
    ]
    for one in reversed(experiments):
        counts = one["counts"]
        lines.append(
            f"{one['key']:24}{one['status']:12}{counts['pull_requests']:>13}"
            f"{counts['commits']:>9}{counts['issues']:>8}"
        )
    lines.append("")
    by_key = Counter(link["experiment_key"] for link in unresolved)
    for key, count in by_key.items():
        lines.append(f"No experiment is called {key}: {count} links wait for it.")
    key = experiments[-1]["key"] if experiments else "KEY"
    lines += [
        "",
        f"Dashboard  {public_url}   (sign in with {api.token})",
        f"API        {public_url}/api/v1/docs",
        "",
        f"What happened to {key}:",
        f"  curl -H 'Authorization: Bearer {api.token}' \\",
        f"    '{public_url}/api/v1/experiments/{key}/activity?limit=20'",
        "",
        "Ctrl-C ends the service and removes the throw-away database.",
    ]
    return "\n".join(lines)
