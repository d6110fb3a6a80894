"""Finds the webhooks that bring an integration's deliveries, with as few calls as that takes.

An App has one, which leads to one integration. Of a token's those are known that deliveries have
named; whoever asks for recovery by hand has the others looked for by their address.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from bot import storage as store
from bot import times
from bot.domain import recovery
from bot.domain.integrations import scope_of
from bot.github import CallFailed, Refused, hooks, payloads
from bot.github.reach import webhook_url
from bot.outbox.registry import Job

_CONFIRMED = 86_400 * times.SECOND  # how long GitHub's word counts that a webhook leads here
_REPOSITORIES, _OWNERS = 25, 5  # that are looked through, at most
_PAGES = 3  # of the repositories that a token reaches
T = TypeVar("T", bound=Struct)
UNKNOWN = (
    "no webhook is known yet: the first delivery names it, and so does asking for recovery by hand"
)
ANOTHER = "another integration sweeps this App"
UNTOLD = "GitHub does not tell where the App's webhook leads"
_UNTOLD = (404, 410)


class _Reachable(Struct):
    repositories: list[payloads.ServedRepository]


async def find(job: Job, sweep: store.Sweep) -> Sequence[store.Trouble]:
    """See to it that the webhooks are known that are to be read; return what could not be had.

    What a search could not look at is kept with the sweep.
    """
    if job.integration.token is None:
        return await _of_app(job)
    if not sweep.searched:
        found = {"searched": True, "troubles": await _Search(job).run()}
        await job.write(store.sweeps.change, job.integration.id, **found)
    known = await job.read(store.hooks.of_integration, job.integration.id)
    note = None if known else UNKNOWN
    await job.write(store.sweeps.change, job.integration.id, note=note)
    return ()


# --- An App's


async def _of_app(job: Job) -> Sequence[store.Trouble]:
    """Look where the App's webhook leads: only who has that address reads what it delivered."""
    integration_id, app_id = job.integration.id, job.integration.app_id
    try:
        url = (await job.client.fetch(hooks.HookConfig, hooks.APP_CONFIG)).url
    except Refused as refusal:
        await job.write(store.sweeps.count, integration_id, calls=1)
        if refusal.status in _UNTOLD:  # nothing that anybody could mend
            await job.write(store.sweeps.change, integration_id, note=UNTOLD)
            return []
        return [store.Trouble("the App's webhook", refusal.reason, refusal.remedy or None)]
    if hooks.leads_to(url, integration_id):
        hook = store.Hook(integration_id, store.OF_APP, "app", app_id, "", confirmed_at=times.now())
        await job.write(_of_us, hook, job.services.settings.delivery_days)
        return []
    is_anothers = await job.read(_is_anothers, integration_id, url)
    where = webhook_url(job.services.settings.public_url, integration_id)
    note = ANOTHER if is_anothers else f"the App's webhook does not lead here: set it to {where}"
    await job.write(_of_nobody, integration_id, note)
    return []


def _of_us(tx: store.Transaction, hook: store.Hook, days: int) -> None:
    recovery.found_hook(tx, hook, days)
    store.sweeps.count(tx, hook.integration_id, calls=1)


def _of_nobody(tx: store.Transaction, integration_id: str, note: str) -> None:
    """Keep why there is nothing to read: what the webhook delivers is another's from now on."""
    for hook in store.hooks.of_integration(tx, integration_id):
        store.hooks.remove(tx, hook)
    store.sweeps.change(tx, integration_id, note=note)
    store.sweeps.count(tx, integration_id, calls=1)


def _is_anothers(tx: store.Transaction, integration_id: str, url: str | None) -> bool:
    rows = store.integrations.listed(tx, None, 1000).rows
    return any(hooks.leads_to(url, row.id) for row in rows if row.id != integration_id)


# --- A token's


async def leads_here(job: Job, hook: store.Hook, at: hooks.Place) -> bool:
    """Tell whether a webhook leads here: the header that named it is not signed.

    One that leads elsewhere is forgotten. GitHub is asked once a day. Raises CallFailed.
    """
    is_known = hook.confirmed_at is not None and hook.confirmed_at >= times.now() - _CONFIRMED
    if hook.kind == "app" or is_known:
        return True
    try:
        found = await _asked_of(job, hook, at)
    except Refused as refusal:
        if refusal.status not in (403, 404):
            raise
        await job.write(store.sweeps.count, hook.integration_id, calls=1)
        return True  # whoever reads its list says so
    is_ours = found is not None and hooks.leads_to(found.config.url, hook.integration_id)
    await job.write(_confirmed, hook, is_ours)
    return is_ours


async def _asked_of(job: Job, hook: store.Hook, at: hooks.Place) -> hooks.Hook | None:
    """Return what GitHub says of a webhook; None if an organisation has none of that id."""
    if hook.kind == "repository":
        return await job.client.fetch(hooks.Hook, f"{hooks.OF_REPOSITORY}/{hook.hook_id}", at)
    found = await job.client.getitem(f"{hooks.OF_ORGANIZATION}?per_page={hooks.PAGE}", at)
    of_it = [one for one in _rows(found, hooks.Hook) if one.id == hook.hook_id]
    return of_it[0] if of_it else None


def _confirmed(tx: store.Transaction, hook: store.Hook, is_ours: bool) -> None:
    store.sweeps.count(tx, hook.integration_id, calls=1)
    if is_ours:
        store.hooks.change(tx, hook, confirmed_at=times.now())
    else:
        store.hooks.remove(tx, hook)


