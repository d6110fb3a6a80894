"""Where experiments stand in the code of default branches."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot import storage as store
from bot import times
from bot.api.links import EXPERIMENT, CodeUnread
from bot.api.models import Id, RepositoryName, shaped
from bot.api.repositories import PATH, Where
from bot.operations import code
from bot.web.cursors import Page, Paged, page_of, position_of
from bot.web.operations import Call, Operations

operations = Operations("Code")
_PATH = f"{PATH}/code"
Path = Annotated[str, Meta(description="The file, from the root of the repository.")]
Alias = Annotated[
    str | None, Meta(description="What is written there; null where that is the key itself.")
]
Permalink = Annotated[str, Meta(description="The line, at the commit that was read.")]


class CodeReference(Struct):
    """A line of a default branch that names an experiment."""

    repository: str
    path: Path
    line: int
    alias: Alias
    sha: Annotated[str, Meta(description="The commit that was read.")]
    html_url: Permalink


class RepositoryReference(Struct):
    """A line of a repository's default branch that names an experiment."""

    experiment_key: str
    path: Path
    line: int
    alias: Alias
    html_url: Permalink


class RepositoryCode(Struct):
    """How far a default branch was read, and a part of the lines that name experiments."""

    status: Annotated[
        code.Status,
        Meta(
            description="`read` whole as of `sha`; `partial` but for what is `unread`; `pending` "
            "until it was read once; `off` where no integration reads code."
        ),
    ]
    sha: str | None
    branch: str | None
    files: Annotated[int, Meta(description="Files that were looked at when all were read last.")]
    read_at: Annotated[str | None, Meta(description="When that was; null before.")]
    unread: list[CodeUnread]
    items: list[RepositoryReference]
    next_cursor: str | None


class ReadingOrder(Struct):
    """What was ordered; the action tells how it goes."""

    action_id: Id


class ExperimentCodeQuery(Paged, forbid_unknown_fields=True):
    repository: RepositoryName | None = None


class RepositoryCodeQuery(Paged, forbid_unknown_fields=True):
    host: Annotated[str | None, Meta(description="The web host, such as `github.com`.")] = None


@operations.add(
    "GET",
    f"{EXPERIMENT}/code",
    role="viewer",
    summary="List the code of an experiment",
    query=ExperimentCodeQuery,
    answers={200: Page[CodeReference]},
)
async def of_experiment(call: Call) -> Any:
    """The lines of default branches that name it, by repository, path and line."""
    where = call.path("key"), call.query.repository
    return await call.page(
        1, lambda tx, *part: code.of_experiment(tx, *where, *part), _of_experiment
    )


@operations.add(
    "GET",
    _PATH,
    role="viewer",
    summary="Get the code of a repository",
    query=RepositoryCodeQuery,
    answers={200: RepositoryCode},
)
async def of_repository(call: Call) -> Any:
    """How far its default branch was read, and the lines there that name experiments, by path and
    line."""
    name, query = f"{call.path('owner')}/{call.path('repo')}", call.query
    before = position_of(query.cursor, 1, call.list_name)

    def job(tx: store.Transaction) -> tuple[code.State, store.Part[store.PlacedReference]]:
        state = code.find(tx, name, query.host)
        where = state.repository.id, before, query.limit
        return state, store.code_references.of_repository(tx, *where)

    state, part = await call.services.database.read(job)
    page, row = page_of(part, call.list_name, _of_repository), state.row
    return RepositoryCode(
        status=state.status,
        sha=row.sha if row is not None else None,
        branch=row.branch if row is not None else None,
        files=row.files if row is not None else 0,
        read_at=times.render(row.read_at) if row is not None and row.read_at else None,
        unread=[shaped(CodeUnread, one) for one in (row.unread if row is not None else ())],
        items=page.items,
        next_cursor=page.next_cursor,
    )


@operations.add(
    "POST",
    _PATH,
    role="developer",
    summary="Read the code of a repository again",
    query=Where,
    answers={202: ReadingOrder},
    problems=(409,),
)
async def read_again(call: Call) -> Any:
    """All of its default branch, in the background. 409 if there is no experiment, or no active
    integration with `code` switched on that may."""
    name = f"{call.path('owner')}/{call.path('repo')}"
    where = call.services, call.actor, name, call.query.host
    return 202, ReadingOrder(await code.read_again(*where))


def _of_experiment(row: store.PlacedReference) -> CodeReference:
    more = {"alias": row.alias or None, "html_url": code.permalink(row)}
    return shaped(CodeReference, row, **more)


def _of_repository(row: store.PlacedReference) -> RepositoryReference:
    more = {"alias": row.alias or None, "html_url": code.permalink(row)}
    return shaped(RepositoryReference, row, **more)
