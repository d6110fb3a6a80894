"""Labels of repositories, issues and pull requests."""

import re
from typing import Any

from tests.github.apps import Apps
from tests.github.model import Item, Repository
from tests.github.routes import Answer, Call, Failure, invalid, item_of, not_found, route
from tests.github.values import REPO, Json, node_id


class Labels(Apps):
    """Labels."""

    def add_label(self, full_name: str, name: str, color: str = "ededed") -> Json:
        """Add a label, unless there is one of that name."""
        labels = self.repository(full_name).labels
        new = {"id": self.new_id(), "name": name, "color": color, "description": None}
        return labels.setdefault(name.lower(), new)

    def labels_of(self, full_name: str, number: int) -> list[str]:
        return list(self.repository(full_name).issues[number].labels)

    def _label_payload(self, repo: Repository, name: str) -> Json:
        label = repo.labels[name.lower()]
        return {
            "id": label["id"],
            "node_id": node_id("Label", label["id"]),
            "url": f"{self.url}/repos/{repo.full_name}/labels/{label['name'].replace(' ', '%20')}",
            "name": label["name"],
            "color": label["color"],
            "default": False,
            "description": label["description"],
        }

    def _labels(self, repo: Repository, item: Item) -> list[Json]:
        for name in item.labels:
            self.add_label(repo.full_name, name)
        return [self._label_payload(repo, name) for name in item.labels]


def known_labels(call: Call, given: list[Any]) -> list[str]:
    """Return the labels that exist; the bot ought to have created the others."""
    names = [one if isinstance(one, str) else one["name"] for one in given]
    labels = call.repo.labels
    for name in names:
        if name.lower() not in labels:
            call.github.violations.append(f"{call.route.template}: there is no label {name!r}")
    return list(dict.fromkeys(labels[n.lower()]["name"] for n in names if n.lower() in labels))


@route(f"POST {REPO}/labels", permission="issues", level="write")
def create_label(call: Call) -> Answer:
    name, color = call.body["name"], call.body.get("color", "ededed")
    description = call.body.get("description")
    if not 0 < len(name.strip()) <= 50:
        raise invalid("Label", "name", "invalid")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", color):
        raise invalid("Label", "color", "invalid")
    if description is not None and len(description) > 100:
        raise invalid("Label", "description", "custom", "description is too long")
    if name.lower() in call.repo.labels:
        raise invalid("Label", "name", "already_exists")
    label = call.github.add_label(call.repo.full_name, name, color)
    label["description"] = description
    return Answer(201, call.github._label_payload(call.repo, name))


@route(f"GET {REPO}/labels/{{name}}", permission="issues")
def get_label(call: Call) -> Answer:
    if call.arguments["name"].lower() not in call.repo.labels:
        raise not_found()
    return Answer(200, call.github._label_payload(call.repo, call.arguments["name"]))


@route(f"POST {REPO}/issues/{{issue_number}}/labels", permission="item", level="write")
def add_labels(call: Call) -> Answer:
    item, given = item_of(call), call.body.get("labels", [])
    known = known_labels(call, given)
    if len(known) < len(given):
        raise invalid("Label", "name", "invalid")
    item.labels = list(dict.fromkeys([*item.labels, *known]))
    item.updated_at = call.now
    return Answer(200, call.github._labels(call.repo, item))


@route(f"DELETE {REPO}/issues/{{issue_number}}/labels/{{name}}", permission="item", level="write")
def remove_label(call: Call) -> Answer:
    item, name = item_of(call), call.arguments["name"].lower()
    if name not in [one.lower() for one in item.labels]:
        raise Failure(404, "Label does not exist")
    item.labels = [one for one in item.labels if one.lower() != name]
    item.updated_at = call.now
    return Answer(200, call.github._labels(call.repo, item))
