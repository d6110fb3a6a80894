"""What the parts of a pull request's action go by, read once for all of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot import storage as store
from bot.domain import suggestions


@dataclass(frozen=True, slots=True)
class Seen:
    """A pull request as it is now, and what the bot has put on it. `linked`: see store.links."""

    item: store.Item
    repository: store.Repository
    post: store.Post
    linked: Sequence[store.KeyedExperiment]
    experiments: Mapping[str, store.Experiment]  # by their keys
    near: Mapping[str, Sequence[str]]  # which keys may be meant by those that are unknown

    def close(self, key: str) -> Sequence[str]:
        """Return which keys somebody may have meant."""
        return self.near.get(key, ())


def look(tx: store.Transaction, repository: store.Repository, item_id: int) -> Seen:
    """Read it; where nothing is kept of its posts yet, they get a marker that nobody can guess."""
    linked = store.links.of_targets_with_experiments(tx, "pull_request", item_id)
    known = [one.experiment_key for one in linked if one.status is not None]
    unknown = [one.experiment_key for one in linked if one.status is None]
    return Seen(
        item=store.items.get(tx, item_id),
        repository=repository,
        post=store.actions.post(tx, item_id) or store.Post(item_id, str(uuid.uuid4())),
        linked=linked,
        experiments={one.key: one for one in store.experiments.by_keys(tx, known)},
        near={key: suggestions.close_keys(tx, key) for key in unknown},
    )
