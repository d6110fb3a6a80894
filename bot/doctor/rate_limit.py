"""How much GitHub may still be asked."""

from typing import Annotated

from msgspec import Meta, Struct

from bot import times
from bot.doctor.examination import Examination, Stage, look
from bot.doctor.findings import Findings, ok, warning
from bot.github import Refused


class Limit(Struct):
    limit: int
    remaining: int
    reset: Annotated[int, Meta(ge=0, le=2**33)]  # seconds since the epoch


class Resources(Struct):
    core: Limit


class Limits(Struct):
    resources: Resources


@look(Stage.LIMITS, "rate_limit")
async def rate_limit(exam: Examination) -> Findings:
    default, in_force = exam.integration.installation_id, exam.in_force
    client = exam.client(default if default in in_force else next(iter(in_force), None))
    try:
        limit = (await exam.ask(Limits, "/rate_limit", client=client)).resources.core
    except Refused as error:
        if error.status != 404:
            raise
        yield ok("GitHub sets no rate limit here.")
        return
    text = f"{limit.remaining} of {limit.limit} calls an hour are left"
    if limit.remaining * 10 >= limit.limit:
        yield ok(f"{text}.")
    else:
        reset = times.render(limit.reset * times.SECOND)
        yield warning(
            f"Only {text}, until {reset}. The bot waits when there are none.",
            "Find out what else uses this credential, and give the bot one of its own.",
        )
