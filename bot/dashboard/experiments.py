"""The list of experiments, and the forms that create, edit and delete one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from aiohttp import web
from multidict import MultiMapping

from bot import storage as store
from bot import times
from bot.api.experiments import ExperimentChange, ExperimentCreate
from bot.dashboard import charts, seen
from bot.dashboard.forms import (
    MARKED,
    Refusal,
    helpful,
    listed_words,
    plain_text,
    refusal,
    with_warnings,
)
from bot.dashboard.page import Pages, Visit, address
from bot.domain.errors import Changed, Conflict, Invalid
from bot.domain.experiments import STATUSES, repositories_of, version
from bot.operations import experiments
from bot.web.problems import FieldMessage
from bot.web.validation import fit

pages = Pages()
PER_PAGE = 50
OWNERS = 500  # as many can be chosen from; the others are found by the text
WEEKS = 12
_SORT = "activity"
_RENAMED = {"newest": "created"}  # in addresses of before
_HAS_OPEN = {"true": True, "false": False}
_MOST = 500  # items of a week that a small line tells apart
_LISTS = ("tags", "aliases", "repositories")
_FIELDS = ("name", "status", "hypothesis", "description", "owner", "url", *_LISTS)
_HELP = {
    "key": "Start with a letter or digit, then use letters, digits, '.', '_' and '-'; 128 at most.",
    "name": "Enter a name of 1 to 200 characters.",
    "status": "Choose one of the statuses.",
    "owner": "Use 200 characters at most.",
    "url": "Enter a full URL that starts with http:// or https://.",
    "tags": "Use at most 50 tags, each of 1 to 100 characters.",
    "aliases": "Write each as a key, separated by commas; 20 at most.",
    "repositories": "Name each as owner/name, separated by commas; 100 at most.",
    "hypothesis": "Use 20,000 characters at most.",
    "description": "Use 20,000 characters at most.",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the list is asked for: all of it stands in the address, named as in the API."""

    status: tuple[str, ...]
    owner: str | None
    q: str | None
    tag: str | None
    repository: str | None
    has_open: str | None
    sort: str
    page: int

    @classmethod
    def of(cls, query: MultiMapping[str]) -> "Wanted":
        """Return what an address asks for; what makes no sense is as if it were not there."""
        sort, page, has_open = (query.get(name, "") for name in ("sort", "page", "has_open"))
        q, owner, tag, repository = (
            query.get(name, "").strip()[:limit] or None
            for name, limit in (("q", 200), ("owner", 200), ("tag", 100), ("repository", 201))
        )
        sort = _RENAMED.get(sort, sort)
        return cls(
            tuple(one for one in STATUSES if one in query.getall("status", [])),
            owner,
            q,
            tag,
            repository,
            has_open if has_open in _HAS_OPEN else None,
            sort if sort in store.experiments.SORTS else _SORT,
            int(page) if re.fullmatch(r"[1-9][0-9]{0,5}", page) else 1,
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.status or self.q or self.owner) or self.has_more

    @property
    def has_more(self) -> bool:
        """Tell whether something is given of what the form shows when it is opened."""
        return any((self.tag, self.repository, self.has_open))

    @property
    def rows(self) -> store.experiments.Wanted:
        return store.experiments.Wanted(
            statuses=self.status,
            words=store.experiments.words_of(self.q),
            owner=self.owner,
            tag=self.tag,
            repository=self.repository,
            has_open=_HAS_OPEN[self.has_open] if self.has_open else None,
        )

    def path(self, **other: Any) -> str:
        """Return the address of this list, or of one that differs in what is named."""
        values = {**asdict(self), "page": self.page if not other else 1, **other}
        usual = {"sort": _SORT, "page": 1}
        changed = {name: one for name, one in values.items() if usual.get(name) != one}
        return address("/experiments", **changed)


