"""Works the queues of actions off: leased to one process at a time, in order, politely.

A queue belongs to one credential (a token, or an installation of an App), so leasing it is what
keeps writes one at a time. Whoever holds it begins an action by marking it `running` with one more
attempt, which is durable before GitHub is called: an action that is found with attempts may have
been done. A process that dies lets its lease run out, and another one goes on.
"""

import asyncio
import functools
from dataclasses import dataclass
from typing import Any

import structlog

from bot import storage as store
from bot import times
from bot.domain import actions, commands, installations, repositories
from bot.domain.integrations import Integration
from bot.github import CallFailed, Client, Limited, NotListed, Refused, Shut, Temporary
from bot.github.client import CALL_SECONDS
from bot.github.limits import MANY_WAITING, Pace, creates_content
from bot.log import logger
from bot.outbox import RUNNERS, owner
from bot.outbox.job import Job
from bot.services import Services

LEASE = 20 * times.SECOND
# A write begins only while this much of the lease is left: its call ends within it.
_NEEDED = round((CALL_SECONDS + 2) * times.SECOND)
_AT_ONCE = 16  # queues that one process works off side by side
_LONGEST_NAP = 2.0  # seconds that an action waits for its turn within itself
_LONGEST_SLEEP = 5.0  # seconds between looks, for what another process may have left
_SHORTEST_SLEEP = 0.02
_FIRST_PAUSE, _LONGEST_PAUSE = 2 * times.SECOND, 300 * times.SECOND
_OUTAGE = 3  # failures in a row
_BARE_LIMIT = 60.0  # seconds, where GitHub does not say how long a limit lasts
_LONGEST_LIMIT = 3600 * times.SECOND
_PARKED = 600 * times.SECOND  # between looks at an integration that must not be called


class _LeaseLost(Exception):
    """Another process has taken the queue."""


@dataclass(slots=True)
class _Held:
    """A queue that this process holds. Times in microseconds."""

    name: str
    leased_until: int
    failures: int
    pace: Pace
    not_before: int = 0


