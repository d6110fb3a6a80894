"""Whose the credential is, whether GitHub takes it, and until when."""

import re
from collections.abc import Mapping

from msgspec import Struct

from bot import times
from bot.doctor.answers import App, Repositories
from bot.doctor.examination import Examination, Stage, Stop, look
from bot.doctor.findings import Findings, ok, problem, warning
from bot.github import Refused

_EXPIRES_SOON = 7 * 86_400 * times.SECOND


class User(Struct):
    login: str


@look(Stage.CREDENTIAL, "credential", of="app")
async def app(exam: Examination) -> Findings:
    try:
        exam.app = await exam.ask(App, "/app")
    except Refused as error:
        yield problem(
            f"GitHub does not know the App: {error}.",
            "Check app_id and private_key: the App's page in GitHub shows its id, and makes "
            "a new key. Check the clock of this machine, too.",
        )
        raise Stop from None
    exam.who = f"{exam.app.slug}[bot]"
    yield ok(f"The credential is that of the App {exam.app.slug}.")


@look(Stage.CREDENTIAL, "credential", of="token")
async def token(exam: Examination) -> Findings:
    try:
        user = await exam.ask(User, "/user")
    except Refused as error:
        if error.status != 403:
            yield problem(
                f"GitHub rejects the token: {error}.",
                "Make a new token in GitHub and store it: PATCH config.token.",
            )
            raise Stop from None
        refusal = error
    else:
        headers = exam.client().headers
        exam.who, exam.expires_at = user.login, expiry_of(headers)
        scopes = headers.get("X-OAuth-Scopes")
        if scopes is not None:
            exam.scopes = frozenset(one.strip() for one in scopes.split(",")) - {""}
        exam.kind = "fine-grained" if scopes is None else "classic"
        yield ok(f"The token is a {exam.kind} one of {user.login}.")
        return
    # A token of an installation may not ask who it is, but what it may see.
    try:
        await exam.ask(Repositories, "/installation/repositories?per_page=1")
    except Refused:
        yield problem(
            f"GitHub does not say whose the token is: {refusal}.",
            "Check the token in GitHub, or store a new one: PATCH config.token.",
        )
        raise Stop from None
    exam.kind = "installation"
    yield warning(
        "The token is one of an App's installation, which expires an hour after it was made.",
        "Store the App's app_id and private_key instead: the bot then makes its own tokens.",
    )


@look(Stage.CREDENTIAL, "expiry", of="token")
async def expiry(exam: Examination) -> Findings:
    if exam.expires_at is None:
        return
    text = f"The token expires {times.render(exam.expires_at)}"
    if exam.expires_at > times.now() + _EXPIRES_SOON:
        yield ok(f"{text}.")
    else:
        remedy = "Make a new one in GitHub before that, and store it: PATCH config.token."
        yield warning(f"{text}, soon.", remedy)


def expiry_of(headers: Mapping[str, str]) -> int | None:
    """Return when the token that was used expires, in microseconds; None if that is not said."""
    text = headers.get("github-authentication-token-expiration", "").strip()
    try:
        return times.parse(re.sub(r"\s*(?:UTC|GMT)$| (?=[+-])", "", text))
    except ValueError:
        return None
