"""What an integration is configured with after a change, or what is wrong with the change."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot import characters
from bot.domain import private_keys
from bot.domain.audit import MASK
from bot.domain.errors import FieldError, Invalid
from bot.github.names import NAME

SECRETS = ("token", "private_key", "webhook_secret", "client_secret")
_SHORTEST_SECRET = 16
# What `/setup` keeps of an App that it registered; the API neither takes nor shows it.
_REGISTERED = ("client_id", "client_secret", "slug", "html_url")
_REPOSITORY = re.compile(rf"{NAME}/(?:{NAME}|\*)")
_FINE_GRAINED = "github_pat_"  # with what such a token begins


def merged(
    old_config: Mapping[str, Any],
    old_secrets: Mapping[str, str],
    sent: Mapping[str, Any],
    api_urls: Sequence[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (config, secrets) after `sent`; the secrets without those that came before.

    Raises Invalid.
    """
    errors = [FieldError(f"config.{name}", "is_mask") for name in SECRETS if sent.get(name) == MASK]
    config = {**old_config, **{name: sent[name] for name in sent if name not in SECRETS}}
    secrets = {name: old_secrets[name] for name in SECRETS if name in old_secrets}
    secrets.update({name: _stored(name, sent[name]) for name in SECRETS if name in sent})
    app_fields = {"app_id", "private_key", "installation_id"}
    if "token" in sent and app_fields & sent.keys():
        errors.append(FieldError("config.token", "not_alone"))
    elif "token" in sent:
        secrets.pop("private_key", None)
        config = {name: config[name] for name in config if name not in app_fields}
    elif {"app_id", "private_key"} & sent.keys():
        secrets.pop("token", None)
    config["auth"] = "token" if "token" in secrets else "app"
    config["api_url"] = (config.get("api_url") or api_urls[0]).rstrip("/")
    is_other = any(config.get(name) != old_config.get(name) for name in ("app_id", "api_url"))
    for name in _REGISTERED:
        if is_other and name not in sent:  # it is of another App, or of none any more
            config.pop(name, None)
            secrets.pop(name, None)
    errors.extend(_credential_errors(config, secrets, sent))
    # One that was listed when it was stored stays, so that all else can be changed; it is not
    # called (bot/github).
    if config["api_url"] != old_config.get("api_url") and config["api_url"] not in api_urls:
        errors.append(FieldError("config.api_url", "not_listed", ", ".join(api_urls)))
    errors.extend(_list_errors(config))
    if "token" in sent or config.get("repositories") != old_config.get("repositories"):
        errors.extend(_owner_errors(config, secrets))
    label = config.get("label")
    if label is not None and (label != label.strip() or not characters.is_plain(label)):
        errors.append(FieldError("config.label", "not_printable"))
    elif label in (".", ".."):
        errors.append(FieldError("config.label", "not_removable"))
    if errors:
        raise Invalid(errors)
    kept = {name: value for name, value in config.items() if value is not None or name == "label"}
    return kept, secrets


def _list_errors(config: Mapping[str, Any]) -> list[FieldError]:
    if config.get("repositories") == []:
        return [FieldError("config.repositories", "empty_list")]
    return [
        FieldError(f"config.repositories[{position}]", "no_repository")
        for position, pattern in enumerate(config.get("repositories") or ())
        if not _REPOSITORY.fullmatch(pattern)
    ]


def _owner_errors(config: Mapping[str, Any], secrets: Mapping[str, str]) -> list[FieldError]:
    """Return the entries of the allow-list that a fine-grained token cannot serve beside the first.

    It serves one owner. Which one GitHub does not tell, but only whose token it is.
    """
    listed = [entry.partition("/")[0] for entry in config.get("repositories") or ()]
    if not secrets.get("token", "").startswith(_FINE_GRAINED):
        return []
    return [
        FieldError(f"config.repositories[{position}]", "other_owner", listed[0])
        for position, owner in enumerate(listed)
        if owner.lower() != listed[0].lower()
    ]


def _credential_errors(
    config: Mapping[str, Any], secrets: Mapping[str, str], sent: Mapping[str, Any]
) -> list[FieldError]:
    errors = []
    if config["auth"] == "token":
        if not re.fullmatch(r"[\x21-\x7e]+", secrets["token"]):
            errors.append(FieldError("config.token", "not_ascii"))
        if config.get("installation_id") is not None:
            errors.append(FieldError("config.installation_id", "only_of_app"))
    else:
        if config.get("app_id") is None:
            lacking = "config.app_id" if "private_key" in secrets else "config.token"
            errors.append(FieldError(lacking, "needs_credential"))
        if "private_key" not in secrets:
            if config.get("app_id") is not None:
                errors.append(FieldError("config.private_key", "needs_private_key"))
        elif "private_key" in sent and secrets["private_key"] != MASK:
            errors.extend(_key_errors(secrets["private_key"]))
    secret = secrets.get("webhook_secret")
    if secret is None:
        errors.append(FieldError("config.webhook_secret", "missing"))
    elif secret != MASK:
        if secret != secret.strip():
            errors.append(FieldError("config.webhook_secret", "not_trimmed"))
        elif len(secret) < _SHORTEST_SECRET:
            errors.append(FieldError("config.webhook_secret", "short_secret", _SHORTEST_SECRET))
    return errors


def _key_errors(pem: str) -> list[FieldError]:
    problem = private_keys.problem_of(pem)
    return [FieldError("config.private_key", problem, private_keys.SHORTEST)] if problem else []


def _stored(name: str, secret: str) -> str:
    return private_keys.as_pem(secret) if name == "private_key" else secret
