"""Issues, and what pull requests share with them."""

from collections.abc import Iterable
from typing import Any

from tests.github.labels import Labels, known_labels
from tests.github.model import Item, Repository
from tests.github.routes import Answer, Call, invalid, item_of, need_issues, page_of, route
from tests.github.values import REPO, Json, node_id, reactions_payload, seconds_of, stamp

MAX_BODY, MAX_TITLE = 65536, 256


class Issues(Labels):
    """Issues; a pull request is one as well."""

    def open_issue(
        self,
        full_name: str,
        number: int | None = None,
        *,
        title: str,
        body: str | None = "",
        author: str = "jane",
        labels: Iterable[str] = (),
    ) -> Item:
        item = self._add_item(full_name, number, title, body, author)
        item.labels = list(labels)
        for name in item.labels:
            self.add_label(full_name, name)
        return item

    def _add_item(
        self, full_name: str, number: int | None, title: str, body: str | None, author: str
    ) -> Item:
        repo, now = self.repository(full_name), self.clock()
        number = repo.last_number + 1 if number is None else number
        assert number not in repo.issues, f"{full_name}#{number} exists"
        repo.last_number = max(repo.last_number, number)
        login = self.add_user(author, "Bot" if author.endswith("[bot]") else "User")["login"]
        item = Item(self.new_id(), number, title, body, login, now, now)
        repo.issues[number] = item
        return item

    def delete_issue(self, full_name: str, number: int) -> None:
        repo = self.repository(full_name)
        del repo.issues[number]
        repo.deleted.add(number)
        repo.comments = {id: one for id, one in repo.comments.items() if one.number != number}

    def issues(self, full_name: str) -> list[Json]:
        """Return the issues of a repository that are no pull requests."""
        repo = self.repository(full_name)
        return [self._issue(repo, one) for one in repo.issues.values() if not one.is_pull]

    def issue_payload(self, full_name: str, number: int) -> Json:
        repo = self.repository(full_name)
        return self._issue(repo, repo.issues[number])

    def _item(self, repo: Repository, item: Item) -> Json:
        """Return what issues and pull requests have in common."""
        assignees = [self._user(login) for login in item.assignees]
        return {
            "number": item.number,
            "state": item.state,
            "locked": item.locked,
            "title": item.title,
            "user": self._user(item.author),
            "body": item.body,
            "labels": self._labels(repo, item),
            "milestone": None,
            "active_lock_reason": None,
            "created_at": stamp(item.created_at),
            "updated_at": stamp(item.updated_at),
            "closed_at": stamp(item.closed_at),
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "author_association": self._association(repo, item.author),
        }

    def _type(self, item: Item) -> Json | None:
        if item.type is None:
            return None
        known = {"id": 410, "node_id": node_id("IssueType", 410), "description": None}
        return {**known, "name": item.type, "color": None}

    def _issue(self, repo: Repository, item: Item) -> Json:
        api = f"{self.url}/repos/{repo.full_name}"
        page = f"{self.web_url}/{repo.full_name}"
        here = f"{api}/issues/{item.number}"
        payload = {
            "url": here,
            "repository_url": api,
            "labels_url": f"{here}/labels{{/name}}",
            "comments_url": f"{here}/comments",
            "events_url": f"{here}/events",
            "html_url": f"{page}/{'pull' if item.is_pull else 'issues'}/{item.number}",
            "id": item.id,
            "node_id": node_id("PullRequest" if item.is_pull else "Issue", item.id),
            **self._item(repo, item),
            "comments": sum(one.number == item.number for one in repo.comments.values()),
            "closed_by": self._user(item.closed_by) if item.closed_by else None,
            "state_reason": item.state_reason,
            "type": self._type(item),
            "performed_via_github_app": self._via(item.app_id),
            "reactions": reactions_payload(f"{here}/reactions", []),
            "timeline_url": f"{here}/timeline",
        }
        if item.is_pull:
            url = f"{page}/pull/{item.number}"
            payload["draft"] = item.draft
            payload["pull_request"] = {
                "url": f"{api}/pulls/{item.number}",
                "html_url": url,
                "diff_url": f"{url}.diff",
                "patch_url": f"{url}.patch",
                "merged_at": stamp(item.merged_at),
            }
        return {name: one for name, one in payload.items() if name not in self.left_out}


def since_of(call: Call) -> float:
    text = call.query.get("since")
    try:
        return seconds_of(text) or 0.0
    except ValueError:
        raise invalid("Issue", "since", "invalid") from None


