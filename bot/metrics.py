"""What Prometheus may ask: counters and times, without names of people, repositories or secrets."""

from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from bot import __version__, shared_metrics
from bot.together import Together

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._several = shared_metrics.is_shared()
        if not self._several:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry, buckets=_SECONDS)
        gauge = partial(Gauge, registry=self.registry)
        self.deliveries = counter(
            "experiment_bot_deliveries",
            "Webhook deliveries by event (other: one without a handler) and outcome.",
            ["event", "outcome"],
        )
        self.recovered = counter(
            "experiment_bot_recovered_deliveries",
            "Deliveries that were read from GitHub's API, by event and outcome; lost: it had none.",
            ["event", "outcome"],
        )
        self.refused = counter(
            "experiment_bot_refused_signatures",
            "Deliveries that were refused for their signature: missing, sha1, malformed or wrong.",
            ["why"],
        )
        self.delivery_seconds = histogram(
            "experiment_bot_delivery_seconds", "Time from a delivery's headers to its answer."
        )
        self.requests = counter(
            "experiment_bot_requests",
            "HTTP requests by method, route and status.",
            ["method", "route", "status"],
        )
        self.request_seconds = histogram(
            "experiment_bot_request_seconds",
            "Time from a request's headers to the end of its answer, deliveries not included.",
        )
        self.github_calls = counter(
            "experiment_bot_github_calls",
            "Calls to GitHub by method and outcome: the status, or failed where none came.",
            ["method", "outcome"],
        )
        self.github_call_seconds = histogram(
            "experiment_bot_github_call_seconds",
            "Time from a call to GitHub to the end of its answer.",
        )
        self.rate_limit_remaining = gauge(
            "experiment_bot_github_rate_limit_remaining",
            "What GitHub said last of a credential's rate limit: calls left until its reset.",
            ["credential", "resource"],
            multiprocess_mode="mostrecent",
        )
        self.content_remaining = gauge(
            "experiment_bot_github_content_remaining",
            "Content-creating calls that a credential may make in the present minute or hour.",
            ["credential", "window"],
            multiprocess_mode="mostrecent",
        )
        self.actions = counter(
            "experiment_bot_actions",
            "Attempts to carry out what the bot owes GitHub, by kind or part, and outcome.",
            ["kind", "outcome"],
        )
        self.streams = gauge(
            "experiment_bot_activity_streams",
            "Live activity streams that are open.",
            multiprocess_mode="livesum",
        )
        self.log_bytes = gauge(
            "experiment_bot_write_ahead_log_bytes",
            "How large SQLite's write-ahead log is; 0 with PostgreSQL.",
            multiprocess_mode="mostrecent",
        )
        self.log_lines_lost = counter(
            "experiment_bot_log_lines_lost",
            "Lines of the log, and of what is printed, that could not be written.",
        )
        info = gauge(
            "experiment_bot_info", "The running version.", ["version"], multiprocess_mode="livemax"
        )
        info.labels(__version__).set(1)
        # To find the counter of some labels takes longer than to count.
        self._of_deliveries = cache(self.deliveries.labels)
        self._of_requests = cache(self.requests.labels)
        self._soon = Together(self._count_deliveries)

    def count_delivery(self, event: str, outcome: str, seconds: float) -> None:
        """Count a delivery with those that are answered together with it."""
        self._soon.add((event, outcome, seconds))

    def _count_deliveries(self, told: list[tuple[str, str, float]]) -> None:
        for event, outcome, seconds in told:
            self._of_deliveries(event, outcome).inc()
            self.delivery_seconds.observe(seconds)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._of_requests(method, route, str(status)).inc()
        self.request_seconds.observe(seconds)

    def calls_left(self, integration_id: str) -> dict[tuple[str, str], int]:
        """Return what GitHub said last of an integration's limits, by who calls and resource.

        Only what processes on this port were told: elsewhere they have metrics of their own.
        """
        name = "experiment_bot_github_rate_limit_remaining"
        found = [one for one in self._all().collect() if one.name == name]
        left: dict[tuple[str, str], int] = {}
        for sample in (sample for metric in found for sample in metric.samples):
            integration, _, role = sample.labels["credential"].partition(" ")
            if integration == integration_id:
                left[role, sample.labels["resource"]] = int(sample.value)
        return left

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format, those of all processes on one port."""
        return generate_latest(self._all())

    def _all(self) -> CollectorRegistry:
        if not self._several:
            return self.registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return together
