"""What the bot still has to do on GitHub: actions that failed, and those that wait for long."""

from bot import times
from bot.doctor.examination import Examination, Stage, look
from bot.doctor.findings import NO_REASON, Findings, at, number, ok, problem, warning

_WAITS_LONG = 600 * times.SECOND


@look(Stage.AFTERWARDS, "actions")
async def actions(exam: Examination) -> Findings:
    failed, waiting = exam.records.failed, exam.records.waiting
    if failed:
        last = failed[-1]
        yield problem(
            f"{number(len(failed), 'action')} failed in the last three days; the last, "
            f"a {last.kind}: {last.last_error or NO_REASON}.",
            "Fix the cause, then retry them: GET /api/v1/actions?status=failed and "
            "POST /api/v1/actions/{id}/retry.",
        )
    oldest = min(waiting, key=lambda row: int(row.created_at), default=None)
    if oldest is not None and oldest.created_at < times.now() - _WAITS_LONG:
        yield warning(
            f"{number(len(waiting), 'action')} waiting, the oldest since "
            f"{at(oldest.created_at)}: {oldest.last_error or 'it has not been tried'}.",
            "Make sure that a worker runs (`serve` or `worker`), and mend what the reason "
            "tells of.",
        )
    elif not failed:
        rest = f"; {len(waiting)} waiting" if waiting else ""
        yield ok(f"No action failed in the last three days{rest}.")
