"""Whether nothing is left of an experiment in a repository once a pull request is merged."""

from collections import Counter

from bot import storage as store


def removes_last(tx: store.Transaction, repository_id: int, item_id: int, key: str) -> bool:
    """Tell whether a pull request removes the last references to an experiment in a repository.

    That is only sure where the whole branch that it leads into was read, as far as is told, and all
    that its diff does with the experiment is to remove what stands there.
    """
    row = store.code_maps.find(tx, repository_id)
    if row is None or row.status != "read" or row.is_wanted:
        return False
    if row.version != store.vocabulary.version(tx):
        return False
    told = store.code_references.in_diff(tx, item_id, key)
    is_sure = all(
        (one.status, one.base_ref, one.change) == ("read", row.branch, "removed") for one in told
    )
    removed = {one.path: one.number for one in told}
    there = Counter(one.path for one in store.code_references.of_key(tx, repository_id, key))
    return is_sure and bool(there) and all(there[path] <= removed.get(path, 0) for path in there)
