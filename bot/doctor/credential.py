"""Whose the credential is, whether GitHub takes it, until when, and how many calls are left.

GitHub takes what an App signs only from a clock that agrees with its own.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from bot import times
from bot.doctor.examination import App, Examination, Repositories, Stage, Stop, look
from bot.github import Refused

_EXPIRES_SOON = 7 * 86_400 * times.SECOND
_SKEW, _APP_SKEW = 30, 60  # seconds


class User(Struct):
    login: str


@look(Stage.CREDENTIAL, "credential", of="app")
async def app(exam: Examination) -> None:
    try:
        exam.app = await exam.ask(App, "/app")
    except Refused as error:
        raise Stop(
            f"GitHub does not know the App: {error}.",
            "Check app_id and private_key: the App's page in GitHub shows its id, and makes "
            "a new key. Check the clock of this machine, too.",
        ) from None
    exam.who = f"{exam.app.slug}[bot]"
    exam.ok(f"The credential is that of the App {exam.app.slug}.")


@look(Stage.CREDENTIAL, "credential", of="token")
async def token(exam: Examination) -> None:
    try:
        user = await exam.ask(User, "/user")
    except Refused as error:
        if error.status != 403:
            raise Stop(
                f"GitHub rejects the token: {error}.",
                "Make a new token in GitHub and store it: PATCH config.token.",
            ) from None
        refusal = error
    else:
        headers = exam.client().headers
        exam.who, exam.expires_at = user.login, expiry_of(headers)
        scopes = headers.get("X-OAuth-Scopes")
        if scopes is not None:
            exam.scopes = frozenset(one.strip() for one in scopes.split(",")) - {""}
        exam.kind = "fine-grained" if scopes is None else "classic"
        exam.ok(f"The token is a {exam.kind} one of {user.login}.")
        return
    # A token of an installation may not ask who it is, but what it may see.
    try:
        await exam.ask(Repositories, "/installation/repositories?per_page=1")
    except Refused:
        raise Stop(
            f"GitHub does not say whose the token is: {refusal}.",
            "Check the token in GitHub, or store a new one: PATCH config.token.",
        ) from None
    exam.kind = "installation"
    exam.warning(
        "The token is one of an App's installation, which expires an hour after it was made.",
        "Store the App's app_id and private_key instead: the bot then makes its own tokens.",
    )


@look(Stage.CREDENTIAL, "expiry", of="token")
async def expiry(exam: Examination) -> None:
    if exam.expires_at is None:
        return
    text = f"The token expires {times.render(exam.expires_at)}"
    if exam.expires_at > times.now() + _EXPIRES_SOON:
        exam.ok(f"{text}.")
    else:
        remedy = "Make a new one in GitHub before that, and store it: PATCH config.token."
        exam.warning(f"{text}, soon.", remedy)


def expiry_of(headers: Mapping[str, str]) -> int | None:
    """Return when the token that was used expires, in microseconds; None if that is not said."""
    text = headers.get("github-authentication-token-expiration", "").strip()
    try:
        return times.parse(re.sub(r"\s*(?:UTC|GMT)$| (?=[+-])", "", text))
    except ValueError:
        return None


class Limit(Struct):
    limit: int
    remaining: int
    reset: Annotated[int, Meta(ge=0, le=2**33)]  # seconds since the epoch


class Resources(Struct):
    core: Limit


class Limits(Struct):
    resources: Resources


@look(Stage.LIMITS, "rate_limit")
async def rate_limit(exam: Examination) -> None:
    try:
        limit = (await exam.ask(Limits, "/rate_limit", client=exam.any_client())).resources.core
    except Refused as error:
        if error.status != 404:
            raise
        exam.ok("GitHub sets no rate limit here.")
        return
    text = f"{limit.remaining} of {limit.limit} calls an hour are left"
    if limit.remaining * 10 >= limit.limit:
        exam.ok(f"{text}.")
    else:
        reset = times.render(limit.reset * times.SECOND)
        exam.warning(
            f"Only {text}, until {reset}. The bot waits when there are none.",
            "Find out what else uses this credential, and give the bot one of its own.",
        )


@look(Stage.AFTERWARDS, "clock")
async def clock(exam: Examination) -> None:
    if exam.drift is None:
        return
    seconds = round(abs(exam.drift))
    if seconds <= _SKEW:
        exam.ok("The clock of this machine agrees with GitHub's.")
        return
    where = "behind" if exam.drift > 0 else "ahead of"
    message = f"The clock of this machine is {seconds} seconds {where} GitHub's"
    remedy = "Let NTP set the clock, for example with `timedatectl set-ntp true`."
    if exam.credential == "app" and seconds > _APP_SKEW:
        exam.problem(f"{message}: more than GitHub allows the tokens that an App signs.", remedy)
    else:
        exam.warning(f"{message}.", remedy)
