"""Integrations: what lets deliveries in and calls out, with their secrets sealed in storage."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions, audit, commands, integration_config, posts
from bot.domain.actors import Actor
from bot.domain.allowed import Scope, allows
from bot.github import Credentials
from bot.github.names import web_host

DEFAULT_GRACE = 86_400  # seconds
_SECRET_NOTED = 60 * times.SECOND
_ACTIVATION = {True: audit.INTEGRATION_ACTIVATED, False: audit.INTEGRATION_DEACTIVATED}
_PREVIOUS = "previous:"  # the sealed name of an old webhook secret ends in its last microsecond


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration with its secrets open. Kept in memory for seconds only."""

    seq: int
    id: str
    is_active: bool
    host: str
    api_url: str
    repositories: tuple[str, ...] | None
    app_id: int | None
    installation_id: int | None
    comments: str
    label: str | None
    check: str
    code: str
    cleanup: str
    commands: Mapping[str, str]  # the permission that each needs, where it is not its own
    updated_at: int
    last_error_about: str | None
    has_refused: bool  # deliveries for their signature, since the last good one
    webhook_secret: str = field(repr=False)
    previous_secrets: tuple[tuple[str, int], ...] = field(repr=False)  # secret, valid until
    token: str | None = field(repr=False)
    private_key: str | None = field(repr=False)

    def secrets_at(self, now: int) -> list[bytes]:
        """Return the webhook secrets that verify a delivery at `now`, the current one first."""
        previous = [secret for secret, until in self.previous_secrets if now < until]
        return [secret.encode() for secret in (self.webhook_secret, *previous)]

    @property
    def credentials(self) -> Credentials:
        """What GitHub is called with on its behalf."""
        return Credentials(self.id, self.api_url, self.app_id, self.token, self.private_key)

    @property
    def scope(self) -> Scope:
        """Of which repositories it may hear, and on which it may act."""
        return _scope(self.id, self.host, self.repositories)


def scope_of(row: store.Integration) -> Scope:
    """Return the scope of a stored integration."""
    return _scope(row.id, web_host(row.config.api_url), row.config.repositories)


def may_act(tx: store.Transaction, row: store.Integration, repository: store.Repository) -> bool:
    """Tell whether an integration acts in a repository: it is active, and its list allows it."""
    return row.is_active and allows(tx, scope_of(row), repository)


def serving(
    tx: store.Transaction, repository: store.Repository, first: str | None = None
) -> Iterator[store.Integration]:
    """Yield who speaks for a repository and may act there, whoever was there first before others.

    `first` goes before all of them, if it may act there.
    """
    if repository.deleted_at is not None or not repository.full_name:
        return
    ids = [first, repository.speaker_id]
    if repository.is_contested:
        ids += [one.integration_id for one in store.speakers.of_repository(tx, repository.id)]
    for integration_id in dict.fromkeys(one for one in ids if one is not None):
        found = store.integrations.find(tx, integration_id)
        if found is not None and may_act(tx, found, repository):
            yield found


@lru_cache(1024)
def _scope(integration_id: str, host: str, repositories: tuple[str, ...] | None) -> Scope:
    entries = tuple(entry.lower() for entry in repositories) if repositories else None
    return Scope(integration_id, host, entries)


def load(row: store.Integration, vault: store.Vault) -> Integration:
    """Return a stored integration with its secrets open; raises VaultError."""
    config = row.config
    opened = vault.open(row.secrets, store.integrations.about(row.id))
    return Integration(
        seq=row.seq,
        id=row.id,
        is_active=row.is_active,
        host=web_host(config.api_url),
        api_url=config.api_url,
        repositories=config.repositories or None,
        app_id=config.app_id,
        installation_id=config.installation_id,
        comments=config.comments,
        label=config.label,
        check=config.check,
        code=config.code,
        cleanup=config.cleanup,
        commands=config.commands,
        updated_at=row.updated_at,
        last_error_about=row.last_error_about,
        has_refused=row.refused_count > 0,
        webhook_secret=opened["webhook_secret"],
        previous_secrets=tuple(_previous_secrets(opened)),
        token=opened.get("token"),
        private_key=opened.get("private_key"),
    )


def note_secret(tx: store.Transaction, integration: Integration, position: int, now: int) -> None:
    """Keep, to the minute, which of several secrets in force GitHub signs with.

    `position` is that in `secrets_at`. With one secret there is nothing to tell, nor to write.
    """
    if integration.previous_secrets:
        store.integrations.secret_used(
            tx,
            integration.id,
            integration.updated_at,
            now,
            now - _SECRET_NOTED,
            previous=position > 0,
        )


def note_good(tx: store.Transaction, integration_id: str) -> None:
    """Count anew what is refused for its signature; what other processes have counted, too."""
    row = store.integrations.find(tx, integration_id)
    if row is not None and row.refused_count:
        store.integrations.forget_refused(tx, integration_id)


def create(
    tx: store.Transaction,
    vault: store.Vault,
    api_urls: Sequence[str],
    values: Mapping[str, Any],
    by: Actor,
    integration_id: str | None = None,
) -> store.Integration:
    """Create an integration from validated values, with a new id unless one is given.

    Raises Invalid.
    """
    config, secrets = integration_config.merged({}, {}, values.get("config", {}), api_urls)
    now = times.now()
    integration_id = integration_id or str(uuid.uuid4())
    store.integrations.add(
        tx,
        {
            "id": integration_id,
            "name": values["name"],
            "integration_type": values["integration_type"],
            "description": values.get("description"),
            "is_active": values.get("is_active", True),
            "config": config,
            "credential": _credential(config, secrets),
            "secrets": vault.seal(secrets, store.integrations.about(integration_id)),
            "previous_secret_until": None,
            "created_at": now,
            "updated_at": now,
        },
    )
    row = store.integrations.find(tx, integration_id)
    assert row is not None
    audit.record(tx, by, audit.INTEGRATION_CREATED, target_of(row), None, _fields(row, vault))
    return row


