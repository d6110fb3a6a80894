"""Check runs and commit statuses."""

from urllib.parse import urlsplit

from tests.github.model import Repository
from tests.github.pulls import Pulls
from tests.github.routes import Answer, Call, Failure, invalid, not_found, page_of, route
from tests.github.values import REPO, Json, node_id, stamp


class Checks(Pulls):
    """Check runs and statuses of commits."""

    def check_runs(self, full_name: str, sha: str) -> list[Json]:
        repo = self.repository(full_name)
        found = [run for run in repo.check_runs.values() if run["head_sha"] == sha]
        return [self._check_run(repo, run) for run in found]

    def statuses(self, full_name: str, sha: str) -> list[Json]:
        """Return all statuses that a commit ever had, newest first."""
        return list(reversed(self.repository(full_name).statuses.get(sha, [])))

    def combined(self, full_name: str, sha: str) -> dict[str, str]:
        """Return the newest state of each context."""
        oldest_first = self.repository(full_name).statuses.get(sha, [])
        return {one["context"]: one["state"] for one in oldest_first}

    def _check_run(self, repo: Repository, run: Json) -> Json:
        here = f"{self.url}/repos/{repo.full_name}/check-runs/{run['id']}"
        output = run["output"]
        pulls = [one for one in repo.pulls.values() if one.head_sha == run["head_sha"]]
        return {
            **{name: value for name, value in run.items() if name != "app_id"},
            "node_id": node_id("CheckRun", run["id"]),
            "url": here,
            "html_url": f"{self.web_url}/{repo.full_name}/runs/{run['id']}",
            "output": {
                "title": output.get("title"),
                "summary": output.get("summary"),
                "text": output.get("text"),
                "annotations_count": len(output.get("annotations", [])),
                "annotations_url": f"{here}/annotations",
            },
            "check_suite": {"id": run["app_id"] * 1000 + repo.id},
            "app": self._app(self.apps[run["app_id"]]),
            "pull_requests": [
                {
                    "url": f"{self.url}/repos/{repo.full_name}/pulls/{one.number}",
                    "id": one.id,
                    "number": one.number,
                    "head": {"ref": one.head_ref, "sha": one.head_sha},
                    "base": {"ref": one.base_ref, "sha": one.base_sha},
                }
                for one in pulls
            ],
        }


def _known_sha(call: Call, sha: str) -> str:
    """Return the SHA of a commit, given so or by a pull request's branch."""
    if sha in call.repo.shas:
        return sha
    for pull in call.repo.pulls.values():
        if sha in (pull.head_ref, f"heads/{pull.head_ref}"):
            return pull.head_sha
    raise Failure(422, f"No commit found for SHA: {sha}")


@route(f"POST {REPO}/statuses/{{sha}}", permission="statuses", level="write")
def create_status(call: Call) -> Answer:
    sha, body, github = call.arguments["sha"], call.body, call.github
    if sha not in call.repo.shas:
        raise Failure(422, f"No commit found for SHA: {sha}")
    if len(body.get("description") or "") > 140:
        message = "description is too long (maximum is 140 characters)"
        raise invalid("Status", "description", "custom", message)
    target = body.get("target_url")
    if target and urlsplit(target).scheme not in ("http", "https"):
        raise invalid("Status", "target_url", "custom", "target_url must use http(s) scheme")
    id, user = github.new_id(), github._user(call.login)
    status = {
        "url": f"{github.url}/repos/{call.repo.full_name}/statuses/{sha}",
        "avatar_url": user["avatar_url"],
        "id": id,
        "node_id": node_id("Status", id),
        "state": body["state"],
        "description": body.get("description"),
        "target_url": target,
        "context": body.get("context", "default"),
        "created_at": stamp(call.now),
        "updated_at": stamp(call.now),
        "creator": user,
    }
    call.repo.statuses.setdefault(sha, []).append(status)
    return Answer(201, status)


_MOST_ANNOTATIONS = 50  # of one request
_RUN_FIELDS = ("name", "details_url", "external_id", "status", "conclusion")


def _fill_run(call: Call, run: Json) -> None:
    """Put into a check run what a request says about it."""
    body = call.body
    run |= {
        name: body[name] for name in (*_RUN_FIELDS, "started_at", "completed_at") if name in body
    }
    if "conclusion" in body:
        run["status"] = "completed"
        run["completed_at"] = body.get("completed_at") or stamp(call.now)
    elif body.get("status", "completed") != "completed":
        run["conclusion"] = run["completed_at"] = None
    if "output" in body:
        new = body["output"].get("annotations", [])
        if len(new) > _MOST_ANNOTATIONS:
            raise Failure(422, "Invalid request.\n\nNo more than 50 annotations at once.")
        # What an update annotates joins what was annotated before.
        joined = [*run["output"].get("annotations", []), *new]
        run["output"] = {**run["output"], **body["output"], "annotations": joined}


@route(f"POST {REPO}/check-runs", permission="checks", level="write")
def create_check_run(call: Call) -> Answer:
    github, sha = call.github, call.body["head_sha"]
    if sha not in call.repo.shas:
        raise Failure(422, f"No commit found for SHA: {sha}")
    if call.body.get("status") == "completed" and "conclusion" not in call.body:
        raise Failure(422, 'Invalid request.\n\nNo subschema in "oneOf" matched.')
    run: Json = {
        "id": github.new_id(),
        "app_id": call.app.id,
        "head_sha": sha,
        "external_id": "",
        "details_url": "https://bot.example",
        "status": "queued",
        "conclusion": None,
        "started_at": stamp(call.now),
        "completed_at": None,
        "output": {},
    }
    _fill_run(call, run)
    call.repo.check_runs[run["id"]] = run
    payload = github._check_run(call.repo, run)
    event = github._event(call, "check_run", "created", check_run=payload)
    return Answer(201, payload, events=[event])


@route(f"PATCH {REPO}/check-runs/{{check_run_id}}", permission="checks", level="write")
def patch_check_run(call: Call) -> Answer:
    run = call.repo.check_runs.get(call.number("check_run_id"))
    if run is None:
        raise not_found()
    if run["app_id"] != call.app.id:
        raise Failure(
            403,
            f"Invalid app_id `{call.app.id}` - check run can only be modified by the GitHub App "
            "that created it.",
        )
    _fill_run(call, run)
    return Answer(200, call.github._check_run(call.repo, run))


@route(f"GET {REPO}/commits/{{ref}}/check-runs", permission="checks")
def list_check_runs(call: Call) -> Answer:
    query, sha = call.query, _known_sha(call, call.arguments["ref"])
    found = [
        run
        for run in call.repo.check_runs.values()
        if run["head_sha"] == sha
        and query.get("check_name") in (None, run["name"])
        and query.get("status") in (None, run["status"])
        and query.get("app_id") in (None, str(run["app_id"]))
    ]
    if query.get("filter", "latest") == "latest":
        found = list({(run["app_id"], run["name"]): run for run in found}.values())
    payloads = [call.github._check_run(call.repo, run) for run in reversed(found)]
    return page_of(call, payloads, lambda page: {"total_count": len(payloads), "check_runs": page})
