"""What failovers of PostgreSQL cost, and a pooler before it.

Two servers of Debian's package, one the synchronous replica of the other. Under load from eight
connections to `serve --processes 2` the primary is killed, made to take no writes, or stopped so
that it does not answer; the replica is promoted half a second later, and the old primary becomes
the replica of the next round. In the end every delivery that was not acknowledged is sent again,
and the API is asked for each: nothing lost, nothing twice. Then the same without failovers, direct
and through PgBouncer in transaction mode, and how soon one process hears of another's commit.

    make soak
    .venv/bin/python -m bench.soak --rounds 50 --seconds 5
"""

import asyncio
import itertools
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import click

from tests.deliveries.load import Load, follow, opened
from tests.github import GitHub
from tests.kit import clusters, outbound
from tests.kit.clusters import Node, Pair
from tests.kit.outbound import REPOSITORY, TOKEN
from tests.kit.processes import Process, running
from tests.kit.running import SECRET

CONNECTIONS = 8
_OF_GITHUB = {"token": TOKEN, "webhook_secret": SECRET}
_TO_PROMOTE = 0.5  # seconds that whoever watches the servers takes to decide


class Timed(Load):
    """A load that knows when deliveries were acknowledged."""

    def __init__(self, processes: list[Process], integration: str) -> None:
        super().__init__(processes, integration)
        self.at: list[float] = []

    async def send(self, *delivery: object) -> None:
        before = len(self.acknowledged)
        await super().send(*delivery)  # type: ignore[arg-type]
        if len(self.acknowledged) > before:
            self.at.append(time.monotonic())

    async def has_more(self, count: int) -> None:
        wanted = len(self.at) + count
        while len(self.at) < wanted:
            await asyncio.sleep(0.02)


class Owed:
    """Pull requests on which the worker has to comment, once each, whatever comes between."""

    def __init__(self, bot: Process, github: GitHub, integration: str) -> None:
        self._bot, self._github, self._integration = bot, github, integration
        self._pulls: list[int] = []

    async def open(self) -> None:
        for _ in range(3):
            pull = self._github.open_pull(REPOSITORY, title="T", body="experiment_key: owed").number
            payload = {
                "action": "opened",
                "number": pull,
                "pull_request": self._github.pull_payload(REPOSITORY, pull),
                "repository": self._github.repository_payload(REPOSITORY),
            }
            answer = await self._bot.deliver(self._integration, "pull_request", payload)
            assert answer.status == 200, answer.body
            self._pulls.append(pull)

    async def check(self) -> int:
        """Wait until all is done, check that it was done once, and return for how many."""
        while any(
            one["status"] != "done"
            for one in await self._bot.walk("/api/v1/actions", 200)
            if one["integration_id"] == self._integration
        ):
            await asyncio.sleep(0.5)
        comments = [len(self._github.comments(REPOSITORY, pull)) for pull in self._pulls]
        assert set(comments) == {1}, comments
        return len(comments)


@asynccontextmanager
async def under_load(load: Timed) -> AsyncIterator[None]:
    await load.begin()
    clients = [asyncio.create_task(load.run()) for _ in range(CONNECTIONS)]
    yield
    load.stopping = True
    await asyncio.gather(*clients)


_WAYS: dict[str, Callable[[Node], object]] = {
    "killed": Node.kill,
    "demoted": clusters.make_read_only,
    "frozen": lambda node: node.signal(signal.SIGSTOP),
}


async def fail_over(pair: Pair, load: Timed, how: str, seconds: float) -> float:
    """Let the replica take the primary's place; return for how long nothing was acknowledged."""
    await asyncio.sleep(seconds)
    await asyncio.to_thread(_WAYS[how], pair.primary)
    began = len(load.at)
    await asyncio.sleep(_TO_PROMOTE)
    await asyncio.to_thread(pair.fail_over)
    await asyncio.wait_for(load.has_more(50), 60)
    times = load.at[max(began - 20, 0) :]
    gap = max(after - before for before, after in itertools.pairwise(times))
    await asyncio.to_thread(pair.follow)
    return gap


