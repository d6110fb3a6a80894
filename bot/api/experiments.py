"""Experiments: create, replace, change, delete, list."""

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bot import storage as store
from bot.api.models import END, LongText, Name, RepositoryName, Time, Written, shaped, text
from bot.domain.experiments import repositories_of, version
from bot.domain.keys import KEY_PATTERN
from bot.domain.warnings import words
from bot.github.names import FULL_NAME
from bot.operations import experiments
from bot.storage import ExperimentStatus as Status
from bot.web.conditions import IF_MATCH, IF_NONE_MATCH_READ, IF_NONE_MATCH_WRITE, tag
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Experiments")
PATH = "/api/v1/experiments"
Key = Annotated[
    str,
    Meta(
        pattern=f"^{KEY_PATTERN}{END}",
        description="An experiment key: a letter or digit, then up to 127 of letters, digits, "
        "`.`, `_` and `-`. Case sensitive.",
    ),
]
ShortText = Annotated[str, text(200, "Free text.")]
WebAddress = Annotated[
    str,
    Meta(
        max_length=2_000,
        pattern=r"^https?://[A-Za-z0-9.:_\[\]-]+(?:[/?#][!-~]*)?" + END,
        description="An http or https address.",
    ),
]
Tags = Annotated[list[Annotated[str, text(100, "A tag.", minimum=1)]], Meta(max_length=50)]
Aliases = Annotated[
    list[Annotated[str, Meta(pattern=f"^{KEY_PATTERN}{END}")]],
    Meta(
        max_length=20,
        description="What else the experiment is called in code. Each is written as a key is.",
    ),
]

Repositories = Annotated[
    list[RepositoryName],
    Meta(
        min_length=1,
        max_length=100,
        description="Whose commands may change it; null for all. Case does not matter. A name "
        "stands for the repository that has it when the list is stored, or else for the first one "
        "of that name whose command changes it, also after that was renamed.",
    ),
]


class ExperimentReplace(Struct, forbid_unknown_fields=True, kw_only=True):
    """All of an experiment; `key`, if given, is that of the address."""

    key: Key | UnsetType = UNSET
    name: Name
    status: Status = "draft"
    hypothesis: LongText | None = None
    description: LongText | None = None
    owner: ShortText | None = None
    url: WebAddress | None = None
    tags: Tags = []
    aliases: Aliases = []
    repositories: Repositories | None = None


class ExperimentCreate(ExperimentReplace, forbid_unknown_fields=True, kw_only=True):
    """A new experiment."""

    key: Key


class ExperimentChange(Struct, forbid_unknown_fields=True):
    """What to change of an experiment; the rest is kept."""

    name: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    hypothesis: LongText | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET
    owner: ShortText | UnsetType | None = UNSET
    url: WebAddress | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    aliases: Aliases | UnsetType = UNSET
    repositories: Repositories | UnsetType | None = UNSET


class Counts(Struct):
    """How many of each are linked; commits that a force push has replaced are not counted."""

    pull_requests: int
    issues: int
    commits: int
    code: Annotated[int, Meta(description="Lines of default branches that name it.")]


class LiveCount(Struct):
    """How far an experiment is in an environment, of whichever repositories deploy there.

    `pull_requests` of the `merged` ones are live there; the others are not, or it is not known.
    """

    environment: Written
    is_production: bool
    pull_requests: int
    merged: int


class Experiment(Struct):
    """An experiment."""

    key: str
    name: str
    status: Status
    hypothesis: str | None
    description: str | None
    owner: str | None
    url: str | None
    tags: list[str]
    aliases: list[str]
    repositories: list[str] | None
    created_at: Time
    updated_at: Time
    counts: Counts
    live: Annotated[
        list[LiveCount],
        Meta(
            description="Production first, 8 environments at most: those of the repositories "
            "where pull requests of its are merged. Empty where nothing is deployed."
        ),
    ]

    warnings: Annotated[
        list[str],
        Meta(
            description="For people, where this very request has started it, of what is merged and "
            "not live in production, or completed it, of what is still open; else empty."
        ),
    ]


class ExperimentQuery(Paged, forbid_unknown_fields=True):
    status: Annotated[
        tuple[Status, ...], Meta(description="Given several times: one of these.")
    ] = ()
    q: (
        Annotated[
            str,
            text(
                200,
                "Words, each of which is a part of the key, name, owner or a tag; case does not "
                "matter.",
            ),
        ]
        | None
    ) = None
    owner: Annotated[str, text(200, "Exactly this owner.", minimum=1)] | None = None
    tag: Annotated[str, text(100, "Exactly this tag.", minimum=1)] | None = None
    repository: (
        Annotated[
            str,
            Meta(pattern=FULL_NAME, description="`owner/name`: something there is linked to it."),
        ]
        | None
    ) = None
    has_open: (
        Annotated[
            Literal["true", "false"], Meta(description="Whether a pull request of its is open.")
        ]
        | None
    ) = None
    sort: Annotated[
        Literal["created", "activity", "open", "last_merged"],
        Meta(
            description="`created`: the newest first. `activity`: what was heard of last. `open`: "
            "most open pull requests. `last_merged`: the one with the pull request that was merged "
            "last; those without any at the end."
        ),
    ] = "created"

    def wanted(self) -> store.experiments.Wanted:
        """Return what is asked for."""
        return store.experiments.Wanted(
            statuses=tuple(dict.fromkeys(self.status)),
            words=store.experiments.words_of(self.q),
            owner=self.owner,
            tag=self.tag,
            repository=self.repository,
            has_open={None: None, "true": True, "false": False}[self.has_open],
        )


