"""The search for issues and pull requests."""

import re

from tests.github.issues import is_by
from tests.github.model import Item, Repository
from tests.github.permissions import grants
from tests.github.repositories import reachable
from tests.github.routes import Answer, Call, page_of, route


@route("GET /search/issues", "user_or_installation")
def search_issues(call: Call) -> Answer:
    github = call.github
    words = re.findall(r'(?:[^\s"]|"[^"]*")+', call.query["q"])
    found = []
    for repo in reachable(call):
        for item in repo.issues.values():
            if int(item.created_at + github.search_lag) > call.now:
                continue
            if _may_find(call, item) and all(_matches(repo, item, one) for one in words):
                found.append({**github._issue(repo, item), "score": 1.0})
    wanted = call.query.get("sort", "created")
    field_name = "updated_at" if wanted == "updated" else "created_at"
    found.sort(key=lambda one: one[field_name], reverse=call.query.get("order", "desc") == "desc")
    call.used = "issues", "read"
    return page_of(
        call,
        found,
        lambda page: {"total_count": len(found), "incomplete_results": False, "items": page},
    )


def _may_find(call: Call, item: Item) -> bool:
    if call.credential.kind == "classic":
        return True
    needed = "pull_requests" if item.is_pull else "issues"
    return grants(call.credential.permissions, needed, "read")


def _matches(repo: Repository, item: Item, word: str) -> bool:
    """Tell whether an item fits one word of a search."""
    name, _, value = word.partition(":")
    value = value.strip('"').lower()
    match name:
        case "repo":
            return value in repo.names
        case "org" | "user":
            return value == repo.owner.lower()
        case "is" | "type" | "state":
            return value in (item.state, *(("pr",) if item.is_pull else ("issue",)))
        case "author":
            return is_by(item, value)
        case "label":
            return value in [one.lower() for one in item.labels]
        case "in" | "sort":
            return True
    return word.strip('"').lower() in f"{item.title}\n{item.body or ''}".lower()
