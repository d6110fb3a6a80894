"""Repositories: what an admin corrects, or has forgotten."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from bot.api.models import shaped, text
from bot.operations import repositories
from bot.web.operations import Call, Operations

operations = Operations("Repositories")
PATH = "/api/v1/repositories/{owner}/{repo}"


class RepositoryChange(Struct, forbid_unknown_fields=True):
    """What a repository is called now."""

    full_name: Annotated[str, text(210, "`owner/name`, as GitHub has it.", minimum=1)]


class Repository(Struct):
    """A repository that deliveries told of."""

    full_name: str
    host: Annotated[str, Meta(description="The web host of its GitHub.")]
    github_id: Annotated[int | None, Meta(description="GitHub's id; null while it is not known.")]
    default_branch: str | None


class Where(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which GitHub's, where several have a repository of that name."""

    host: Annotated[str | None, Meta(description="The web host, such as `github.com`.")] = None


@operations.add(
    "PATCH",
    PATH,
    role="admin",
    summary="Correct a repository's name",
    query=Where,
    body=RepositoryChange,
    answers={200: Repository},
)
async def change(call: Call) -> Any:
    """For a rename that no delivery told of. Another that is known by that name has lost it."""
    full_name = f"{call.path('owner')}/{call.path('repo')}"
    new_name = call.values["full_name"]
    where = full_name, call.query.host
    row = await repositories.rename(call.services, call.actor, *where, new_name)
    return shaped(Repository, row)


@operations.add(
    "DELETE",
    PATH,
    role="admin",
    summary="Forget a repository",
    query=Where,
    answers={204: None},
)
async def delete(call: Call) -> Any:
    """Its pull requests, issues, commits, links and feed entries go; nothing changes on GitHub.

    The next delivery about it makes it known again.
    """
    full_name = f"{call.path('owner')}/{call.path('repo')}"
    await repositories.forget(call.services, call.actor, full_name, call.query.host)
    return 204, None
