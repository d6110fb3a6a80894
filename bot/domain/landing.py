"""As which commit a merged pull request came to its base, where what told of the merge is silent.

GitHub's API drops `merge_commit_sha` from its version 2026-03-10 on, and samples lack it. GraphQL
tells it: https://docs.github.com/en/graphql/reference/objects#pullrequest
"""

from bot import storage as store
from bot.domain import actions

MERGE_COMMIT = actions.Kind("merge_commit", title="Merge commit", priority=3)


def ask_where_untold(tx: store.Transaction, pull: store.Item, integration_id: str) -> None:
    """Have GitHub asked, once, for the merge commit of a linked item, if it has one untold.

    `integration_id` is whose delivery has told of it, if those that know it cannot ask.
    """
    if pull.state != "merged" or pull.merge_sha is not None:
        return
    key = f"{MERGE_COMMIT.name}:{pull.id}"
    if store.actions.by_idempotency_key(tx, key) is not None:
        return
    integration = actions.acting(tx, pull, integration_id)
    if integration is None:
        return
    order = actions.order_of(pull.repository_id, pull.number)
    wanted = actions.Wanted(
        kind=MERGE_COMMIT,
        request={},
        ordering_key=f"{order}:{MERGE_COMMIT.name}",  # holds nothing up
        idempotency_key=key,
        item_id=pull.id,
        number=pull.number,
    )
    actions.enqueue(tx, integration, pull.repository_id, wanted)
