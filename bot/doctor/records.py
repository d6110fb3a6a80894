"""What the bot's own records tell: how deliveries went, and what is still to be done on GitHub."""

from bot import times
from bot.doctor.examination import Examination, Stage, look
from bot.doctor.findings import NO_REASON, at, number
from bot.domain import signatures
from bot.domain.passing import LONG, Passing

_WAITS_LONG = 600 * times.SECOND
_NAMED = 3  # repositories


@look(Stage.AFTERWARDS, "deliveries")
async def deliveries(exam: Examination) -> None:
    recent = exam.deliveries
    if not recent and exam.row is not None and exam.row.refused_for is not None:
        return  # they arrive, but are refused
    if not recent:
        exam.warning(
            "No delivery has arrived yet.",
            f"Set the webhook's payload URL to {exam.webhook_url}; GitHub sends a ping at "
            "once, and shows every answer under Recent Deliveries.",
        )
        return
    last = at(recent[0].received_at)
    count = number(len(recent), "delivery", "deliveries")
    failed, retrying, ignored = (
        [row for row in recent if row.status == status]
        for status in ("failed", "retrying", "ignored")
    )
    path = f"/api/v1/integrations/{exam.integration.id}/deliveries"
    if failed:
        exam.problem(
            f"Of the last {count}, {len(failed)} failed; the latest of them: "
            f"{failed[0].error or NO_REASON}.",
            f"Read GET {path}?status=failed, fix the cause and replay them.",
        )
    if retrying:
        exam.warning(
            f"Of the last {count}, {len(retrying)} failed and will be tried again; the "
            f"latest of them: {retrying[0].error or NO_REASON}.",
            f"Make sure that a worker runs, and read GET {path}?status=retrying.",
        )
    if len(ignored) == len(recent):
        exam.warning(
            f"All of the last {count} were ignored; the last arrived {last}.",
            "Check which events the webhook sends, and whether config.repositories names "
            "the repositories that they come from.",
        )
    elif not failed and not retrying:
        rest = f"; {len(ignored)} were ignored" if ignored else ""
        exam.ok(f"The last {count} succeeded{rest}. The last arrived {last}.")


@look(Stage.AFTERWARDS, "signatures")
async def refused(exam: Examination) -> None:
    row = exam.row
    if row is None or row.refused_for is None or row.refused_at is None:
        return
    error, detail = signatures.WORDS[row.refused_for]
    count = number(row.refused_count, "delivery was", "deliveries were")
    # Where good ones came before, strangers may have sent them.
    report = exam.warning if exam.deliveries else exam.problem
    report(
        f"{count} refused for the signature since the last good one; the last of them came "
        f"{at(row.refused_at)}: {error}.",
        detail,
    )


@look(Stage.AFTERWARDS, "database")
async def database(exam: Examination) -> None:
    if warning := exam.services.database.burden().warning:
        exam.problem(
            f"{warning[0].upper()}{warning[1:]}.",
            "End whatever reads it (`fuser -v` on the file shows what does): soon nothing is "
            "written any more.",
        )


@look(Stage.AFTERWARDS, "rights")
async def rights(exam: Examination) -> None:
    if exam.denied:
        named, others = ", ".join(exam.denied[:_NAMED]), len(exam.denied) - _NAMED
        more = f" and {others} more" if others > 0 else ""
        exam.warning(
            f"GitHub says that it has no right to {named}{more}, and another integration speaks "
            "for that: deliveries about it are refused.",
            "Give its credential write access there, or install the App; GitHub is asked again "
            "within the hour. Else take the webhook off there.",
        )


@look(Stage.AFTERWARDS, "actions")
async def actions(exam: Examination) -> None:
    failed, waiting = exam.failed, exam.waiting
    if failed:
        last = failed[-1]
        exam.problem(
            f"{number(len(failed), 'action')} failed in the last three days; the last, "
            f"a {last.kind}: {last.last_error or NO_REASON}.",
            "Fix the cause, then retry them: GET /api/v1/actions?status=failed and "
            "POST /api/v1/actions/{id}/retry.",
        )
    oldest = min(waiting, key=lambda row: int(row.created_at), default=None)
    if oldest is not None and oldest.created_at < times.now() - _WAITS_LONG:
        exam.warning(
            f"{number(len(waiting), 'action')} waiting, the oldest since "
            f"{at(oldest.created_at)}: {oldest.last_error or 'it has not been tried'}.",
            "Make sure that a worker runs (`serve` or `worker`), and mend what the reason "
            "tells of.",
        )
    elif not failed:
        rest = f"; {len(waiting)} waiting" if waiting else ""
        exam.ok(f"No action failed in the last three days{rest}.")


@look(Stage.AFTERWARDS, "clearing")
async def clearing(exam: Examination) -> None:
    days = exam.services.shared(Passing).unsure() / LONG
    if days > 1:
        exam.warning(
            f"The clock is {days:.0f} days ahead of the time for which the service was there. What "
            "became old in them is cleared away little by little, half of them in as many days.",
            "If the machine was off for so long there is nothing to do; else set its clock.",
        )
