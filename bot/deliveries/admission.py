"""Asks GitHub what is open before a delivery is ingested: a name, or who may speak.

A payload that gives a repository a name on an allow-list, or one of another's repository, may lie;
which repository has a name is GitHub's to say, to whoever holds this integration's credential.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import asynccontextmanager
from typing import TypeVar

from cachetools import TTLCache

from bot import storage as store
from bot.deliveries.rights import Denials, Rights
from bot.domain import speaking
from bot.domain.allowed import NotAllowed, Unconfirmed, Undecided
from bot.domain.integrations import Integration
from bot.domain.speaking import Answer
from bot.github import CallFailed, Refused, payloads
from bot.services import Services
from bot.together import Once

T = TypeVar("T")
Job = Callable[[store.Transaction, Set[tuple[str, int]]], T]
SECONDS = 3.0  # for GitHub to answer; it waits for us for ten itself
_ASK_SECONDS = 7.0  # for all that it is asked about one delivery: who sent it waits for eight
_REMEMBERED = 300.0  # seconds that a "no" holds, so that a flood asks once
_UNREACHABLE = 10.0  # the same where GitHub could not be asked
_ROUNDS = 4  # of questions about one delivery
_NO = (404, 410, 451)  # GitHub knows no such repository, or none that we may see


class Waiting(Exception):
    """Only GitHub can tell whether a delivery is allowed, and it cannot be asked now."""


class Names:
    """Knows for a while which repositories do not have the names that they were given."""

    def __init__(self, services: Services) -> None:
        self._github = services.github
        self._refuted: TTLCache[tuple[object, ...], bool] = TTLCache(65536, _REMEMBERED)
        self._silent: TTLCache[str, bool] = TTLCache(1024, _UNREACHABLE)
        self._asking: Once[bool] = Once()

    async def confirm(self, integration: Integration, question: Unconfirmed) -> bool:
        """Tell whether a repository has a name now; raises Waiting if GitHub cannot be asked."""
        full_name = question.full_name.lower()
        key = (integration.id, integration.updated_at, full_name, question.github_id)
        if key in self._refuted:
            return False
        asked = integration, full_name, question.github_id
        is_so = await self._asking.get(key, lambda: self._ask(*asked))
        if not is_so:
            self._refuted[key] = True
        return is_so

    async def _ask(self, integration: Integration, full_name: str, github_id: int) -> bool:
        if integration.id in self._silent:
            raise Waiting
        try:
            async with asyncio.timeout(SECONDS):
                client = await self._github.client_in(integration.credentials, full_name)
                found = await client.fetch(
                    payloads.Repository, "/repos/{+repository}", {"repository": full_name}
                )
        except (CallFailed, TimeoutError) as error:
            if isinstance(error, Refused) and error.status in _NO:
                return False
            self._silent[integration.id] = True
            raise Waiting from None
        # A name that was given up leads to the repository that had it, under its new one.
        return found.full_name.lower() == full_name and found.id == github_id


async def write(
    services: Services,
    integration_id: str,
    job: Job[T],
    *,
    heavy: bool = False,
    touched: store.Touched | None = None,
    locks: Sequence[str] = (),
) -> T:
    """Run `job` in a transaction, again with GitHub's word where it raises Undecided.

    Raises what `job` raises, NotAllowed if GitHub says no, Waiting if it cannot be asked.
    """
    confirmed: frozenset[tuple[str, int]] = frozenset()
    until = asyncio.get_running_loop().time() + _ASK_SECONDS
    for _ in range(_ROUNDS):
        try:
            return await services.database.write(
                lambda tx, known=confirmed: job(tx, known),  # type: ignore[misc]
                heavy=heavy,
                touched=touched,
                locks=locks,
            )
        except Undecided as open_question:
            question = open_question
        confirmed |= await _settle(services, integration_id, question, until)
    raise Waiting  # others speak for it in the meantime, again and again


@asynccontextmanager
async def _answered(until: float) -> AsyncIterator[None]:
    """Raise Waiting if GitHub has not answered by then."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError:
        raise Waiting from None


async def _settle(
    services: Services, integration_id: str, question: Undecided, until: float
) -> Set[tuple[str, int]]:
    """Ask GitHub, and keep what it says; return which names and ids it says belong together.

    Raises NotAllowed, Waiting.
    """
    confirmed = set()
    if isinstance(question, Unconfirmed):
        integration = await services.integration(integration_id)
        if integration is None:
            raise NotAllowed
        async with _answered(until):
            is_so = await services.shared(Names).confirm(integration, question)
        if not is_so:
            raise NotAllowed
        confirmed.add((question.full_name.lower(), question.github_id))
    async with _answered(until):
        answers = await services.shared(Rights).ask(tuple(question.claims))
    if answers:
        await services.database.write(
            lambda tx: speaking.settle(tx, answers), heavy=True, locks=question.locks
        )
    for claim, answer in answers:
        services.shared(Denials).forget(claim.integration_id)
        if claim.integration_id != integration_id:
            continue
        if answer is Answer.NONE and claim.is_new:
            raise Waiting
        if isinstance(answer, payloads.Repository) and answer.id is not None:
            confirmed.add((answer.full_name.lower(), answer.id))
    return confirmed
