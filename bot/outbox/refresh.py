"""`refresh`: one step through a repository's pull requests: each is owed what it lacks.

It follows from what concerns them all: a setting, or that the repository has become public. It
calls nobody; what it finds waits its turn, and the next step after that.
"""

from typing import Any

from bot.domain import posts
from bot.outbox.registry import Job, carries_out


@carries_out(posts.REFRESH)
async def run(job: Job) -> dict[str, Any]:
    action = job.action
    looked_at = await job.write(
        posts.take_step, job.integration.id, action.repository_id, action.request
    )
    return {"pull_requests": looked_at}
