"""What is set here: whether it is active, whether GitHub reaches it, and may be called."""

from bot.doctor.examination import Examination, Stage, Stop, look
from bot.github.reach import unreachable


@look(Stage.SETTINGS, "integration")
async def activity(exam: Examination) -> None:
    if exam.integration.is_active:
        exam.ok("It is active.")
    else:
        exam.warning(
            "It is not active: deliveries are refused with 403, and nothing is written.",
            'Activate it: PATCH {"is_active": true}.',
        )


@look(Stage.SETTINGS, "address")
async def address(exam: Examination) -> None:
    public_url = exam.services.settings.public_url
    reason = unreachable(public_url, exam.integration.api_url)
    if reason is None:
        exam.ok(f"GitHub should deliver to {exam.webhook_url}.")
    else:
        exam.warning(
            f"GitHub cannot reach {public_url}: {reason}.",
            "Set PUBLIC_URL to the address that GitHub reaches, that of a proxy or tunnel.",
        )


@look(Stage.SETTINGS, "github")
async def api_url(exam: Examination) -> None:
    if exam.integration.api_url in exam.services.settings.github_api_urls:
        return
    raise Stop(
        f"GITHUB_API_URLS does not list {exam.integration.api_url}, so nothing is called there. "
        "What is owed waits.",
        "Add it to GITHUB_API_URLS and restart, or set config.api_url to one that is listed.",
    )
