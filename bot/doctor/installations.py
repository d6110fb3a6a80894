"""Where an App is installed, and whether what it asks for has been accepted there."""

from collections.abc import Iterator

from bot.doctor.answers import App, Installation
from bot.doctor.examination import PAGE, Examination, Stage, look
from bot.doctor.findings import Finding, Findings, ok, problem, shown, some, warning
from bot.doctor.permissions import consequences, lacking, listed, unheard
from bot.github import Refused


@look(Stage.INSTALLATIONS, "installation", of="app")
async def installations(exam: Examination) -> Findings:
    assert exam.app is not None
    found = await exam.ask(list[Installation], f"/app/installations?per_page={PAGE}")
    exam.installations = found
    if not found:
        install = f"Install it: {shown(exam.app.html_url)}/installations/new"
        yield problem("The App is not installed anywhere.", install)
        return
    default = exam.integration.installation_id
    if default is not None and default not in [one.id for one in found]:
        further = await _installation(exam, default) if len(found) == PAGE else None
        if further is not None:
            found.append(further)
        else:
            yield problem(
                f"The installation {default} does not exist, but config.installation_id names it.",
                "Set config.installation_id to one that does, or to null. The App has: "
                f"{some([one.name for one in found])}.",
            )
    for one in found:
        if one.suspended_at is None:
            for finding in _accepted(exam, one, exam.app):
                yield finding
        else:
            report = problem if one.id == default else warning
            yield report(
                f"The installation on {one.name} is suspended: GitHub takes nothing from it.",
                f"Let its owner unsuspend it: {shown(one.html_url)}",
            )
    if names := [one.name for one in found if one.suspended_at is None]:
        yield ok(f"The App is installed on {some(names)}.")


async def _installation(exam: Examination, installation_id: int) -> Installation | None:
    """Return an installation that is not among those that were listed."""
    path = "/app/installations/{installation_id}"
    try:
        return await exam.ask(Installation, path, {"installation_id": str(installation_id)})
    except Refused:
        return None


def _accepted(exam: Examination, one: Installation, app: App) -> Iterator[Finding]:
    vital, useful = lacking(exam, one.permissions, asked=app.permissions)
    events = [name for name in unheard(exam, one.events) if name in app.events]
    accept = f"New permissions must be accepted by the account's owner: {shown(one.html_url)}"
    if vital or events:
        what = [listed(vital), f"the events {', '.join(events)}" if events else ""]
        message = (
            f"The installation on {one.name} lacks {' and '.join(filter(None, what))}, which "
            "the App asks for."
        )
        yield problem(f"{message} {consequences(exam, vital)}".rstrip(), accept)
    if useful:
        message = f"The installation on {one.name} has not accepted {listed(useful)} yet."
        yield warning(f"{message} {consequences(exam, useful)}", accept)
