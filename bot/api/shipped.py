"""What shipped: the merged pull requests of all experiments."""

from typing import Annotated, Any

from msgspec import Meta

from bot import storage as store
from bot import times
from bot.api.experiments import Key
from bot.api.links import LinkedExperiment, PullRequest, places
from bot.api.models import Moment, RepositoryName, moment, shaped, text
from bot.web.cursors import Page, Paged
from bot.web.operations import Call, Operations

operations = Operations("Links")


class ShippedExperiment(LinkedExperiment):
    """An experiment of what shipped."""

    owner: str | None


class ShippedPullRequest(PullRequest):
    """A merged pull request of experiments."""

    experiments: list[ShippedExperiment]
    lead_time_seconds: Annotated[
        int | None, Meta(description="From creation to merge; null where that is not known.")
    ]


class ShippedQuery(Paged, forbid_unknown_fields=True):
    since: Moment | None = None
    until: Moment | None = None
    owner: (
        Annotated[str, text(200, "Exactly this owner of one of its experiments.", minimum=1)] | None
    ) = None
    experiment: Key | None = None
    repository: RepositoryName | None = None

    def wanted(self) -> store.shipped.Wanted:
        """Return what is asked for; raises Invalid for a time that there is not."""
        return store.shipped.Wanted(
            moment("since", self.since),
            moment("until", self.until),
            self.owner,
            self.experiment,
            self.repository,
        )


@operations.add(
    "GET",
    "/api/v1/shipped",
    role="viewer",
    summary="List what shipped",
    query=ShippedQuery,
    answers={200: Page[ShippedPullRequest]},
)
async def shipped(call: Call) -> Any:
    """The merged pull requests of experiments, each once with all its experiments, the one merged
    last first: at `since` or later, and before `until`. A pull request that is linked to nothing,
    or only to keys that no experiment has, is none."""
    wanted = call.query.wanted()
    return await call.page(
        2, lambda tx, *part: store.shipped.listed(tx, wanted, *part), shipped_pull_request
    )


def shipped_pull_request(row: store.Shipped) -> ShippedPullRequest:
    """Return a merged pull request's row as the API shows it."""
    return shaped(
        ShippedPullRequest,
        row,
        merged_at=times.render(row.listed_at),
        experiments=[shaped(ShippedExperiment, one) for one in row.experiments],
        lead_time_seconds=row.lead_time,
        live=places(row.live),
    )
