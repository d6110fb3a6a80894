"""Whether GitHub still speaks the version of its API that the bot speaks, and until when.

A version is served for at least 24 months after the next one has come.
https://docs.github.com/en/rest/about-the-rest-api/api-versions
"""

from datetime import UTC, date, datetime

from bot import times
from bot.doctor.examination import Examination, Stage, look
from bot.github import Refused
from bot.github.client import API_VERSION

_YEARS = 2
_SOON = 180 * 86_400 * times.SECOND


@look(Stage.LIMITS, "api_version")
async def api_version(exam: Examination) -> None:
    try:
        versions = await exam.ask(list[str], "/versions", client=exam.any_client())
    except Refused as error:
        if error.status != 404:
            raise
        exam.ok("This GitHub has one version of its API only, as older Enterprise Servers do.")
        return
    if API_VERSION not in versions:
        exam.problem(
            f"GitHub does not serve the version {API_VERSION} of its API (any more), which the bot "
            f"speaks; it serves {', '.join(versions) or 'none'}.",
            "Update Experiment Bot to a version that speaks another one.",
        )
        return
    ends = _ends(versions)
    if ends is None:
        exam.ok(f"GitHub serves the version {API_VERSION} of its API, and no later one.")
        return
    message = f"GitHub serves the version {API_VERSION} of its API at least until {ends}"
    if _moment(ends) - times.now() > _SOON:
        exam.ok(f"{message}.")
    else:
        remedy = "Update Experiment Bot to a version that speaks a later one."
        exam.warning(f"{message}; after that, calls may be refused.", remedy)


def _ends(versions: list[str]) -> date | None:
    """Return until when ours is served at least; None while there is no later one."""
    later = []
    for one in versions:
        try:
            later.append(date.fromisoformat(one))
        except ValueError:  # a version that is no date says nothing of ours
            continue
    later = [one for one in later if one > date.fromisoformat(API_VERSION)]
    if not later:
        return None
    came = min(later)
    is_leap_day = (came.month, came.day) == (2, 29)
    return came.replace(year=min(came.year + _YEARS, 9999), day=28 if is_leap_day else came.day)


def _moment(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * times.SECOND