@pages.get("/experiments")
async def experiments_page(visit: Visit) -> web.StreamResponse:
    wanted, now = Wanted.of(visit.request.query), times.now()
    starts = [now + 1 - (WEEKS - number) * charts.WEEK for number in range(WEEKS + 1)]

    def job(tx: store.Transaction) -> dict[str, Any]:
        counts = store.experiments.counts_by_status(tx, wanted.rows)
        total = sum(counts.get(one, 0) for one in wanted.status or counts)
        pages = max(1, -(-total // PER_PAGE))
        page = min(wanted.page, pages)
        first = (page - 1) * PER_PAGE
        rows = store.experiments.page(tx, wanted.rows, wanted.sort, first, PER_PAGE)
        return {
            "rows": rows,
            # The small lines of the experiments in `rows`
            "lines": store.activity.weeks_of(tx, [row.key for row in rows], starts, _MOST),
            "counts": counts,
            "owners": store.experiments.owners(tx, OWNERS),
            "page": page,
            "pages": pages,
            "numbers": list(_numbers(page, pages)),
            "first": first + 1,
            "total": total,
            "are_any": bool(rows) or store.experiments.any_at_all(tx),
        }

    return visit.render(
        "experiments.html",
        wanted=wanted,
        listed=await visit.read(job),
        statuses=STATUSES,
        line=charts.line,
        most=_MOST,
    )


@pages.get("/new-experiment", role="developer")
async def new(visit: Visit) -> web.StreamResponse:
    """Not below /experiments, where it would be the page of an experiment with the key `new`."""
    return _form(visit, {"key": visit.query.get("key", ""), "status": "draft"})


@pages.post("/new-experiment", role="developer")
async def create(visit: Visit) -> web.StreamResponse:
    form = plain_text(visit.form)
    body = {"key": form.get("key", ""), **_values(form)}
    try:
        values = msgspec.to_builtins(fit(body, ExperimentCreate))
        created = await experiments.create(visit.services, visit.actor, values)
    except Conflict:
        said = FieldMessage("key", f"There already is an experiment {body['key']}.")
        exists = Refusal(422, "experiment exists", MARKED, [said])
        return _form(visit, form, exists)
    except Invalid as error:
        return _form(visit, form, refusal(error, helpful(_HELP)))
    key = created.row.key
    notice, kind = with_warnings("Created.", created.warnings)
    how = f"To link a pull request, use the line experiment_key: {key}"
    return visit.to(f"/experiments/{key}", f"{notice} {how}", kind=kind)


@pages.get("/experiments/{key}/edit", role="developer")
async def edit(visit: Visit, typed: Mapping[str, str] | None = None) -> web.StreamResponse:
    """The form; `typed` is what one had that showed what somebody else has changed since."""
    row = await _row(visit)
    if typed is None:
        return _form(visit, _as_form(row), row=row)
    values, errors = seen.merged(typed, _as_form(row))
    return _form(visit, values, seen.changed_meanwhile("this experiment", errors), row)


@pages.post("/experiments/{key}/edit", role="developer")
async def change(visit: Visit) -> web.StreamResponse:
    """Change what differs from what the form was filled with, if that is still what is there."""
    form = plain_text(visit.form)
    row = await _row(visit)
    if form.get("version", version(row)) != version(row):
        return await edit(visit, form)
    values, before = _values(form), _as_form(row)
    body = {name: values[name] for name in values if form.get(name, "") != before[name]}
    try:
        changes = msgspec.to_builtins(fit(body, ExperimentChange))
        changed = await experiments.change(
            visit.services, visit.actor, row.key, changes, seen.as_shown(form, version)
        )
    except Changed:  # just now
        return await edit(visit, form)
    except Invalid as error:
        return _form(visit, form, refusal(error, helpful(_HELP)), row)
    notice, kind = with_warnings("Saved.", changed.warnings)
    return visit.to(f"/experiments/{row.key}", notice, kind=kind)


@pages.post("/experiments/{key}/delete", role="admin")
async def delete(visit: Visit) -> web.StreamResponse:
    key = visit.path("key")
    try:
        as_shown = seen.as_shown(visit.form, version)
        await experiments.delete(visit.services, visit.actor, key, as_shown)
    except Changed:
        row = await _row(visit)
        return _form(visit, _as_form(row), seen.changed_meanwhile("this experiment"), row)
    return visit.to("/experiments", f"Deleted {key}. Its links are kept.")


def _numbers(page: int, count: int) -> Iterator[int | None]:
    """Yield the numbers of pages to link to, None for a gap."""
    last = 0
    for number in range(1, count + 1):
        if number in (1, count) or abs(number - page) <= 2:
            if number - last > 1:
                yield None
            yield number
            last = number


def _values(form: Mapping[str, str]) -> dict[str, Any]:
    """Return a form as the API takes it: what is empty is null."""
    values: dict[str, Any] = {name: form[name] or None for name in _FIELDS if name in form}
    if "name" in values:
        values["name"] = form["name"]
    for name in ("tags", "aliases"):
        if name in values:
            values[name] = listed_words(form[name])
    if "repositories" in values:
        values["repositories"] = listed_words(form["repositories"]) or None
    return values


async def _row(visit: Visit) -> store.Experiment:
    return await visit.read(lambda tx: experiments.find(tx, visit.path("key")))


def _as_form(row: store.Experiment) -> dict[str, str]:
    texts = {name: getattr(row, name) or "" for name in _FIELDS if name not in _LISTS}
    texts["tags"] = ", ".join(row.tags)
    texts["aliases"] = ", ".join(row.aliases)
    texts["repositories"] = ", ".join(repositories_of(row) or ())
    return {name: text.strip() for name, text in plain_text(texts).items()}


def _form(
    visit: Visit,
    values: Mapping[str, str],
    problem: Refusal | None = None,
    row: store.Experiment | None = None,
) -> web.Response:
    """Return the form of an experiment, or of a new one if there is no `row`."""
    return visit.render(
        "experiment_form.html",
        values={"key": "", **dict.fromkeys(_FIELDS, ""), **values},
        problem=problem,
        key=row.key if row else None,
        seen=seen.Seen.of(version(row), _as_form(row)) if row else None,
        statuses=[(one, one) for one in STATUSES],
    )
