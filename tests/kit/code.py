"""What is known of a default branch, for tests of what follows from that alone."""

from bot import storage as store
from tests.kit.outbound import REPOSITORY
from tests.kit.running import Bot

# A file of which nobody can tell what is in it: no base64 has one character.
GARBLED = {"sha": "1" * 40, "type": "file", "size": 1, "encoding": "base64", "content": "A"}


async def stands(bot: Bot, integration: str, key: str, path: str = "src/a.py") -> None:
    """Let an experiment stand in a line of code, as the map of a known repository has it."""

    def job(tx: store.Transaction) -> None:
        repository = store.repositories.find(tx, REPOSITORY)
        assert repository is not None
        store.code_maps.add(tx, repository.id, integration, 1, 0)
        columns = {"status": "read", "sha": "1" * 40, "branch": "main", "is_wanted": False}
        store.code_maps.change(tx, repository.id, **columns)
        row = store.CodeReference(repository.id, path, 1, key, "")
        store.code_references.change(tx, [row])

    await bot.services.database.write(job, locks=())
