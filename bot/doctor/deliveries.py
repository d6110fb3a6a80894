"""How the last deliveries went that arrived here."""

from bot.doctor.examination import Examination, Stage, look
from bot.doctor.findings import NO_REASON, Findings, at, number, ok, problem, warning


@look(Stage.AFTERWARDS, "deliveries")
async def deliveries(exam: Examination) -> Findings:
    recent = exam.records.deliveries
    if not recent:
        yield warning(
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
        yield problem(
            f"Of the last {count}, {len(failed)} failed; the latest of them: "
            f"{failed[0].error or NO_REASON}.",
            f"Read GET {path}?status=failed, fix the cause and replay them.",
        )
    if retrying:
        yield warning(
            f"Of the last {count}, {len(retrying)} failed and will be tried again; the "
            f"latest of them: {retrying[0].error or NO_REASON}.",
            f"Make sure that a worker runs, and read GET {path}?status=retrying.",
        )
    if len(ignored) == len(recent):
        yield warning(
            f"All of the last {count} were ignored; the last arrived {last}.",
            "Check which events the webhook sends, and whether config.repositories names "
            "the repositories that they come from.",
        )
    elif not failed and not retrying:
        rest = f"; {len(ignored)} were ignored" if ignored else ""
        yield ok(f"The last {count} succeeded{rest}. The last arrived {last}.")
