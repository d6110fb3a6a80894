"""Links made from the platform's side: pull requests by hand, and tracking issues."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bot import storage as store
from bot.api.links import EXPERIMENT, LinkedPullRequest, linked_pull_request
from bot.api.models import END, Id, RepositoryName, text
from bot.domain import sizes
from bot.operations import issues, linking
from bot.web.operations import Call, Operations
from bot.web.problems import FieldMessage, Problem
from bot.web.validation import words

operations = Operations("Links")
_IDEMPOTENCY_KEY = r"^[!-~]{1,255}$"


class LinkPullRequest(Struct, forbid_unknown_fields=True):
    """A pull request to link."""

    integration_id: Annotated[Id, Meta(max_length=36)]
    repository: RepositoryName
    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class IssueCreate(Struct, forbid_unknown_fields=True):
    """A tracking issue to create."""

    integration_id: Annotated[Id, Meta(max_length=36)]
    repository: RepositoryName
    title: Annotated[str, text(sizes.TITLE, "Its title.", minimum=1)]
    body: Annotated[str, text(60_000, "Its text, as Markdown.")] | None = None
    labels: Annotated[
        list[
            Annotated[str, text(sizes.LABEL, "A label; one that is missing is created.", minimum=1)]
        ],
        Meta(max_length=20),
    ] = []
    assignees: Annotated[
        list[
            Annotated[
                str,
                Meta(pattern=r"^[A-Za-z0-9_\[\]-]{1,100}" + END, description="A login on GitHub."),
            ]
        ],
        Meta(max_length=10),
    ] = []
    type: (
        Annotated[
            str,
            text(
                sizes.ISSUE_TYPE,
                "One of the organization's issue types, such as `Task`.",
                minimum=1,
            ),
        ]
        | None
    ) = None


class CreatedIssue(Struct):
    """A tracking issue that exists.

    `type` is what it has of what was asked for: GitHub drops a type in silence where the
    repository has none, or the credential may not write there. Then `warnings` says so.
    """

    action_id: Id
    repository: str
    number: int
    html_url: str
    type: str | None
    warnings: list[str]


class PromisedIssue(Struct):
    """A tracking issue that GitHub has not answered for yet; the action tells how it goes."""

    action_id: Id
    status: Literal["pending", "running"]


@operations.add(
    "POST",
    f"{EXPERIMENT}/pull-requests",
    role="developer",
    summary="Link a pull request",
    body=LinkPullRequest,
    answers={201: LinkedPullRequest},
    problems=(502,),
)
async def link(call: Call) -> Any:
    """Asks GitHub for the pull request, links it, and brings its status comment up to date.

    The link stays whatever the description says, until it is deleted. A repository or number that
    GitHub does not know is a 422 that says which.
    """
    row = await linking.link(call.services, call.actor, call.path("key"), **call.values)
    return 201, linked_pull_request(row)


@operations.add(
    "DELETE",
    f"{EXPERIMENT}/pull-requests/{{owner}}/{{repo}}/{{number}}",
    role="developer",
    summary="Unlink a pull request",
    answers={204: None},
)
async def unlink(call: Call) -> Any:
    """A key that still stands in the description stays unlinked until its line goes and comes
    back."""
    full_name = f"{call.path('owner')}/{call.path('repo')}"
    await linking.unlink(
        call.services, call.actor, call.path("key"), full_name, int(call.path("number"))
    )
    return 204, None


@operations.add(
    "POST",
    f"{EXPERIMENT}/issues",
    role="developer",
    summary="Create a tracking issue",
    body=IssueCreate,
    answers={201: CreatedIssue, 202: PromisedIssue},
    problems=(502,),
    headers={
        "Idempotency-Key": (
            _IDEMPOTENCY_KEY,
            "Sent again with the same token and body, the same issue is meant.",
        )
    },
)
async def create_issue(call: Call) -> Any:
    """201 once GitHub has created it; 202 if it takes longer: the bot goes on until it exists.

    It is linked to the experiment and never created twice. Labels that the repository lacks are
    created. What GitHub refuses of repository, title, labels, assignees or type is a 422 that names
    it, and is not done later unless the action is retried. What it refuses for want of a
    permission or a valid credential is a 502, and done by itself once that is mended. Where an
    archive or access has to be waited for, 202 is answered at once.
    """
    action = await issues.create(
        call.services,
        call.actor,
        call.path("key"),
        **call.values,
        idempotency_key=_idempotency_key(call),
    )
    return _ordered(action)


def _idempotency_key(call: Call) -> str | None:
    key = call.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable() and " " not in key):
        raise Problem(
            400,
            "invalid Idempotency-Key",
            "Send 1 to 255 printable ASCII characters without spaces, such as a UUID.",
        )
    return key


def _refused(action: store.ListedAction) -> Problem:
    """Return the answer to what GitHub refuses: 422 where it is about what the caller named."""
    again = f"POST /api/v1/actions/{action.id}/retry"
    wrong = issues.refusal_of(action)
    if wrong is None:
        then = f"it is done by itself, or at once by {again}" if issues.goes_on(action) else again
        said = f"{action.last_error}. Once that is fixed, {then}."
        return Problem(502, "refused by GitHub", said)
    detail = f"Correct the fields listed in `errors`; or mend it on GitHub, then {again}."
    return Problem(422, "invalid request", detail, [FieldMessage(wrong.field, words(wrong))])


def _ordered(action: store.ListedAction) -> tuple[int, CreatedIssue | PromisedIssue]:
    if action.status == "failed":
        raise _refused(action)
    if action.status == "done":
        result = action.result or {}
        return 201, CreatedIssue(
            action_id=action.id,
            repository=action.repository,
            number=result["number"],
            html_url=store.addresses.present(result["html_url"], action.repository),
            type=result.get("type"),
            warnings=[result["warning"]] if "warning" in result else [],
        )
    return 202, PromisedIssue(action_id=action.id, status=action.status)