class Outbox:
    """Runs actions until told to stop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._owner = owner.name()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._is_new = True

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            sleep = _LONGEST_SLEEP
            # From before the look, so that no commit goes unnoticed between look and wait.
            commit = asyncio.create_task(self._services.database.wait_for_commit(sleep))
            await asyncio.sleep(0)
            try:
                sleep = await self._look()
            except store.StorageUnavailable as error:
                logger.warning("storage unavailable", reason=str(error))
            except Exception:  # a fault in one round must not end all later ones
                logger.exception("the outbox failed")
            await asyncio.wait({commit}, timeout=sleep)
            commit.cancel()
            await asyncio.sleep(_SHORTEST_SLEEP)

    async def work_off(self) -> None:
        """Carry out everything that is due now, and return."""
        while True:
            await self._look()
            if not self._tasks:
                return
            await asyncio.gather(*self._tasks.values())

    async def stop(self, seconds: float) -> None:
        """Let actions in hand come to their end for some seconds, then give their queues back."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self) -> float:
        """Take on the queues that are due; return after how many seconds to look again."""
        if self._is_new:
            await self._services.database.write(self._inherit)
            self._is_new = False
        now = times.now()

        def due(tx: store.Transaction) -> tuple[list[str], int | None]:
            return store.actions.due_queues(tx, now, _AT_ONCE), store.actions.next_due(tx)

        queues, next_due = await self._services.database.read(due)
        for queue in queues:
            if queue not in self._tasks and len(self._tasks) < _AT_ONCE and not self._stopping:
                task = self._tasks[queue] = asyncio.create_task(self._serve(queue))
                task.add_done_callback(functools.partial(self._forget, queue))
        if next_due is None:
            return _LONGEST_SLEEP
        seconds = (next_due - times.now()) / times.SECOND
        return min(max(seconds, 0.05), _LONGEST_SLEEP)

    def _forget(self, queue: str, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(queue, None)

    async def _serve(self, queue: str) -> None:
        """Work off one queue as long as something in it is due."""
        held = None
        try:
            held = await self._services.database.write(lambda tx: self._claim(tx, queue))
            while held is not None and not self._stopping:
                action = await self._services.database.write(
                    lambda tx, held=held: self._begin(tx, held)  # type: ignore[misc]
                )
                if action is None:
                    return
                with structlog.contextvars.bound_contextvars(action=action.id):
                    await self._carry_out(held, action)
        except _LeaseLost:
            logger.warning("lease lost", queue=queue)
        except store.StorageUnavailable as error:
            logger.warning("storage unavailable", reason=str(error))
        except Exception:
            logger.exception("the outbox failed", queue=queue)
            if held is not None:  # not at once again
                held.not_before = times.now() + _FIRST_PAUSE
        finally:
            if held is not None:
                await self._give_back(held)

    def _inherit(self, tx: store.Transaction) -> None:
        """Free the queues of processes that have died on this machine: it was perhaps our own.

        What they had in hand is tried again when no call of theirs can be under way any more. What
        waited for another list of GITHUB_API_URLS is tried now, if that is what this one has.
        """
        now = times.now()
        for api_url in self._services.settings.github_api_urls:
            store.actions.hasten_kept(tx, str(NotListed(api_url)), now)
        for queue in store.actions.leased_queues(tx, now):
            if queue.owner is not None and owner.is_dead(queue.owner):
                for action in store.actions.running_in(tx, queue.queue):
                    _put_back(tx, action, now + _NEEDED, action.last_error)
                store.actions.release(tx, queue.queue, queue.owner)
                store.actions.wake(tx, queue.queue, now)

    def _claim(self, tx: store.Transaction, queue: str) -> _Held | None:
        now = times.now()
        row = store.actions.claim(tx, queue, self._owner, now, now + LEASE)
        if row is None:
            return None
        # What is still running here was left by a process that died.
        for action in store.actions.running_in(tx, queue):
            _put_back(tx, action, now, action.last_error)
        return _Held(queue, now + LEASE, row.failures, Pace(row.writes))

    def _begin(self, tx: store.Transaction, held: _Held) -> store.ListedAction | None:
        """Mark the next action as running; None if nothing is due or the queue has to wait."""
        now = times.now()
        if now < held.not_before:
            return None
        if not store.actions.renew(tx, held.name, self._owner, now + LEASE):
            raise _LeaseLost
        held.leased_until = now + LEASE
        action = store.actions.head(tx, held.name, now)
        if action is None:
            return None
        waiting = store.actions.waiting(tx, held.name, now, MANY_WAITING + 1)
        held.pace.many_waiting = waiting > MANY_WAITING
        attempts = action.attempts + 1
        store.actions.change(tx, action.id, status="running", attempts=attempts, aside=False)
        return action

    async def _give_back(self, held: _Held) -> None:
        """Release a queue, with the pause that it needs and the time of its next action."""

        def job(tx: store.Transaction) -> None:
            if not store.actions.renew(tx, held.name, self._owner, held.leased_until):
                return
            for action in store.actions.running_in(tx, held.name):
                _put_back(tx, action, times.now(), action.last_error)
            store.actions.change_queue(
                tx,
                held.name,
                self._owner,
                not_before=held.not_before,
                due_at=store.actions.earliest(tx, held.name),
                failures=held.failures,
                writes=held.pace.writes,
            )
            store.actions.release(tx, held.name, self._owner)

        try:
            await asyncio.shield(self._services.database.write(job))
        except store.StorageUnavailable as error:  # the lease runs out by itself
            logger.warning("queue not given back", queue=held.name, reason=str(error))

    async def _carry_out(self, held: _Held, action: store.ListedAction) -> None:
        """Run one action and keep what became of it."""
        attempt = action.attempts + 1
        result: dict[str, Any] = {}
        failure: CallFailed | None = None
        doubts: list[Refused] = []
        try:
            job = await self._job(held, action, attempt)
            if job is None:
                return
            doubts = job.doubts
            result = await RUNNERS[action.kind](job)
        except CallFailed as error:
            failure = error
        except (_LeaseLost, store.StorageUnavailable):
            raise
        except Exception as error:
            logger.exception("an action failed", kind=action.kind)
            failure = Temporary(f"the bot failed: {type(error).__name__}")
        await self._services.database.write(
            lambda tx: self._finish(tx, held, action, attempt, result, failure, doubts)
        )
        outcome = "done" if failure is None else type(failure).__name__.lower()
        self._services.metrics.actions.labels(action.kind, outcome).inc()
        logger.info(
            "action",
            kind=action.kind,
            outcome=outcome,
            attempt=attempt,
            repository=action.repository,
            number=action.number,
            integration=action.integration_id,
            reason=str(failure) if failure else None,
        )

    async def _job(self, held: _Held, action: store.ListedAction, attempt: int) -> Job | None:
        """Return what the action runs with; None if it has to wait. Raises CallFailed."""
        integration = await self._services.integration(action.integration_id, fresh=True)
        if integration is None:
            raise Refused(404, "the integration was deleted")
        if not await self._is_allowed(integration, action):
            raise Refused(403, "the integration does not allow this repository")
        if integration.api_url not in self._services.settings.github_api_urls:
            raise NotListed(integration.api_url)
        wait = await self._reason_to_wait(integration, action.installation_id)
        if wait is not None and action.kind == actions.COMMANDS:
            raise Refused(403, wait)  # nobody expects it to run days later
        if wait is not None:
            await self._services.database.write(lambda tx: self._park(tx, action, wait))
            return None
        client = await self._client(integration, action)
        client.before_write = lambda method, path: self._before_write(held, client, method, path)
        return Job(
            services=self._services,
            integration=integration,
            client=client,
            id=action.id,
            repository=action.repository,
            repository_id=action.repository_id,
            item_id=action.item_id,
            number=action.number,
            request=action.request,
            attempt=attempt,
            is_news=actions.look_again(action, times.now()) is not None,
        )

    async def _is_allowed(self, integration: Integration, action: store.ListedAction) -> bool:
        def job(tx: store.Transaction) -> bool:
            repository = store.facts.get_repository(tx, action.repository_id)
            return repositories.allows(tx, integration.scope, repository)

        return integration.repositories is None or await self._services.database.read(job)

    async def _reason_to_wait(
        self, integration: Integration, installation_id: int | None
    ) -> str | None:
        if not integration.is_active:
            return "the integration is not active"
        if installation_id is None:
            return None
        state = await self._services.database.read(
            lambda tx: installations.cannot_act(tx, integration.id, installation_id)
        )
        if state == "removed":
            raise Refused(404, "the App is no longer installed there: install it again")
        return f"installation {installation_id} is suspended" if state else None

    async def _client(self, integration: Integration, action: store.ListedAction) -> Client:
        """Return who acts. An installation that no delivery has told of is asked for."""
        github = self._services.github
        installation_id = action.installation_id
        if integration.token is None and installation_id is None:
            installation_id = await github.installation_of(
                integration.credentials, action.repository
            )
            await self._services.database.write(
                lambda tx: installations.observe_repository(
                    tx, integration.id, action.repository_id, installation_id
                )
            )
        return github.client(integration.credentials, installation_id)

    async def _before_write(self, held: _Held, client: Client, method: str, path: str) -> None:
        """Wait for the turn of a write, and make sure that the queue is still ours."""
        content = creates_content(method, path)
        wait = held.pace.wait(times.now() / times.SECOND, content=content)
        if wait > _LONGEST_NAP:
            raise Limited("GitHub's limit on content is used up for now", wait)
        if wait > 0:
            await times.sleep(wait)
        now = times.now()
        if held.leased_until - now < _NEEDED:
            until = now + LEASE
            if not await self._services.database.write(
                lambda tx: store.actions.renew(tx, held.name, self._owner, until)
            ):
                raise _LeaseLost
            held.leased_until = until
        held.pace.wrote(times.now() / times.SECOND, content=content)
        left = held.pace.left(now / times.SECOND)
        for window, count in zip(("minute", "hour"), left, strict=True):
            self._services.metrics.content_remaining.labels(client.label, window).set(count)

    def _finish(
        self,
        tx: store.Transaction,
        held: _Held,
        action: store.ListedAction,
        attempt: int,
        result: dict[str, Any],
        failure: CallFailed | None,
        doubts: list[Refused],
    ) -> None:
        now = times.now()
        writes = held.pace.writes
        if not store.actions.change_queue(tx, held.name, self._owner, writes=writes):
            raise _LeaseLost
        if failure is None:
            if held.failures >= _OUTAGE:  # GitHub is back: what failed meanwhile waits no longer
                store.actions.hasten(tx, held.name, now)
            held.failures = 0
            store.integrations.clear_last_error(tx, action.integration_id, _where(action))
        current = store.actions.find(tx, action.id)
        if current is None or current.status != "running":
            pass  # its own delivery, or the deletion of its integration, has settled it meanwhile
        elif failure is None:
            _succeeded(tx, action, result, doubts, now)
        elif isinstance(failure, NotListed):
            self._park(tx, action, str(failure))
        elif isinstance(failure, Refused):
            _refused(tx, action, attempt, failure, now)
        elif isinstance(failure, Limited):
            held.failures += 1
            seconds = failure.seconds
            if seconds is None:
                seconds = _BARE_LIMIT * 2 ** min(held.failures - 1, 6)
            held.not_before = now + min(round(seconds * times.SECOND), _LONGEST_LIMIT)
            # Nothing took effect, so it does not count.
            store.actions.change(tx, action.id, attempts=action.attempts)
            _put_back(tx, action, held.not_before, str(failure))
        elif now >= current.give_up_at:
            _give_up(tx, action, str(failure))
        else:
            held.failures += 1
            pause = min(_FIRST_PAUSE * 2 ** min(held.failures - 1, 20), _LONGEST_PAUSE)
            held.not_before = now + actions.jittered(pause)
            _put_back(tx, action, now + actions.backoff(attempt), str(failure))
        actions.wake_lane(tx, action.lane, now)

    def _park(self, tx: store.Transaction, action: store.ListedAction, reason: str) -> None:
        """Let an action wait for something that people do, without an attempt."""
        now = times.now()
        store.actions.change(tx, action.id, attempts=action.attempts)
        if now >= action.give_up_at:
            _give_up(tx, action, reason)
        else:
            _put_back(tx, action, now + _PARKED, reason)


def _succeeded(
    tx: store.Transaction,
    action: store.ListedAction,
    result: dict[str, Any],
    doubts: list[Refused],
    now: int,
) -> None:
    """All is done, or all but what GitHub may yet know; nothing has to wait for that."""
    again = actions.look_again(action, now) if doubts else None
    if again is None:
        _settle(tx, action, "done", None, result)
    else:
        _put_back(tx, action, again, str(doubts[0]), aside=True)


def _refused(
    tx: store.Transaction, action: store.ListedAction, attempt: int, failure: Refused, now: int
) -> None:
    """GitHub says no: that stands, unless it does not know yet, or people may think again.

    What is tried again waits by itself: GitHub is well, so nothing else has to wait. But commands
    are carried out in their order.
    """
    again = actions.look_again(action, now) if failure.lags else None
    if again is not None:
        is_aside = action.kind != actions.COMMANDS
        _put_back(tx, action, again, str(failure), aside=is_aside)
    elif isinstance(failure, Shut) and now < action.give_up_at:
        at = now + max(actions.backoff(attempt), _PARKED)
        _put_back(tx, action, at, str(failure), aside=True)
    elif isinstance(failure, Shut):
        _give_up(tx, action, str(failure))
    else:
        _settle(tx, action, "failed", str(failure), {"status": failure.status})
        _tell(tx, action, str(failure))


def _give_up(tx: store.Transaction, action: store.ListedAction, reason: str) -> None:
    message = f"given up after three days: {reason}"
    _settle(tx, action, "failed", message, {})
    _tell(tx, action, message)


def _put_back(
    tx: store.Transaction,
    action: store.Action,
    at: int,
    error: str | None,
    *,
    aside: bool = False,
) -> None:
    """Let an action be tried at a time, unless another has come to stand for it meanwhile.

    With `aside` others of its lane do not wait for it.
    """
    newer = actions.superseding(tx, action)
    if newer is None:
        store.actions.change(
            tx,
            action.id,
            status="pending",
            next_attempt_at=at,
            last_error=error,
            aside=aside,
        )
        return
    # The newer one is told that something may have been done already, and does all that was asked.
    asked = {**action.request, **newer.request}
    store.actions.change(
        tx,
        newer.id,
        attempts=newer.attempts + max(action.attempts, 1),
        next_attempt_at=max(newer.next_attempt_at or at, at),
        request=asked,
    )
    _settle(tx, action, "done", error, {"superseded_by": newer.id})


def _settle(
    tx: store.Transaction,
    action: store.Action,
    status: str,
    error: str | None,
    result: dict[str, Any],
) -> None:
    store.actions.change(
        tx,
        action.id,
        status=status,
        last_error=error,
        result=result or None,
        next_attempt_at=None,
        finished_at=times.now(),
    )
    if status == "failed" and action.kind == actions.COMMANDS:
        commands.comment_failed(tx, action.request["comment_row"], error or "")
    elif status == "failed":
        commands.action_ended(tx, action.request, error, "")


def _where(action: store.ListedAction) -> str:
    return f"{action.kind} in {action.repository}"


def _tell(tx: store.Transaction, action: store.ListedAction, message: str) -> None:
    number = f"#{action.number}" if action.number else ""
    store.integrations.set_last_error(
        tx, action.integration_id, f"{_where(action)}{number}: {message}"
    )
