"""The GraphQL API, as far as it is asked: as which commit a pull request was merged."""

from tests.github.permissions import grants
from tests.github.routes import Answer, Call, Failure, route
from tests.github.values import GRAPHQL, Json

_ASKS = "databaseId pullRequest(number: $number) { mergeCommit { oid } }"


def _errors(kind: str, message: str) -> Answer:
    error = {"type": kind, "path": ["repository"], "message": message}
    return Answer(200, {"data": {"repository": None}, "errors": [error]})


@route(GRAPHQL, "user_or_installation")
def query(call: Call) -> Answer:
    if call.credential.kind == "none":
        raise Failure(401, "This endpoint requires you to be authenticated.")
    if _ASKS not in call.body["query"]:
        message = "Field does not exist on type 'Query'"
        return Answer(200, {"errors": [{"message": message, "extensions": {"code": "undefined"}}]})
    known: Json = call.body["variables"]
    name = f"{known['owner']}/{known['name']}"
    repo = call.github.repositories.get(name.lower())
    if repo is None or not call.github.reaches(call.credential, repo):
        return _errors("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    if call.credential.kind != "classic":
        for permission in ("pull_requests", "contents"):
            if not grants(call.credential.permissions, permission, "read"):
                return _errors("FORBIDDEN", "Resource not accessible by integration")
    pull = repo.pulls.get(known["number"])
    if pull is None:
        return _errors("NOT_FOUND", "Could not resolve to a PullRequest with the number.")
    sha = call.github.merge_commit(repo, pull)
    found = {"oid": sha} if pull.merged_at is not None and sha is not None else None
    told = {"databaseId": repo.id, "pullRequest": {"mergeCommit": found}}
    return Answer(200, {"data": {"repository": told}})


def path_of(prefix: str) -> str:
    """Return where it is: on an Enterprise Server beside the REST API, not below it."""
    return f"{prefix.removesuffix('/v3')}/graphql"