def change(
    tx: store.Transaction,
    vault: store.Vault,
    api_urls: Sequence[str],
    integration_id: str,
    values: Mapping[str, Any],
    by: Actor,
) -> store.Integration | None:
    """Change what `values` names and keep the rest; None if there is none. Raises Invalid.

    A webhook secret that is replaced verifies for `secret_grace_seconds` more. Given without a
    new secret, that cuts the time of the earlier ones short.
    """
    row = store.integrations.find(tx, integration_id)
    if row is None:
        return None
    about = store.integrations.about(integration_id)
    old_secrets = vault.open(row.secrets, about)
    config, secrets = integration_config.merged(
        msgspec.to_builtins(row.config), old_secrets, values.get("config", {}), api_urls
    )
    now = times.now()
    grace = values.get("secret_grace_seconds")
    previous = dict(_previous_secrets(old_secrets))
    if grace is not None:
        cut = now + grace * times.SECOND
        previous = {secret: min(until, cut) for secret, until in previous.items()}
    is_rotated = secrets["webhook_secret"] != old_secrets["webhook_secret"]
    if is_rotated:
        seconds = DEFAULT_GRACE if grace is None else grace
        previous[old_secrets["webhook_secret"]] = now + seconds * times.SECOND
    previous.pop(secrets["webhook_secret"], None)
    previous = {secret: until for secret, until in previous.items() if until > now}
    for position, (secret, until) in enumerate(previous.items()):
        secrets[f"{_PREVIOUS}{position}:{until}"] = secret
    given = ("name", "integration_type", "description", "is_active")
    columns = {name: values[name] for name in given if name in values}
    store.integrations.change(
        tx,
        integration_id,
        {
            **columns,
            "config": config,
            "credential": _credential(config, secrets),
            "secrets": vault.seal(secrets, about),
            "previous_secret_until": max(previous.values(), default=None),
            "updated_at": now,
        },
    )
    if is_rotated:
        store.integrations.forget_secret_use(tx, integration_id)
    if any(config.get(name) != getattr(row.config, name) for name in ("api_url", "app_id")):
        store.sweeps.forget(tx, integration_id)
    if _credential(config, secrets) != row.credential:
        store.speakers.ask_again_for(tx, integration_id)
    listed = [entry.lower() for entry in config.get("repositories") or ()]
    store.places.keep_only(tx, integration_id, listed)
    changed = store.integrations.find(tx, integration_id)
    assert changed is not None
    told = (
        audit.INTEGRATION_CHANGED,
        target_of(changed),
        _fields(row, vault),
        _fields(changed, vault),
    )
    audit.record_change(tx, by, *told, {"is_active": _ACTIVATION[changed.is_active]})
    actions.integration_changed(tx, changed)
    reads_code_now = (row.config.code, changed.config.code) == ("off", "on")
    if reads_code_now or changed.config.check not in ("off", row.config.check):
        scope = load(changed, vault).scope
        posts.check_setting_changed(tx, changed, lambda repository: allows(tx, scope, repository))
    return changed


def version(row: store.Integration) -> str:
    """Return what changes whenever somebody changes an integration, its secrets included."""
    own = [row.name, row.description, row.is_active, row.config, row.updated_at]
    return hashlib.sha256(msgspec.json.encode(own)).hexdigest()[:20]


def delete(tx: store.Transaction, vault: store.Vault, integration_id: str, by: Actor) -> bool:
    """Take an integration out of service; False if there is none. What it owed is given up."""
    row = store.integrations.find(tx, integration_id)
    if row is None or not store.integrations.mark_deleted(tx, integration_id, times.now()):
        return False
    audit.record(tx, by, audit.INTEGRATION_DELETED, target_of(row), _fields(row, vault))
    store.places.keep_only(tx, integration_id, [])
    store.sweeps.forget(tx, integration_id)
    actions.integration_deleted(tx, integration_id)
    store.backfills.remove(tx, integration_id)
    commands.integration_deleted(tx, integration_id)
    return True


def target_of(row: store.Integration) -> audit.Target:
    """Return what the audit calls an integration."""
    return audit.Target("integration", row.id, row.name)


def _fields(row: store.Integration, vault: store.Vault) -> dict[str, Any]:
    """Return what people have set of an integration, for the audit."""
    opened = vault.open(row.secrets, store.integrations.about(row.id))
    until = row.previous_secret_until
    secrets = {
        name: audit.Secret(opened[name]) for name in integration_config.SECRETS if name in opened
    }
    return {
        "name": row.name,
        "description": row.description,
        "is_active": row.is_active,
        "config": {**msgspec.structs.asdict(row.config), **secrets},
        "previous_secret_until": times.render(until) if until and until > times.now() else None,
    }


def _credential(config: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """Return what all integrations of one token or App have in common; no secret."""
    if config["auth"] == "token":
        digest = hashlib.sha256(f"{config['api_url']} {secrets['token']}".encode()).hexdigest()
        return f"token:{digest[:32]}"
    return f"app:{web_host(config['api_url'])}:{config['app_id']}"


def _previous_secrets(opened: Mapping[str, str]) -> list[tuple[str, int]]:
    return [
        (secret, int(name.rpartition(":")[2]))
        for name, secret in opened.items()
        if name.startswith(_PREVIOUS)
    ]
