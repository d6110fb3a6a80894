"""Experiments: create, replace, change, delete, list."""

from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.api import models
from bot.api.conditions import IF_MATCH, IF_NONE_MATCH_READ, IF_NONE_MATCH_WRITE, tag
from bot.api.routing import Call, Operations, log_change
from bot.domain import experiments
from bot.web.problems import Problem, invalid, not_found

operations = Operations("Experiments")
PATH = "/api/v1/experiments"


@operations.add(
    "POST",
    PATH,
    role="developer",
    summary="Create an experiment",
    body=models.ExperimentCreate,
    answers={201: models.Experiment},
    problems=(409,),
    tagged=True,
)
async def create(call: Call) -> Any:
    """Links that were waiting for its key belong to it at once. 409 if the key exists."""

    def job(tx: store.Transaction) -> store.CountedExperiment | None:
        row = experiments.create(tx, msgspec.to_builtins(call.body), call.actor.name)
        return store.experiments.find_with_counts(tx, row.key) if row else None

    row = await call.services.database.write(job)
    if row is None:
        raise Problem(
            409,
            "experiment exists",
            f"There is an experiment {call.body.key} already; change it with PATCH or PUT.",
        )
    log_change(call, "experiment created", experiment=row.key)
    return 201, _tagged(call, row)


@operations.add(
    "GET",
    PATH,
    role="viewer",
    summary="List experiments",
    query=models.ExperimentQuery,
    answers={200: models.Page[models.Experiment]},
)
async def list_all(call: Call) -> Any:
    """The newest first."""
    query: models.ExperimentQuery = call.query
    before = call.position(1)

    def job(tx: store.Transaction) -> Any:
        rows = store.experiments.listed(tx, query.status, query.q, before, query.limit)
        return call.page(rows, _experiment)

    return await call.services.database.read(job)


@operations.add(
    "GET",
    f"{PATH}/{{key}}",
    role="viewer",
    summary="Get an experiment",
    answers={200: models.Experiment, 304: None},
    problems=(404,),
    tagged=True,
    conditions={"If-None-Match": IF_NONE_MATCH_READ},
)
async def get(call: Call) -> Any:
    """One experiment with counts of what is linked to it."""
    row = await call.services.database.read(
        lambda tx: store.experiments.find_with_counts(tx, call.path("key"))
    )
    if row is None:
        raise not_found("experiment")
    found = _tagged(call, row)
    return (304, None) if call.conditions.is_known(call.headers["ETag"]) else found


@operations.add(
    "PUT",
    f"{PATH}/{{key}}",
    role="developer",
    summary="Create or replace an experiment",
    body=models.ExperimentReplace,
    answers={200: models.Experiment, 201: models.Experiment},
    problems=(412,),
    tagged=True,
    conditions={"If-Match": IF_MATCH, "If-None-Match": IF_NONE_MATCH_WRITE},
)
async def put(call: Call) -> Any:
    """201 if it is new, 200 if it was replaced; what the body leaves out gets its default."""
    key, values = call.path("key"), msgspec.to_builtins(call.body)
    if values.setdefault("key", key) != key:
        raise invalid([("key", "is not the key in the address; a key cannot be changed")])

    def job(tx: store.Transaction) -> tuple[int, store.CountedExperiment | None]:
        old = store.experiments.find(tx, key)
        call.conditions.check(experiments.version(old) if old else None)
        if old is None:
            experiments.create(tx, values, call.actor.name)
        else:
            experiments.change(tx, key, values, call.actor.name)
        return 200 if old else 201, store.experiments.find_with_counts(tx, key)

    status, row = await call.services.database.write(job)
    assert row is not None
    log_change(call, "experiment created" if status == 201 else "experiment replaced", key=key)
    return status, _tagged(call, row)


@operations.add(
    "PATCH",
    f"{PATH}/{{key}}",
    role="developer",
    summary="Change an experiment",
    body=models.ExperimentChange,
    answers={200: models.Experiment},
    problems=(404, 412),
    tagged=True,
    conditions={"If-Match": IF_MATCH},
)
async def patch(call: Call) -> Any:
    """Changes what is sent. A change of status shows in the feed."""
    key = call.path("key")

    def job(tx: store.Transaction) -> store.CountedExperiment | None:
        old = store.experiments.find(tx, key)
        if old is None:
            return None
        call.conditions.check(experiments.version(old), old)
        experiments.change(tx, key, msgspec.to_builtins(call.body), call.actor.name)
        return store.experiments.find_with_counts(tx, key)

    row = await call.services.database.write(job)
    if row is None:
        raise not_found("experiment")
    log_change(call, "experiment changed", experiment=key)
    return _tagged(call, row)


@operations.add(
    "DELETE",
    f"{PATH}/{{key}}",
    role="admin",
    summary="Delete an experiment",
    answers={204: None},
    problems=(404, 412),
    conditions={"If-Match": IF_MATCH},
)
async def delete(call: Call) -> Any:
    """Its links stay, as unresolved ones, and so does its feed."""
    key = call.path("key")

    def job(tx: store.Transaction) -> bool:
        old = store.experiments.find(tx, key)
        if old is not None:
            call.conditions.check(experiments.version(old))
        return experiments.delete(tx, key)

    if not await call.services.database.write(job):
        raise not_found("experiment")
    log_change(call, "experiment deleted", experiment=key)
    return 204, None


def _tagged(call: Call, row: store.CountedExperiment) -> models.Experiment:
    """Return an experiment, and put its ETag on the answer."""
    counts = f"{row.pull_request_count}.{row.issue_count}.{row.commit_count}"
    call.headers["ETag"] = tag(experiments.version(row), counts)
    return _experiment(row)


def _experiment(row: store.CountedExperiment) -> models.Experiment:
    return models.Experiment(
        key=row.key,
        name=row.name,
        status=row.status,
        hypothesis=row.hypothesis,
        description=row.description,
        owner=row.owner,
        url=row.url,
        tags=list(row.tags),
        created_at=times.render(row.created_at),
        updated_at=times.render(row.updated_at),
        counts=models.Counts(
            pull_requests=row.pull_request_count,
            issues=row.issue_count,
            commits=row.commit_count,
        ),
    )
