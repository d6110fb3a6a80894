"""Sees, before something is written, that a repository still has the name that is written to.

Another may have taken it, and no delivery told of that. GitHub is asked where none has lately told
of the repository under this name. https://docs.github.com/en/rest/repos/repos#get-a-repository
"""

from bot import storage as store
from bot import times
from bot.domain import naming
from bot.domain.heard import HeardNames
from bot.github import Client, Limited, Refused, payloads
from bot.services import Services

_KNOWN = 600 * times.SECOND  # how long a delivery's word counts, or GitHub's


async def confirm(
    services: Services, client: Client, row: store.Repository, wanted_at: int
) -> None:
    """Raise Refused if a repository's name is another's by now; CallFailed if GitHub cannot say.

    An old name leads to the new one for as long as nobody takes it: what is to be written waits a
    moment and goes to the new one. What has told of the name after something was `wanted_at` is
    believed: most of what is written follows from a delivery.
    """
    if row.github_id is None:
        return
    names = services.shared(HeardNames)
    told_at = names.told_at(row.host, row.github_id, row.full_name)
    if told_at >= wanted_at and abs(times.now() - told_at) < _KNOWN:
        return
    found = await ask(services, client, row)
    if found.full_name.lower() != row.name_key:
        await services.database.write(
            lambda tx: naming.confirmed(tx, row, found.full_name),
            locks=store.locks_of_repository(row.host, row.github_id, row.full_name),
        )
        raise Limited(f"{row.full_name} is called {found.full_name} by now", 1.0)
    names.heard(row.host, row.github_id, row.full_name)


async def ask(services: Services, client: Client, row: store.Repository) -> payloads.Repository:
    """Return what GitHub knows by a repository's name; Refused if that is another by now."""
    at = {"repository": row.full_name}
    found = await client.fetch(payloads.Repository, "/repos/{+repository}", at)
    await see_to_id(services, row, found.id)
    return found


async def see_to_id(services: Services, row: store.Repository, github_id: int | None) -> None:
    """Raise Refused if it is another repository that GitHub has answered of."""
    if row.github_id is not None and github_id != row.github_id:
        await lost(services, row)
        raise Refused(404, another(row))


async def lost(services: Services, row: store.Repository) -> None:
    """Keep that another repository has the name of one by now."""
    await services.database.write(
        lambda tx: store.repositories.change(tx, row.id, named_at=store.repositories.LOST),
        locks=store.locks_of_repository(row.host, row.github_id, row.full_name),
    )


def another(row: store.Repository) -> str:
    return f"{row.full_name} is another repository by now"
