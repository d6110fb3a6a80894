"""What the parts of a pull request's action go by, read once for all of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot import storage as store
from bot.code.yaml_nodes import Problem
from bot.domain import diffs, rules, suggestions
from bot.domain.diffs import UNREAD, Code


@dataclass(frozen=True, slots=True)
class Seen:
    """A pull request as it is now, and what the bot has put on it. `linked`: see store.links.

    `live` is where it is live, or was. If that is production, `in_production` has how many pull
    requests of each experiment are live there.
    """

    item: store.Item
    repository: store.Repository
    post: store.Post
    linked: Sequence[store.KeyedExperiment]
    experiments: Mapping[str, store.Experiment]  # by their keys
    near: Mapping[str, Sequence[str]]  # which keys may be meant by those that are unknown
    live: Sequence[store.LivePlace] = ()
    in_production: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[Problem] = ()  # of .github/experiments.yml at its head
    code: Code = UNREAD

    def close(self, key: str) -> Sequence[str]:
        """Return which keys somebody may have meant."""
        return self.near.get(key, ())


def look(tx: store.Transaction, repository: store.Repository, item_id: int) -> Seen:
    """Read it; where nothing is kept of its posts yet, they get a marker that nobody can guess."""
    linked = store.links.of_targets_with_experiments(tx, "pull_request", item_id)
    known = [one.experiment_key for one in linked if one.status is not None]
    unknown = [one.experiment_key for one in linked if one.status is None]
    item = store.items.get(tx, item_id)
    live = store.live.history(tx, item_id) if item.state == "merged" else []
    is_shown = any(place.is_production for place in live)
    return Seen(
        item=item,
        repository=repository,
        post=store.actions.post(tx, item_id) or store.Post(item_id, str(uuid.uuid4())),
        linked=linked,
        experiments={one.key: one for one in store.experiments.by_keys(tx, known)},
        near={key: suggestions.close_keys(tx, key) for key in unknown},
        live=live,
        in_production=store.live.in_production(tx, known) if is_shown else {},
        problems=rules.problems_at(tx, item),
        code=diffs.code_of(tx, item) if linked else UNREAD,
    )
