"""Webhooks of repositories and Apps, and what they delivered."""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any

from tests.github.apps import Apps
from tests.github.model import Callback, Hook, Repository
from tests.github.routes import (
    Answer,
    Call,
    Failure,
    integer,
    invalid,
    link,
    not_found,
    page_of,
    route,
)
from tests.github.values import REPO, Json, masked, node_id, stamp

KEPT_SECONDS = 3 * 86_400  # for which it is known what was delivered


class Hooks(Apps):
    """Webhooks, what they delivered, and events that requests cause."""

    def add_hook(
        self,
        full_name: str,
        url: str,
        events: Iterable[str],
        content_type: str = "json",
        active: bool = True,
        secret: str | None = None,
        insecure_ssl: str = "0",
    ) -> int:
        """Add a webhook to a repository and return its id."""
        config = {"content_type": content_type, "insecure_ssl": insecure_ssl, "url": url}
        if secret is not None:
            config["secret"] = secret
        now = self.clock()
        made = Hook(self.new_id(), config, list(events), active, now, now)
        self.repository(full_name).hooks[made.id] = made
        return made.id

    def add_organization_hook(self, login: str, url: str, events: Iterable[str]) -> Hook:
        """Add a webhook to an organisation."""
        self.add_user(login, "Organization")
        config, now = {"content_type": "json", "insecure_ssl": "0", "url": url}, self.clock()
        made = Hook(self.new_id(), config, list(events), True, now, now)
        self.organization_hooks.setdefault(login.lower(), {})[made.id] = made
        return made

    def add_delivery(
        self,
        hook: Hook,
        event: str,
        payload: Json,
        *,
        guid: str | None = None,
        status_code: int = 200,
        status: str | None = None,
        at: float | None = None,
        redelivery: bool = False,
        is_kept: bool = True,
        headers: dict[str, str] | None = None,
    ) -> Json:
        """Add to what a webhook delivered: `github.apps[1].hook`, or one of a repository's hooks.

        `status_code` 0 is for one that got no answer. Of one that is not kept the payload is null.
        After three days nothing is known of it.
        """
        moment = self.clock() if at is None else at
        default = "OK" if 200 <= status_code < 300 else "Invalid HTTP Response"
        delivery = {
            "id": self.new_id(),
            "guid": guid or f"{secrets.token_hex(4)}-0000-11f0-8000-{secrets.token_hex(6)}",
            "delivered_at": stamp(moment),
            "redelivery": redelivery,
            "duration": 0.27,
            "status": status or (default if status_code else "failed to connect to host"),
            "status_code": status_code,
            "event": event,
            "action": payload.get("action"),
            "installation_id": (payload.get("installation") or {}).get("id"),
            "repository_id": (payload.get("repository") or {}).get("id"),
            "throttled_at": None,
            "payload": payload if is_kept else None,
            "headers": headers or {},
            "moment": moment,
        }
        hook.deliveries.append(delivery)
        return delivery

    def _hook(self, repo: Repository, hook: Hook) -> Json:
        here = f"{self.url}/repos/{repo.full_name}/hooks/{hook.id}"
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": masked(hook.config),
            "updated_at": stamp(hook.updated_at),
            "created_at": stamp(hook.created_at),
            "url": here,
            "test_url": f"{here}/test",
            "ping_url": f"{here}/pings",
            "deliveries_url": f"{here}/deliveries",
            "last_response": hook.last_response,
        }

    def subscribe(self, callback: Callback) -> None:
        """Have `callback(event, payload)` awaited for what requests do."""
        self._callbacks.append(callback)

    async def _deliver(self, events: list[tuple[str, Json]]) -> None:
        for event, payload in events:
            for callback in self._callbacks:
                try:
                    await callback(event, payload)
                except Exception as error:
                    self.violations.append(f"a subscriber raised {error!r}")

    def _deliver_later(self, events: list[tuple[str, Json]]) -> None:
        if events and not self._closing:
            task = asyncio.get_running_loop().create_task(self._deliver(events))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _event(self, call: Call, name: str, action: str, **parts: Any) -> tuple[str, Json]:
        """Return a webhook's event about what a call did."""
        payload = {
            "action": action,
            **parts,
            "repository": self._repository(call.repo),
            "sender": self._user(call.login),
        }
        if call.credential.installation_id is not None:
            payload["installation"] = {
                "id": call.credential.installation_id,
                "node_id": node_id("Installation", call.credential.installation_id),
            }
        return name, payload


@route(f"GET {REPO}/hooks", permission="repository_hooks")
def list_hooks(call: Call) -> Answer:
    return page_of(call, [call.github._hook(call.repo, one) for one in call.repo.hooks.values()])


@route(f"POST {REPO}/hooks", permission="repository_hooks", level="write")
def create_hook(call: Call) -> Answer:
    body, config = call.body, call.body.get("config", {})
    if body.get("name", "web") != "web":
        raise invalid("Hook", "name", "invalid")
    if not config.get("url"):
        raise invalid("Hook", "url", "missing_field")
    events = body.get("events", ["push"])
    for one in call.repo.hooks.values():
        if one.config["url"] == config["url"] and set(one.events) & set(events):
            message = "Hook already exists on this repository"
            raise Failure(
                422,
                "Validation Failed",
                errors=[{"resource": "Hook", "code": "custom", "message": message}],
            )
    id = call.github.add_hook(
        call.repo.full_name,
        config["url"],
        events,
        config.get("content_type", "form"),
        body.get("active", True),
        config.get("secret"),
        str(config.get("insecure_ssl", "0")),
    )
    return Answer(201, call.github._hook(call.repo, call.repo.hooks[id]))


