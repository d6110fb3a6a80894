"""What GitHub lets a credential do and hear of, an App at each account, beside what is needed."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.doctor.examination import (
    PAGE,
    App,
    Examination,
    Installation,
    Repository,
    Stage,
    look,
)
from bot.doctor.findings import shown, some
from bot.domain import grants
from bot.github import Refused
from bot.github.events import (
    CONTENTS,
    DEPLOYMENTS,
    FINE_GRAINED,
    ISSUES,
    MERGE_QUEUES,
    PULL_REQUESTS,
    Permission,
)

_QUEUED = "merge_group"  # Apps alone hear of it; the pushes of a queue do, too
_OF_APP = (
    "Change it in the App's settings under Permissions & events; then the owner of each "
    "account that it is installed on has to accept."
)
# What a token without scopes is tried with, and the permission that it takes.
_TRIED = {
    "issues": ("issues?per_page=1", ISSUES),
    "pull requests": ("pulls?per_page=1", PULL_REQUESTS),
    "contents": ("branches/{branch}", CONTENTS),
    "deployments": ("deployments?per_page=1", DEPLOYMENTS),
}
_OF_TOKEN = f"Give the token these repository permissions in GitHub: {FINE_GRAINED}."


def _lacking(
    exam: Examination, given: Mapping[str, str], asked: Mapping[str, str] | None = None
) -> tuple[list[Permission], list[Permission]]:
    """Return what is needed and not given: what is vital, and that without which the rest works.

    Of an installation only what the App has `asked` for can be lacking.
    """
    lacks = grants.lacking(exam.events, exam.integration, given, asked)
    return [one for one in lacks if one.is_vital], [one for one in lacks if not one.is_vital]


def _listed(lacks: Sequence[Permission]) -> str:
    return ", ".join(map(str, lacks))


def _consequences(exam: Examination, lacks: Sequence[Permission]) -> str:
    return exam.events.without(one.name for one in lacks)


@look(Stage.CREDENTIAL, "permissions", of="app")
async def of_app(exam: Examination) -> None:
    assert exam.app is not None
    vital, useful = _lacking(exam, exam.app.permissions)
    if vital:
        message = f"The App lacks permissions: {_listed(vital)}."
        exam.problem(f"{message} {_consequences(exam, vital)}", _OF_APP)
    if useful:
        message = f"The App does not ask for {_listed(useful)}."
        exam.warning(f"{message} {_consequences(exam, useful)}", _OF_APP)
    if not vital and not useful:
        exam.ok("The App asks for all permissions that it needs.")


@look(Stage.CREDENTIAL, "events", of="app")
async def events(exam: Examination) -> None:
    assert exam.app is not None
    if missing := exam.unheard(exam.app.events):
        exam.problem(f"The App does not receive: {', '.join(missing)}.", _OF_APP)
    else:
        exam.ok("The App receives all events that it needs.")
    may_hear = MERGE_QUEUES.name in exam.app.permissions and exam.integration.check != "off"
    if may_hear and _QUEUED not in exam.app.events:
        exam.warning(f"The App does not receive {_QUEUED}: {MERGE_QUEUES.without}.", _OF_APP)
    for what in exam.also_unheard(exam.app.events):
        if DEPLOYMENTS.name in exam.app.permissions:
            exam.warning(f"The App does not receive {what}.", _OF_APP)


@look(Stage.CREDENTIAL, "permissions", of="token")
async def scopes(exam: Examination) -> None:
    if exam.scopes is None:
        return
    names = ", ".join(sorted(exam.scopes)) or "none"
    if "repo" in exam.scopes:
        exam.ok(f"Its scopes are sufficient: {names}.")
    elif "public_repo" in exam.scopes:
        exam.ok(f"Its scopes are sufficient for public repositories: {names}.")
    else:
        exam.problem(
            f"Its scopes do not let it write comments, labels, statuses and issues: {names}.",
            "Give it the scope `repo`, or `public_repo` if all repositories are public, under "
            "Settings → Developer settings → Personal access tokens → Tokens (classic).",
        )


@look(Stage.RIGHTS, "permissions", of="token")
async def without_scopes(exam: Examination) -> None:
    """Find out what a token without scopes may read; writing shows only when it writes."""
    if exam.scopes is not None:
        return
    if not exam.reached:
        exam.warning(
            "What the token may do cannot be checked: no repository that it reaches is known.",
            _OF_TOKEN,
        )
        return
    # What is public may be read by anyone.
    tried = next((one for one in exam.reached if one.private), exam.reached[0])
    refused = [
        what
        for what, (path, one) in _TRIED.items()
        if not await _reads(exam, tried, what, path, one)
    ]
    if not refused:
        exam.ok(
            f"The token may read {', '.join(_TRIED)} of {tried.full_name}. Whether it may write "
            f"shows only when it does; it needs {FINE_GRAINED}."
        )


async def _reads(
    exam: Examination, tried: Repository, what: str, path: str, needed: Permission
) -> bool:
    """Try to read something of a repository; tell of it if the token may not."""
    url, branch = f"/repos/{{+repository}}/{path}", tried.default_branch
    try:
        await exam.ask(Any, url, repository=tried.full_name, branch=branch)
    except Refused as error:
        if error.status == 410 or (error.status == 404 and "{branch}" in path):
            return True  # issues are switched off; there is no commit yet
        needs = exam.client().headers.get("X-Accepted-GitHub-Permissions")
        wants = f"GitHub requires {needs}" if needs else str(error)
        report = exam.problem if needed.is_vital else exam.warning
        report(
            f"The token may not read the {what} of {tried.full_name}: {wants}. "
            f"{_consequences(exam, [needed])}",
            _OF_TOKEN,
        )
        return False
    return True


@look(Stage.INSTALLATIONS, "installation", of="app")
async def installations(exam: Examination) -> None:
    assert exam.app is not None
    found = await exam.ask(list[Installation], f"/app/installations?per_page={PAGE}")
    exam.installations = found
    if not found:
        install = f"Install it: {shown(exam.app.html_url)}/installations/new"
        exam.problem("The App is not installed anywhere.", install)
        return
    default = exam.integration.installation_id
    if default is not None and default not in [one.id for one in found]:
        further = await _installation(exam, default) if len(found) == PAGE else None
        if further is not None:
            found.append(further)
        else:
            exam.problem(
                f"The installation {default} does not exist, but config.installation_id names it.",
                "Set config.installation_id to one that does, or to null. The App has: "
                f"{some([one.name for one in found])}.",
            )
    for one in found:
        if one.suspended_at is None:
            _accepted(exam, one, exam.app)
        else:
            report = exam.problem if one.id == default else exam.warning
            report(
                f"The installation on {one.name} is suspended: GitHub takes nothing from it.",
                f"Let its owner unsuspend it: {shown(one.html_url)}",
            )
    if names := [one.name for one in found if one.suspended_at is None]:
        exam.ok(f"The App is installed on {some(names)}.")


async def _installation(exam: Examination, installation_id: int) -> Installation | None:
    path = "/app/installations/{installation_id}"
    try:
        return await exam.ask(Installation, path, installation_id=str(installation_id))
    except Refused:
        return None


def _accepted(exam: Examination, one: Installation, app: App) -> None:
    vital, useful = _lacking(exam, one.permissions, asked=app.permissions)
    events = [name for name in exam.unheard(one.events) if name in app.events]
    accept = f"New permissions must be accepted by the account's owner: {shown(one.html_url)}"
    if vital or events:
        what = [_listed(vital), f"the events {', '.join(events)}" if events else ""]
        message = (
            f"The installation on {one.name} lacks {' and '.join(filter(None, what))}, which "
            "the App asks for."
        )
        exam.problem(f"{message} {_consequences(exam, vital)}".rstrip(), accept)
    if useful:
        message = f"The installation on {one.name} has not accepted {_listed(useful)} yet."
        exam.warning(f"{message} {_consequences(exam, useful)}", accept)
