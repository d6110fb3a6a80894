"""`/pull-requests/OWNER/REPO/NUMBER`: where the check leads: its verdict, and what to do about it.

Of a public repository everybody is shown what a stranger's pull request is told. Of any other, and
of one of which it is not known who sees it, the sign-in is asked for, whether or not there is such
a pull request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from bot import storage as store
from bot.code.yaml_nodes import Problem
from bot.dashboard import rendering
from bot.dashboard.page import Pages, Visit, redirect
from bot.domain import actions, diffs, rules, suggestions, verdicts
from bot.domain.diffs import UNREAD, Code
from bot.domain.errors import NotFound
from bot.domain.verdicts import Verdict
from bot.services import SERVICES

pages = Pages()


@dataclass(frozen=True, slots=True)
class Standing:
    """A pull request with what the check says of it, and its keys with their experiments."""

    item: store.NamedItem
    repository: store.Repository
    setting: str  # of the check: on, always, required, off
    verdict: Verdict | None
    linked: Sequence[store.KeyedExperiment]
    owners: dict[str, str | None]  # by key, where there is an experiment
    live: Sequence[store.LivePlace]  # where it is live, or was
    problems: Sequence[Problem]  # of .github/experiments.yml as it has it
    code: Code  # nothing for who may not see it
    lines: Sequence[tuple[store.DiffReference, str]]  # of its code, each with its address

    @property
    def outcome(self) -> str:
        is_passed = self.verdict and self.verdict.conclusion in ("success", "neutral")
        return "success" if is_passed else "failure"


async def for_everybody(request: web.Request) -> web.Response | None:
    """Show it without names to who is not signed in, if everybody sees the repository."""
    found = await request.config_dict[SERVICES].database.read(
        lambda tx: _standing(tx, request, is_told=False)
    )
    if found is None:
        return await _moved(request, is_public=True)
    if found.repository.visibility != "public":
        return None
    return rendering.page(request, "pull_request.html", standing=found)


@pages.get("/pull-requests/{owner}/{repo}/{number}", open_to_all=for_everybody)
async def pull_request(visit: Visit) -> web.StreamResponse:
    """Show the verdict and the experiments."""
    found = await visit.read(lambda tx: _standing(tx, visit.request, is_told=True))
    if found is None:
        moved = await _moved(visit.request)
        if moved is None:
            raise NotFound("pull request that the bot knows")
        return moved
    return visit.render("pull_request.html", standing=found)


async def _moved(request: web.Request, *, is_public: bool = False) -> web.Response | None:
    """Lead on from a name that the repository had when the check was set; None if none had it."""
    services, path = request.config_dict[SERVICES], request.match_info
    old = f"{path['owner']}/{path['repo']}"
    found = await services.database.read(lambda tx: store.repositories.formerly(tx, old))
    if found is None or (is_public and found.visibility != "public"):
        return None
    return redirect(services, f"/pull-requests/{found.full_name}/{path['number']}")


def _standing(tx: store.Transaction, request: web.Request, *, is_told: bool) -> Standing | None:
    path = request.match_info
    item = store.items.by_name(
        tx, f"{path['owner']}/{path['repo']}", "pull_request", int(path["number"])
    )
    if item is None:
        return None
    integration = actions.acting(tx, item, None)
    setting = "off"
    if integration is not None:
        setting = rules.effective(tx, integration, item.repository_id).check
    problems = rules.problems_at(tx, item)
    code = diffs.code_of(tx, item) if is_told else UNREAD
    repository = store.repositories.get(tx, item.repository_id)
    linked = store.links.of_targets_with_experiments(tx, "pull_request", item.id)
    keys = [link.experiment_key for link in linked] if is_told else []
    found = {key: store.experiments.find(tx, key) for key in keys}
    return Standing(
        item,
        repository,
        setting,
        verdicts.verdict_of(
            partial(suggestions.close_keys, tx),
            linked,
            setting,
            is_told=is_told,
            problems=problems,
            code=code,
        ),
        linked,
        {key: one.owner for key, one in found.items() if one},
        store.live.history(tx, item.id) if is_told and item.state == "merged" else (),
        problems,
        code,
        [(one, diffs.address_of(repository, item, code, one)) for one in code.references],
    )
