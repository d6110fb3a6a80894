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
    ) -> Json:
        """Add to what a webhook delivered: `github.apps[1].hook`, or one of a repository's hooks.

        `status_code` 0 is for one that got no answer.
        """
        default = "OK" if 200 <= status_code < 300 else "Invalid HTTP Response"
        delivery = {
            "id": self.new_id(),
            "guid": guid or f"{secrets.token_hex(4)}-0000-11f0-8000-{secrets.token_hex(6)}",
            "delivered_at": stamp(self.clock() if at is None else at),
            "redelivery": redelivery,
            "duration": 0.27,
            "status": status or (default if status_code else "failed to connect to host"),
            "status_code": status_code,
            "event": event,
            "action": payload.get("action"),
            "installation_id": (payload.get("installation") or {}).get("id"),
            "repository_id": (payload.get("repository") or {}).get("id"),
            "throttled_at": None,
            "payload": payload,
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
    ]
    if "cursor" in call.query:
        cursor = integer(call.query["cursor"], -1)
        if cursor < 0:
            raise Failure(422, "Invalid cursor")
        found = [one for one in found if one["id"] <= cursor]
    page = [{name: value for name, value in one.items() if name != "payload"} for one in found]
    headers = {}
    if len(page) > size:
        headers["Link"] = link(call, "next", cursor=page[size]["id"])
    return Answer(200, page[:size], headers)


def _delivery(call: Call) -> Json:
    id = call.number("delivery_id")
    for one in call.hook.deliveries:
        if one["id"] == id:
            return one
    raise not_found()


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
        "content-type": "application/json",
    }
    return Answer(
        200,
        {
            **{name: value for name, value in delivery.items() if name != "payload"},
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
