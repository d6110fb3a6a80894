"""The App's manifest: `app.yml`, completed with the addresses of this service.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

import bot
from bot.github.events import Events
from bot.github.names import web_origin
from bot.github.reach import is_local, webhook_url
from bot.settings import Settings

MAX_NAME = 34  # GitHub takes no longer name of an App


def path() -> Path:
    """Return where `app.yml` is: inside the package once it is installed, else beside it."""
    package = Path(bot.__file__).parent
    inside = package / "app.yml"
    return inside if inside.exists() else package.parent / "app.yml"


def read() -> dict[str, Any]:
    """Return `app.yml` as it stands."""
    manifest: dict[str, Any] = yaml.safe_load(path().read_text("utf-8"))
    return manifest


def template(events: Events) -> dict[str, Any]:
    """Return `app.yml` with what the handlers of extensions hear beside it."""
    found = read()
    asked, permissions = found["default_events"], found["default_permissions"]
    asked += [one for one in events.asked if one not in asked]
    permissions.update((name, one.level) for name, one in events.permissions.items())
    return found


def complete(
    template: dict[str, Any], settings: Settings, integration_id: str, name: str
) -> dict[str, Any]:
    """Return the manifest of an App whose deliveries go to an integration that is yet to be.

    Only where members of organisations may sign in does it ask who they are.
    """
    public_url = settings.public_url
    permissions = dict(template["default_permissions"])
    if settings.sign_in_organizations:
        permissions["members"] = "read"
    return {
        **template,
        "name": name,
        "url": public_url,
        "hook_attributes": {"url": webhook_url(public_url, integration_id), "active": True},
        "redirect_url": f"{public_url}/setup/callback",
        "callback_urls": [f"{public_url}/sign-in/github/callback"],
        "default_permissions": permissions,
        "public": False,
    }


def default_name(template: dict[str, Any], public_url: str) -> str:
    """Return a name for the App that is likely to be free: no two Apps of one GitHub share one."""
    name = str(template["name"]).lower().replace(" ", "-")
    host = "" if is_local(public_url) else urlsplit(public_url).hostname or ""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{host}")[:MAX_NAME].strip("-")


def settings_url(api_url: str, organization: str) -> str:
    """Return where the Apps of an organisation are listed; without one, the person's own."""
    owner = f"organizations/{organization}/" if organization else ""
    return f"{web_origin(api_url)}/{owner}settings/apps"


def registration_url(api_url: str, organization: str, state: str) -> str:
    """Return where the manifest is to be posted."""
    return f"{settings_url(api_url, organization)}/new?{urlencode({'state': state})}"