def is_by(item: Item, creator: str) -> bool:
    name = f"{creator[4:]}[bot]" if creator.startswith("app/") else creator
    return item.author.lower() == name.lower()


@route(f"GET {REPO}/issues", permission="issues")
def list_issues(call: Call) -> Answer:
    need_issues(call)
    query, since = call.query, since_of(call)
    state, creator = query.get("state", "open"), query.get("creator")
    labels = {one.strip().lower() for one in query.get("labels", "").split(",") if one.strip()}
    assignee = query.get("assignee", "*any*").lower()
    found = [
        one
        for one in call.repo.issues.values()
        if state in ("all", one.state)
        and (creator is None or is_by(one, creator))
        and labels <= {name.lower() for name in one.labels}
        and (assignee == "*any*" or assignee in [login.lower() for login in one.assignees])
        and int(one.updated_at) >= since
    ]
    found = sorted_items(call, found)
    return page_of(call, [call.github._issue(call.repo, one) for one in found])


def sorted_items(call: Call, items: list[Item], default: str = "desc") -> list[Item]:
    sort = call.query.get("sort", "created")

    def key(item: Item) -> tuple[float, int]:
        if sort == "comments":
            found = [one for one in call.repo.comments.values() if one.number == item.number]
            return len(found), item.number
        return (item.updated_at if sort == "updated" else item.created_at), item.number

    return sorted(items, key=key, reverse=call.query.get("direction", default) == "desc")


def _check_texts(title: Any, body: Any) -> None:
    if title is not None and len(str(title)) > MAX_TITLE:
        raise invalid("Issue", "title", "custom", f"title is too long (maximum is {MAX_TITLE})")
    if title is not None and not str(title).strip():
        raise invalid("Issue", "title", "missing_field")
    if body is not None and len(body) > MAX_BODY:
        message = f"body is too long (maximum is {MAX_BODY} characters)"
        raise invalid("Issue", "body", "custom", message)


def _known_assignees(call: Call, given: list[Any]) -> list[str]:
    names = [one if isinstance(one, str) else one["login"] for one in given]
    known = {name.lower() for name, level in call.repo.collaborators.items() if level != "none"}
    return [name for name in names if name.lower() in known | {call.repo.owner.lower()}]


def _known_type(call: Call) -> str | None:
    """Return the type that an issue gets; it is dropped where there are none, as without push."""
    asked, may = call.body.get("type"), call.credential.pushes_to
    types = call.github.issue_types.get(call.repo.owner.lower())
    if asked is None or types is None or not (may is None or may & call.repo.names):
        return None
    found = next((one for one in types if one.lower() == asked.lower()), None)
    if found is None:
        raise invalid("Issue", "type", "invalid")
    return found


@route(f"POST {REPO}/issues", permission="issues", level="write")
def create_issue(call: Call) -> Answer:
    need_issues(call)
    body, github = call.body, call.github
    _check_texts(body["title"], body.get("body"))
    type = _known_type(call)
    labels = known_labels(call, body.get("labels", []))
    given = body.get("assignees", []) + ([body["assignee"]] if body.get("assignee") else [])
    item = github._add_item(
        call.repo.full_name, None, str(body["title"]), body.get("body"), call.login
    )
    item.labels, item.assignees, item.type = labels, _known_assignees(call, given), type
    item.app_id = call.credential.app_id
    payload = github._issue(call.repo, item)
    return Answer(201, payload, events=[github._event(call, "issues", "opened", issue=payload)])


@route(f"GET {REPO}/issues/{{issue_number}}", permission="item")
def get_issue(call: Call) -> Answer:
    return Answer(200, call.github._issue(call.repo, item_of(call)))


@route(f"PATCH {REPO}/issues/{{issue_number}}", permission="item", level="write")
def patch_issue(call: Call) -> Answer:
    item, body = item_of(call), call.body
    _check_texts(body.get("title"), body.get("body"))
    if body.get("title") is not None:
        item.title = str(body["title"])
    if "body" in body:
        item.body = body["body"]
    if "labels" in body:
        item.labels = known_labels(call, body["labels"])
    if "assignees" in body:
        item.assignees = _known_assignees(call, body["assignees"])
    if body.get("state") in ("open", "closed") and body["state"] != item.state:
        closed = body["state"] == "closed"
        item.state = body["state"]
        item.closed_at = call.now if closed else None
        item.closed_by = call.login if closed else None
        item.state_reason = "completed" if closed else "reopened"
    if body.get("state_reason") is not None:
        item.state_reason = body["state_reason"]
    item.updated_at = call.now
    return Answer(200, call.github._issue(call.repo, item))