async def failovers(folder: Path, rounds: int, seconds: float) -> None:
    with clusters.pair() as pair:
        options, github = ("--processes", "2"), await outbound.github_for("token")
        env = {"DATABASE_URL": pair.url, "GITHUB_API_URLS": github.url}
        async with running(folder, 1, *options, **env) as (bot,):
            load = Timed([bot], await bot.integration())
            owed = Owed(bot, github, await bot.integration(config=_OF_GITHUB))
            await bot.experiment("owed")
            async with under_load(load):
                gaps: dict[str, list[float]] = {how: [] for how in _WAYS}
                for number in range(rounds):
                    how = [*_WAYS][number % len(_WAYS)]
                    await owed.open()
                    gaps[how].append(await fail_over(pair, load, how, seconds))
                    click.echo(f"  round {number + 1}: {how}, {gaps[how][-1]:.1f} s without")
            acknowledged = len(load.acknowledged)
            await load.redeliver()
            await load.check()
            pulls = await owed.check()
        await github.close()
    for how, found in gaps.items():
        if found:
            click.echo(
                f"{how:8} {len(found)} times: median {statistics.median(found):.1f} s, "
                f"longest {max(found):.1f} s without an acknowledged delivery"
            )
    click.echo(
        f"acknowledged {acknowledged:,}, refused with 503 {load.refused:,}, dropped "
        f"{load.dropped}; {len(load.acknowledged):,} after redelivery"
    )
    click.echo(f"nothing lost, nothing twice; {pulls} pull requests with one comment each")


async def pooled(folder: Path, seconds: float) -> None:
    with clusters.single() as node, clusters.pooler(node, 4) as pooler:
        direct = node.url("experiment_bot")
        ways = {
            "direct": {"DATABASE_URL": direct},
            "PgBouncer, listening past it": {
                "DATABASE_URL": pooler.url,
                "DATABASE_LISTEN_URL": direct,
            },
            "PgBouncer, looking": {"DATABASE_URL": pooler.url},
        }
        for name, env in ways.items():
            node.execute("DROP DATABASE experiment_bot WITH (FORCE)")
            node.execute("CREATE DATABASE experiment_bot")
            async with running(folder, 2, **env) as two:
                load = Timed(two, await two[0].integration())
                async with under_load(load):
                    await asyncio.sleep(seconds)
                await load.check()
                heard = sorted([await hears(two, load, number) for number in range(9)])
            click.echo(
                f"{name:30} {len(load.at) / seconds:6.0f} deliveries/s, hears of another's commit "
                f"after {heard[4] * 1000:.0f} ms (longest {heard[-1] * 1000:.0f})"
            )


async def hears(two: list[Process], load: Timed, number: int) -> float:
    """Return after how many seconds a stream of one process shows what another stored."""
    ready = asyncio.Event()
    following = asyncio.create_task(follow(two[0], 1, ready=ready))
    await ready.wait()
    await asyncio.sleep(0.2)
    await two[1].deliver(load.integration, "pull_request", opened(100_000 + number))
    stored = time.monotonic()
    await following
    return max(time.monotonic() - stored, 0)


@click.command(help=__doc__)
@click.option("--rounds", default=21, help="Failovers, of each kind by turns.")
@click.option("--seconds", default=3.0, help="Of load before each, and with the pooler.")
def main(rounds: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="experiment-bot-soak-") as folder:
        click.echo(f"{rounds} failovers, the replica promoted {_TO_PROMOTE} s after each loss")
        asyncio.run(failovers(Path(folder) / "failovers", rounds, seconds))
        asyncio.run(pooled(Path(folder) / "pooled", seconds))


if __name__ == "__main__":
    main()