async def is_gone(job: Job, hook: store.Hook, at: hooks.Place) -> bool:
    """Tell whether a webhook that GitHub does not find was deleted: others can be looked at."""
    if hook.kind == "app":
        return False
    await job.write(store.sweeps.count, hook.integration_id, calls=1)
    path = hooks.OF_REPOSITORY if hook.kind == "repository" else hooks.OF_ORGANIZATION
    try:
        found = await job.client.getitem(f"{path}?per_page={hooks.PAGE}", at)
    except Refused:
        return False
    return all(one.id != hook.hook_id for one in _rows(found, hooks.Hook))


class _Search:
    """Looks for webhooks by their address, in what is on the allow-list or may be administered.

    What a webhook is known to lead here from needs no look.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._troubles: list[store.Trouble] = []
        self._found = 0

    async def run(self) -> list[store.Trouble]:
        """Keep what is found; return what could not be looked at. Raises CallFailed."""
        entries = self._job.integration.repositories or ()
        names = [entry for entry in entries if not entry.endswith("/*")]
        known = await self._job.read(store.hooks.of_integration, self._job.integration.id)
        served = {one.target.lower() for one in known if one.reason is None}
        unserved = [name for name in names if not {name.lower(), _owner(name).lower()} & served]
        if names and not unserved:
            return []
        owners = dict.fromkeys(map(_owner, unserved or entries))
        async for repository in self._repositories(unserved):
            owners.setdefault(_owner(repository.full_name))
            await self._look(repository)
        of_owners = [await self._look_at(owner) for owner in list(owners)[:_OWNERS]]
        if not self._found:
            self._troubles += [one for one in of_owners if one is not None]
        return self._troubles

    async def _repositories(self, names: Sequence[str]) -> AsyncIterator[payloads.Repository]:
        """Yield those of some names; all that may be administered, where there is none."""
        for name in names[:_REPOSITORIES]:
            try:
                at = {"repository": name}
                yield await self._call(payloads.Repository, "/repos/{+repository}", at)
            except Refused as refusal:
                self._tell(name, refusal, refusal.remedy)
        if names:
            return
        count = 0
        async for one in self._administered():
            count += 1
            yield one
            if count == _REPOSITORIES:
                return

    async def _administered(self) -> AsyncIterator[payloads.Repository]:
        """Yield what the token may administer and the allow-list lets in."""
        row = await self._job.read(store.integrations.find, self._job.integration.id)
        if row is None:
            return
        scope = scope_of(row)
        for number in range(1, _PAGES + 1):
            page = await self._page(number)
            for one in page:
                may = one.permissions is None or one.permissions.get("admin")
                if may and scope.lists(one.full_name):
                    yield one
            if len(page) < hooks.PAGE:
                return

    async def _page(self, number: int) -> list[payloads.ServedRepository]:
        query = f"?per_page={hooks.PAGE}&page={number}"
        try:
            await self._count()
            answer = await self._job.client.getitem(f"/user/repos{query}")
            return _rows(answer, payloads.ServedRepository)
        except Refused:  # an installation's token has a list of its own
            path = f"/installation/repositories{query}"
            try:
                reachable: _Reachable = await self._call(_Reachable, path, {})
                return reachable.repositories
            except Refused as refusal:
                self._tell("the repositories of the token", refusal, refusal.remedy)
                return []

    async def _look(self, repository: payloads.Repository) -> None:
        at = {"repository": repository.full_name}
        try:
            await self._keep(hooks.OF_REPOSITORY, at, "repository", repository.id)
        except Refused as refusal:
            where = f"the webhooks of {repository.full_name}"
            self._tell(
                where, refusal, hooks.REMEDIES["repository"], hooks.PERMISSIONS["repository"]
            )

    async def _look_at(self, owner: str) -> store.Trouble | None:
        """Look at the webhooks of an owner, who may be no organisation; return why not."""
        try:
            await self._keep(hooks.OF_ORGANIZATION, {"organization": owner}, "organization", None)
        except Refused as refusal:
            remedy = hooks.REMEDIES["organization"]
            permission = hooks.PERMISSIONS["organization"]
            return store.Trouble(f"the webhooks of {owner}", refusal.reason, remedy, permission)
        return None

    async def _keep(
        self, address: str, at: dict[str, str], kind: store.HookKind, target_id: int | None
    ) -> None:
        await self._count()
        found = await self._job.client.getitem(f"{address}?per_page={hooks.PAGE}", at)
        of, now = self._job.integration.id, times.now()
        (name,) = at.values()
        for one in _rows(found, hooks.Hook):
            if hooks.leads_to(one.config.url, of):
                self._found += 1
                hook = store.Hook(of, one.id, kind, target_id, name, confirmed_at=now)
                days = self._job.services.settings.delivery_days
                await self._job.write(recovery.found_hook, hook, days)

    async def _call(self, shape: type[Any], path: str, at: dict[str, str]) -> Any:
        await self._count()
        return await self._job.client.fetch(shape, path, at)

    async def _count(self) -> None:
        await self._job.write(store.sweeps.count, self._job.integration.id, calls=1)

    def _tell(
        self, where: str, refusal: CallFailed, remedy: str, permission: str | None = None
    ) -> None:
        trouble = store.Trouble(where, refusal.reason, remedy or None, permission)
        self._troubles.append(trouble)


def _owner(full_name: str) -> str:
    return full_name.partition("/")[0]


def _rows(answer: Any, shape: type[T]) -> list[T]:
    return payloads.readable(answer if isinstance(answer, list) else (), shape)