@route(f"GET {REPO}/hooks/{{hook_id}}", permission="repository_hooks")
def get_hook(call: Call) -> Answer:
    return Answer(200, call.github._hook(call.repo, call.hook))


@route(f"PATCH {REPO}/hooks/{{hook_id}}", permission="repository_hooks", level="write")
def patch_hook(call: Call) -> Answer:
    """Change a webhook. A new `config` replaces all of the old one, the secret included."""
    hook, body = call.hook, call.body
    if "config" in body:
        default = {"content_type": "form", "insecure_ssl": "0", "url": hook.config["url"]}
        hook.config = {**default, **body["config"]}
    hook.events = list(body.get("events", hook.events))
    hook.events += [one for one in body.get("add_events", []) if one not in hook.events]
    hook.events = [one for one in hook.events if one not in body.get("remove_events", [])]
    hook.active = body.get("active", hook.active)
    hook.updated_at = call.now
    return Answer(200, call.github._hook(call.repo, hook))


@route(f"PATCH {REPO}/hooks/{{hook_id}}/config", permission="repository_hooks", level="write")
def patch_hook_config(call: Call) -> Answer:
    call.hook.config |= call.body
    call.hook.updated_at = call.now
    return Answer(200, masked(call.hook.config))


@route(f"POST {REPO}/hooks/{{hook_id}}/pings", permission="repository_hooks", level="write")
def ping_hook(call: Call) -> Answer:
    call.hook.pings += 1
    return Answer(204)


@route("GET /orgs/{org}/hooks", "user")
def list_organization_hooks(call: Call) -> Answer:
    hooks = call.organization_hooks.values()
    shown = [{"id": one.id, "active": one.active, "events": one.events} for one in hooks]
    return page_of(call, [{**a, "config": b.config} for a, b in zip(shown, hooks, strict=True)])


@route("GET /orgs/{org}/hooks/{hook_id}/deliveries", "user")
@route(f"GET {REPO}/hooks/{{hook_id}}/deliveries", permission="repository_hooks")
@route("GET /app/hook/deliveries", "app")
def list_deliveries(call: Call) -> Answer:
    """List deliveries, newest first; a cursor is the id of the next one."""
    size = max(1, min(100, integer(call.query.get("per_page"), 30)))
    wanted = call.query.get("status")
    found = [
        one
        for one in reversed(call.hook.deliveries)
        if wanted in (None, "success" if 200 <= one["status_code"] < 400 else "failure")
        and _is_kept(call, one)
    ]
    if "cursor" in call.query:
        cursor = integer(call.query["cursor"], -1)
        if cursor < 0:
            raise Failure(422, "Invalid cursor")
        found = [one for one in found if one["id"] <= cursor]
    headers = {}
    if len(found) > size:
        headers["Link"] = link(call, "next", cursor=found[size]["id"])
    return Answer(200, [_shown(one) for one in found[:size]], headers)


def _shown(delivery: Json) -> Json:
    hidden = ("payload", "headers", "moment")
    return {name: value for name, value in delivery.items() if name not in hidden}


def _is_kept(call: Call, delivery: Json) -> bool:
    return bool(delivery["moment"] > call.now - KEPT_SECONDS)


def _delivery(call: Call) -> Json:
    id = call.number("delivery_id")
    for one in call.hook.deliveries:
        if one["id"] == id and _is_kept(call, one):
            return one
    raise not_found()


@route("GET /orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}", "user")
@route(f"GET {REPO}/hooks/{{hook_id}}/deliveries/{{delivery_id}}", permission="repository_hooks")
@route("GET /app/hook/deliveries/{delivery_id}", "app")
def get_delivery(call: Call) -> Answer:
    delivery, hook = _delivery(call), call.hook
    headers = {
        "Accept": "*/*",
        "User-Agent": "GitHub-Hookshot/b8c71d8",
        "X-GitHub-Delivery": delivery["guid"],
        "X-GitHub-Event": delivery["event"],
        "X-GitHub-Hook-ID": str(hook.id),
        "X-Hub-Signature-256": "sha256=********",
        "content-type": "application/json",
        **delivery["headers"],
    }
    return Answer(
        200,
        {
            **_shown(delivery),
            "url": hook.config["url"],
            "request": {"headers": headers, "payload": delivery["payload"]},
            "response": {"headers": {"Content-Type": "application/json"}, "payload": "ok"},
        },
    )


@route(
    f"POST {REPO}/hooks/{{hook_id}}/deliveries/{{delivery_id}}/attempts",
    permission="repository_hooks",
    level="write",
)
@route("POST /app/hook/deliveries/{delivery_id}/attempts", "app")
def redeliver(call: Call) -> Answer:
    delivery = _delivery(call)
    call.github.redeliveries.append(delivery["id"])
    call.github.add_delivery(
        call.hook,
        delivery["event"],
        delivery["payload"],
        guid=delivery["guid"],
        redelivery=True,
    )
    return Answer(202, {})
