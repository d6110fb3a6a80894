"""What names repositories had lately, in the memory of a process: deliveries tell, and GitHub."""

from bot import times

_MOST = 8192  # names that are remembered


class HeardNames:
    """When repositories last had their names, as deliveries and GitHub told this process."""

    def __init__(self, _: object) -> None:
        self._told: dict[tuple[str, int, str], int] = {}

    def heard(self, host: str, github_id: int, full_name: str) -> None:
        """A repository has a name now."""
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[host, github_id, full_name.lower()] = times.now()

    def told_at(self, host: str, github_id: int, full_name: str) -> int:
        """Return when a repository had a name for certain, 0 if that is unknown."""
        return self._told.get((host, github_id, full_name.lower()), 0)
