"""`refresh`: one step through a repository's pull requests: each is owed what it lacks.

It follows from what concerns them all: a setting, or that the repository has become public. It
calls nobody; what it finds waits its turn, and the next step after that.
"""

from typing import Any

from bot.domain import posts
from bot.outbox.job import Job
from bot.outbox.registry import carries_out


@carries_out(posts.REFRESH)
async def run(job: Job) -> dict[str, Any]:
    looked_at = await job.write(
        lambda tx: posts.take_step(tx, job.integration.id, job.repository_id, job.request)
    )
    return {"pull_requests": looked_at}
