"""`rules`: reads `.github/experiments.yml` of a repository, else that of its owner's `.github`.

What the credential cannot reach counts as absent. Whatever is written in a repository waits until
its file has been read once, so that nothing is said where it wants silence.
https://docs.github.com/en/rest/repos/contents#get-repository-content
https://docs.github.com/en/communities/setting-up-your-project-for-healthy-contributions/creating-a-default-community-health-file
"""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.code import experiments_yml
from bot.code.experiments_yml import Settings
from bot.code.yaml_nodes import MOST_BYTES, TOO_LARGE, UNREADABLE, Problem
from bot.domain import actions, rules, rules_reading
from bot.domain.allowed import Scope
from bot.domain.integrations import Integration
from bot.domain.naming import owner_of
from bot.domain.rules_reading import OF_OWNER, RULES, Found, Request
from bot.github import CallFailed, Client, NotListed, NoToken, Refused, Temporary, files, payloads
from bot.github.client import TooLarge
from bot.github.files import File
from bot.outbox import identity
from bot.outbox.registry import Job, carries_out
from bot.services import Services

_CONTENTS = f"/repos/{{+repository}}/contents/{experiments_yml.PATH}"
_REPOSITORY = "/repos/{+repository}"
_UNKNOWN = 401  # it is the credential that GitHub does not know, whatever is asked for
_PATIENCE = 2  # attempts for which what is to be written waits for the file


@carries_out(RULES)
async def run(job: Job) -> dict[str, Any]:
    request = msgspec.convert(dict(job.action.request), Request)
    repository_id = job.action.repository_id
    who = job.integration.id, repository_id
    if request.owner:
        return {"repositories": await job.write(rules_reading.take_step, *who, request.after)}
    if job.integration.code != "on":
        return {"read": False}
    row = await job.read(store.repositories.get, repository_id)
    found = await _read(job.client, row, job.integration.scope)
    if found.source == "own":  # or is it of another, which has taken the name?
        wanted_at = job.action.news_at or job.action.created_at
        await identity.confirm(job.services, job.client, row, wanted_at)
    is_another = await job.write(rules_reading.keep, *who, found, request)
    return {"source": found.source, "problems": len(found.problems), "changed": is_another}


async def bounded(
    services: Services,
    client: Client,
    integration: Integration,
    repository: store.Repository,
    known: store.RepositoryRules | None,
    action: store.Action,
) -> Integration:
    """Return an integration with the settings that hold in a repository for an action.

    Raises CallFailed. A file that GitHub has trouble with again and again is waited for no longer.
    """
    kind = actions.KINDS[action.kind]
    if kind is RULES:
        return integration
    if kind.follows_rules and integration.code == "on" and (known is None or known.is_stale):
        try:
            known = await _seen_to(services, client, integration, repository, known)
        except Temporary:
            if action.attempts < _PATIENCE:
                raise
    found = rules.within(integration, known)
    names = ("comments", "label", "check", "code", "cleanup")
    return replace(integration, **{name: getattr(found, name) for name in names})


async def _seen_to(
    services: Services,
    client: Client,
    integration: Integration,
    repository: store.Repository,
    known: store.RepositoryRules | None,
) -> store.RepositoryRules | None:
    """Return what the file says, which is read now, since it was not yet or may be another.

    Raises CallFailed where it was never read and cannot be.
    """
    try:
        found = await _read(client, repository, integration.scope)
        if found.source == "own":
            await identity.confirm(services, client, repository, 0)
    except CallFailed:
        if known is None:
            raise
        return known
    request = Request(pushed=known is not None, look=0)

    def keep(tx: store.Transaction) -> store.RepositoryRules | None:
        rules_reading.keep(tx, integration.id, repository.id, found, request)
        return store.rules.find(tx, repository.id)

    row = repository
    locks = store.locks_of_repository(row.host, row.github_id, row.full_name)
    return await services.database.write(keep, locks=locks)


async def _read(client: Client, row: store.Repository, scope: Scope) -> Found:
    """Read the file that counts in a repository; raises CallFailed."""
    begun_at = times.now()
    own = await _file(client, row.full_name)
    if own is not None:
        return await _found(begun_at, "own", own)
    owner, _, name = row.full_name.partition("/")
    if name.lower() == OF_OWNER or not _names(scope, owner):
        return Found(begun_at=begun_at)
    of_owner = await _file(client, f"{owner}/{OF_OWNER}")
    if of_owner is None or not await _is_of(client, row):
        return Found(begun_at=begun_at)
    return await _found(begun_at, "owner", of_owner)


def _names(scope: Scope, owner: str) -> bool:
    """Tell whether an entry of the allow-list names an owner, if there is a list."""
    entries = scope.entries
    return entries is None or any(owner_of(one) == owner.lower() for one in entries)


async def _is_of(client: Client, row: store.Repository) -> bool:
    """Tell whether the `.github` repository that GitHub knows by that name is the same owner's.

    An address leads on to where a repository was transferred, and a login that somebody gave up may
    be another's by now.
    """
    wanted = f"{row.full_name.partition('/')[0]}/{OF_OWNER}"
    try:
        found = await client.fetch(payloads.Repository, _REPOSITORY, {"repository": wanted})
    except Refused as refusal:
        if refusal.status == _UNKNOWN:
            raise
        return False
    is_same_owner = row.owner_id is None or found.owner_id == row.owner_id
    return is_same_owner and found.full_name.lower() == wanted.lower()


async def _file(client: Client, full_name: str) -> File | None:
    """Return the file on a repository's default branch, None if it cannot be reached."""
    try:
        answer = await client.getitem(_CONTENTS, {"repository": full_name})
    except (NoToken, NotListed):  # nothing was asked for
        raise
    except Refused as refusal:
        if refusal.status == _UNKNOWN:
            raise
        return None
    if isinstance(answer, list):  # it is a folder
        return File("0", type="dir")
    try:
        return payloads.read_answer(answer, File)
    except payloads.InvalidPayload:  # it is no file
        return None


async def _found(begun_at: int, source: store.Source, file: File) -> Found:
    settings: Settings | None = None
    if file.type != "file":
        problems = [Problem(1, 1, f"{experiments_yml.PATH} is no file.")]
    else:
        try:
            content = files.content(file, MOST_BYTES)
            # Read aside: it may take a while, and others wait.
            settings, problems = await asyncio.to_thread(experiments_yml.parse, content)
        except TooLarge:
            problems = [TOO_LARGE]
        except files.Unreadable:
            problems = [UNREADABLE]
    return Found(
        begun_at=begun_at, source=source, sha=file.sha, settings=settings, problems=problems
    )
