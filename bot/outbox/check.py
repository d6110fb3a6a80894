"""`check`: what GitHub shows on the head commit of a pull request, and may require for a merge.

A check run where the bot acts as an App, a commit status where it acts with a token: those may not
use the Checks API. https://docs.github.com/en/rest/checks/runs,
https://docs.github.com/en/rest/commits/statuses
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.domain import suggestions, texts
from bot.domain.actions import CHECK as KIND
from bot.domain.actions import CHECK_NAME as NAME
from bot.outbox.job import Job
from bot.storage import actions as storage
from bot.storage import facts, links
from bot.storage.database import Row, Transaction

__all__ = ["KIND", "run"]

REFRESH = "refresh"  # identifies the button that checks again
_OVER = ("completed", "archived")
_STATES = {"success": "success", "neutral": "success", "action_required": "failure"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says. `conclusion` as check runs have it."""

    conclusion: str
    title: str  # at most 140 characters, GitHub's limit on a status
    summary: str


async def run(job: Job) -> dict[str, Any]:
    item_id = job.item_id
    assert item_id is not None

    def state(transaction: Transaction) -> tuple[Row, Verdict, bool]:
        item = facts.get_item(transaction, item_id)
        linked = links.of_targets_with_experiments(transaction, "pull_request", item_id)
        required = job.integration.check == "required"
        # Quiet where nothing was ever linked.
        is_quiet = not linked and not required and post["check_digest"] is None
        return item, verdict_of(transaction, linked, required=required), is_quiet

    post = await job.write(lambda transaction: storage.see_to_post(transaction, item_id))
    item, verdict, is_quiet = await job.read(state)
    sha = item["head_sha"]
    is_open = item["state"] == "open" and item["gone_at"] is None
    if not sha or not is_open or job.integration.check == "off":
        return {"changed": False}
    # An earlier attempt may have set it on this commit without our knowing; what it may have set
    # on another does not matter any more.
    is_unsure = post["check_writing"] is not None and post["check_sha"] == sha
    is_app = job.integration.token is None
    if is_quiet and not is_unsure:
        return {"changed": False}
    if is_quiet and is_app and await _find(job, post["marker"], sha) is None:
        return {"changed": False}
    # With a token it is set: a status too many harms nobody, one that says no for good does.
    digest = hashlib.sha256(repr(verdict).encode()).hexdigest()
    again = bool(job.request.get("again"))
    if not again and not is_unsure and (post["check_sha"], post["check_digest"]) == (sha, digest):
        return {"conclusion": verdict.conclusion, "changed": False}
    address = f"{job.services.settings.public_url}/"
    if is_app:
        check_run_id = await _set_check_run(
            job, post, sha, verdict, address, again=again, is_unsure=is_unsure
        )
    else:
        check_run_id = None
        await job.begin("check", check_sha=sha, check_run_id=None)
        await job.client.post(
            "/repos/{+repository}/statuses/{sha}",
            {"repository": job.repository, "sha": sha},
            data={
                "state": _STATES[verdict.conclusion],
                "context": NAME,
                "description": verdict.title,
                "target_url": address,
            },
        )
    await job.done(
        "check",
        integration_id=job.integration.id,
        check_sha=sha,
        check_run_id=check_run_id,
        check_digest=digest,
    )
    return {"conclusion": verdict.conclusion, "head_sha": sha, "changed": True}


async def _set_check_run(
    job: Job,
    post: Row,
    sha: str,
    verdict: Verdict,
    address: str,
    *,
    again: bool,
    is_unsure: bool,
) -> int:
    """Create the check run of a commit, or bring the one that is there up to date."""
    run_id = post["check_run_id"] if post["check_sha"] == sha else None
    if run_id is None and is_unsure:
        run_id = await _find(job, post["marker"], sha)
    # A re-run is a new check run: GitHub shows the newest of a name.
    if again and not is_unsure:
        run_id = None
    await job.begin("check", check_sha=sha, check_run_id=run_id)
    content: dict[str, Any] = {
        "name": NAME,
        "status": "completed",
        "conclusion": verdict.conclusion,
        "details_url": address,
        "external_id": post["marker"],
        "output": {"title": verdict.title, "summary": verdict.summary},
        "actions": [
            {
                "label": "Check again",
                "description": "Look at the experiments once more",
                "identifier": REFRESH,
            }
        ],
    }
    if run_id is None:
        answer = await job.client.post(
            "/repos/{+repository}/check-runs",
            {"repository": job.repository},
            data={**content, "head_sha": sha},
        )
    else:
        answer = await job.client.patch(
            "/repos/{+repository}/check-runs/{run}",
            {"repository": job.repository, "run": str(run_id)},
            data=content,
        )
    return int(answer["id"])


async def _find(job: Job, marker: str, sha: str) -> int | None:
    """Return the check run that an earlier attempt has made, the newest if there are several."""
    answer = await job.client.getitem(
        "/repos/{+repository}/commits/{sha}/check-runs?check_name={name}&per_page=100",
        {"repository": job.repository, "sha": sha, "name": NAME},
    )
    found = [one["id"] for one in answer["check_runs"] if one.get("external_id") == marker]
    return max(found, default=None)


def verdict_of(transaction: Transaction, linked: Sequence[Row], *, required: bool) -> Verdict:
    """Return what the check says of a pull request with these links."""
    unknown = [link["experiment_key"] for link in linked if link["status"] is None]
    over = [link for link in linked if link["status"] in _OVER]
    if unknown:
        lines = []
        for key in unknown:
            close = suggestions.close_keys(transaction, key)
            hint = f" Did you mean {texts.code(close[0])}?" if close else ""
            lines.append(f"- No experiment has the key {texts.code(key)}.{hint}")
        return Verdict(
            "action_required",
            _short(f"Unknown experiment: {', '.join(unknown)}"),
            "\n".join(lines) + "\n\nCorrect the key in the description, or create the experiment.",
        )
    if over:
        lines = [f"- {texts.code(link['experiment_key'])} is {link['status']}." for link in over]
        names = ", ".join(f"{link['experiment_key']} is {link['status']}" for link in over)
        return Verdict(
            "action_required",
            _short(names),
            "\n".join(lines) + "\n\nLink an experiment that is still under way, or none.",
        )
    if linked:
        lines = [f"- {texts.code(link['experiment_key'])} is {link['status']}." for link in linked]
        keys = ", ".join(link["experiment_key"] for link in linked)
        return Verdict("success", _short(f"Part of {keys}"), "\n".join(lines))
    if required:
        return Verdict(
            "action_required",
            "No experiment is linked, and this repository requires one",
            "Add a line such as `experiment_key: checkout-flow-v2` to the description.",
        )
    return Verdict("neutral", "No experiment is linked", "None is required.")


def _short(text: str) -> str:
    return text if len(text) <= 140 else f"{text[:139]}…"