@operations.add(
    "POST",
    PATH,
    role="developer",
    summary="Create an experiment",
    body=ExperimentCreate,
    answers={201: Experiment},
    problems=(409,),
    tagged=True,
)
async def create(call: Call) -> Any:
    """Links that were waiting for its key belong to it at once. 409 if the key exists."""
    return 201, _tagged(call, await experiments.create(call.services, call.actor, call.values))


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List experiments",
    query=ExperimentQuery,
    answers={200: Page[Experiment]},
)
async def list_all(call: Call) -> Any:
    """The newest first, unless `sort` says otherwise; those that meet all that is given."""
    query: ExperimentQuery = call.query
    wanted, sort = query.wanted(), query.sort

    def job(tx: store.Transaction, *part: Any) -> store.Part[Any]:
        rows = store.experiments.listed(tx, wanted, sort, *part)
        keys = [row.key for row in rows]
        live, code = store.live.of_experiments(tx, keys), store.code_references.counts(tx, keys)
        shown = [
            experiments.Shown(row, live.get(row.key, ()), code.get(row.key, 0)) for row in rows
        ]
        return store.Part(shown, rows.next)

    order = "" if sort == "created" else f" {sort}"
    return await call.page(len(store.experiments.SORTS[sort]), job, _experiment, order)


@operations.add(
    "GET",
    f"{PATH}/{{key}}",
    role="viewer",
    summary="Get an experiment",
    answers={200: Experiment, 304: None},
    tagged=True,
    headers=IF_NONE_MATCH_READ,
)
async def get(call: Call) -> Any:
    """One experiment with counts of what is linked to it."""
    found = _tagged(call, await experiments.get(call.services, call.path("key")))
    return (304, None) if call.conditions.is_known(call.headers["ETag"]) else found


@operations.add(
    "PUT",
    f"{PATH}/{{key}}",
    role="developer",
    summary="Create or replace an experiment",
    body=ExperimentReplace,
    answers={200: Experiment, 201: Experiment},
    tagged=True,
    headers=IF_MATCH | IF_NONE_MATCH_WRITE,
)
async def put(call: Call) -> Any:
    """201 if it is new, 200 if it was replaced; what the body leaves out gets its default."""
    shown, is_new = await experiments.replace(
        call.services, call.actor, call.path("key"), call.values, _condition(call)
    )
    return 201 if is_new else 200, _tagged(call, shown)


@operations.add(
    "PATCH",
    f"{PATH}/{{key}}",
    role="developer",
    summary="Change an experiment",
    body=ExperimentChange,
    answers={200: Experiment},
    tagged=True,
    headers=IF_MATCH,
)
async def patch(call: Call) -> Any:
    """Changes what is sent. A change of status shows in the feed."""
    shown = await experiments.change(
        call.services, call.actor, call.path("key"), call.values, _condition(call)
    )
    return _tagged(call, shown)


@operations.add(
    "DELETE",
    f"{PATH}/{{key}}",
    role="admin",
    summary="Delete an experiment",
    answers={204: None},
    headers=IF_MATCH,
)
async def delete(call: Call) -> Any:
    """Its links stay, as unresolved ones, and so does its feed."""
    await experiments.delete(call.services, call.actor, call.path("key"), _condition(call))
    return 204, None


def _condition(call: Call) -> experiments.Condition:
    """Return what raises if the headers of a request tell not to carry it out."""
    return lambda row: call.conditions.check(version(row) if row is not None else None)


def _tagged(call: Call, shown: experiments.Shown) -> Experiment:
    """Return an experiment, and put its ETag on the answer."""
    row = shown.row
    counts = f"{row.pull_request_count}.{row.issue_count}.{row.commit_count}.{shown.code}"
    live = hashlib.sha256(msgspec.json.encode(shown.live)).hexdigest()[:12] if shown.live else "0"
    call.headers["ETag"] = tag(version(row), f"{counts}.{live}")
    return _experiment(shown)


def _experiment(shown: experiments.Shown) -> Experiment:
    row = shown.row
    return shaped(
        Experiment,
        row,
        counts=Counts(row.pull_request_count, row.issue_count, row.commit_count, shown.code),
        repositories=repositories_of(row),
        live=[shaped(LiveCount, one) for one in shown.live],
        warnings=[words(one) for one in shown.warnings],
    )
