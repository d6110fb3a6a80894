"""Which repositories of the allow-list are reached, or how many where it names none."""

from collections.abc import Sequence

from bot.doctor.examination import (
    PAGE,
    Examination,
    Installation,
    Repositories,
    Repository,
    Stage,
    look,
)
from bot.doctor.findings import number, shown, some
from bot.github import Client, Refused

_LOOKED_AT = 20  # of the allow-list, one by one
_INSTALLATIONS = 10  # whose repositories are counted
_PAGES = 3


@look(Stage.REPOSITORIES, "repositories")
async def repositories(exam: Examination) -> None:
    await _listed(exam)
    wildcards = [one for one in exam.integration.repositories or () if one not in exam.named]
    if wildcards or not exam.named:
        await _counted(exam, wildcards)


async def _listed(exam: Examination) -> None:
    """Look at those that the allow-list names; refusals of the same kind are told together."""
    refusals: dict[tuple[str, str], list[str]] = {}
    for name in exam.named[:_LOOKED_AT]:
        try:
            client = await _client_of(exam, name)
            path = "/repos/{+repository}"
            found = await exam.ask(Repository, path, repository=name, client=client)
        except Refused as error:
            exam.not_reached.add(name)
            refusals.setdefault((str(error), _how_to_reach(exam)), []).append(name)
        else:
            exam.reached.append(found)
            _state(exam, name, found)
    for (reason, remedy), names in refusals.items():
        exam.problem(f"Not reached: {', '.join(names)}. GitHub says {reason}.", remedy)
    if exam.reached:
        left = len(exam.named) - _LOOKED_AT
        rest = f" The other {left} of the allow-list were not looked at." if left > 0 else ""
        exam.ok(f"It reaches {some([one.full_name for one in exam.reached])}.{rest}")


async def _counted(exam: Examination, wildcards: Sequence[str]) -> None:
    """Count what is reached where the allow-list does not name it."""
    if exam.credential == "token":
        clients = [exam.client()]
        is_all = True
    elif exam.in_force:
        clients = [exam.client(one) for one in exam.in_force[:_INSTALLATIONS]]
        is_all = len(exam.in_force) <= _INSTALLATIONS
    else:
        return  # there is a finding about it
    found: list[Repository] = []
    for client in clients:
        page, is_complete = await _list(exam, client)
        found += [one for one in page if exam.allows(one.full_name)]
        is_all = is_all and is_complete
    for pattern in wildcards:
        owner = pattern.removesuffix("*").lower()
        if is_all and not any(one.full_name.lower().startswith(owner) for one in found):
            exam.warning(f"No repository that it reaches fits {pattern}.", _how_to_reach(exam))
    if found:
        more = "" if is_all else "more than "
        count = number(len(found), "repository", "repositories")
        exam.ok(f"It reaches {more}{count}: {some([one.full_name for one in found])}.")
        exam.reached += found
    elif is_all and not wildcards:
        exam.problem("It reaches no repository.", _how_to_reach(exam))


async def _list(exam: Examination, client: Client) -> tuple[list[Repository], bool]:
    """Return repositories that a client reaches, and whether these are all."""
    found: list[Repository] = []
    for page_number in range(1, _PAGES + 1):
        query = f"?per_page={PAGE}&page={page_number}"
        if exam.is_personal:
            page = await exam.ask(list[Repository], f"/user/repos{query}", client=client)
        else:
            path = f"/installation/repositories{query}"
            page = (await exam.ask(Repositories, path, client=client)).repositories
        found += page
        if len(page) < PAGE:
            return found, True
    return found, False


async def _client_of(exam: Examination, repository: str) -> Client:
    """Return the client that acts in a repository; raises CallFailed."""
    if exam.credential == "token":
        return exam.client()
    path = "/repos/{+repository}/installation"
    try:
        return exam.client((await exam.ask(Installation, path, repository=repository)).id)
    except Refused as error:
        if error.status != 404:
            raise
        raise Refused(404, "the App is not installed there") from None


def _how_to_reach(exam: Examination) -> str:
    if any("X-GitHub-SSO" in one.headers for one in exam.clients.values()):
        return (
            "Authorize the token for the organization's single sign-on, in GitHub under "
            "Settings → Developer settings → Personal access tokens."
        )
    if exam.app is not None:
        return f"Check the names, and install the App there: {shown(exam.app.html_url)}"
    return {
        "classic": f"Check the names, and give {exam.who} access; private repositories need "
        "the scope `repo`.",
        "fine-grained": "Check the names, and choose these repositories for the token in GitHub. "
        "It serves one owner, whom it was made for as its resource owner: those of another take a "
        "token, and an integration, of their own.",
    }.get(exam.kind, "Check the names, and choose these repositories for the installation.")


def _state(exam: Examination, name: str, found: Repository) -> None:
    full_name = found.full_name.lower()
    if full_name != name.lower() and full_name not in exam.held:
        exam.warning(
            f"{name} is now called {found.full_name}, and its deliveries are refused "
            "unless the allow-list has that name.",
            f"Write {found.full_name} into config.repositories.",
        )
    may_write = found.permissions is None or found.permissions.get("push")
    if found.archived:
        exam.warning(
            f"{name} is archived: nothing can be written there.",
            "Unarchive it in GitHub, or take it off config.repositories.",
        )
    elif exam.is_personal and not may_write:
        exam.warning(
            f"{exam.who} may not write in {name}: no labels and no statuses.",
            f"Give {exam.who} the role Write in {name}.",
        )
    if not found.has_issues:
        exam.warning(
            f"Issues are switched off in {name}: no tracking issue can be made there.",
            "Switch them on in the repository's settings, if you want them.",
        )
