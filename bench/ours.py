"""Our own service as a subject: set up over its API, and asked afterwards what it knows."""

import json
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.deliveries import Delivery, Kind, Sender
from bench.load import Answer, Request, load
from bench.proxy import Proxy
from bench.rows import BIG, INTEGRATION, WEBHOOK_SECRET
from bench.service import TOKEN, Server, free_port, start
from bench.subject import Subject

ASKING = 8  # connections over which is asked what became of deliveries


def api(port: int, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def questions(paths: Iterator[tuple[str, Any]], token: str = TOKEN) -> Iterator[Request]:
    """Yield a request for each path of the API, with what it is about."""
    for path, about in paths:
        head = f"GET /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}"
        yield Request(f"{head}\r\n\r\n".encode(), about)


def path_of(integration: str, one: Delivery) -> str:
    """Return where the API tells what became of a delivery."""
    if one.number is None:
        return f"/integrations/{integration}/deliveries/{one.guid}"
    return f"/pull-requests/{one.repository}/{one.number}"


def is_right(answer: Answer) -> bool:
    """Return whether the API tells of a delivery what it must."""
    if answer.status != 200:
        return False
    told, sent = json.loads(answer.body), answer.about
    if sent.number is None:
        return told["status"] in ("processed", "ignored")
    return [one["key"] for one in told["experiments"]] == ([BIG] if sent.linked else [])


class Ours(Subject):
    """The service on a database of its own."""

    def __init__(
        self,
        where: Server,
        name: str,
        names: list[str],
        *,
        processes: int = 1,
        source: str | None = None,
        proxy: Proxy | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """`source` is a filled database to begin with a copy of; `proxy` leads to the server."""
        self.name, self.processes, self.options = name, processes, options
        self.alone = processes == 1 and where.url is None
        label = "".join(one if one.isalnum() else "_" for one in name.lower())
        self.database = where.database(label, source)
        if proxy is not None:
            self.database = proxy.leading_to(self.database)
        self.helpers = tuple(
            pid for pid in (where.pid, proxy.pid if proxy else None) if pid is not None
        )
        self.folder = f"{where.folder}/of-{label}"
        Path(self.folder).mkdir()
        self.acknowledged: list[Delivery] = []
        self.port = free_port()
        self.start()
        try:
            integration = INTEGRATION if source else self._set_up()
        except BaseException:
            self.stop()
            raise
        self.integration = integration
        path = f"/api/v1/integrations/{integration}/webhook/github"
        self.sender = Sender(path, names)

    def start(self) -> None:
        self.process = start(
            self.port,
            self.folder,
            self.database,
            self.processes,
            *self.options,
            alone=self.alone,
        )

    def _set_up(self) -> str:
        api(self.port, "POST", "/experiments", {"key": BIG, "name": "Checkout"})
        body = {
            "name": "Benchmark",
            "integration_type": "GITHUB",
            "config": {"token": "ghp_benchmark", "webhook_secret": WEBHOOK_SECRET},
        }
        return str(api(self.port, "POST", "/integrations", body)["id"])

    def stored(self, kind: Kind) -> str:
        return kind.stored

    def accepted(self, kind: Kind, answer: Answer) -> bool:
        return answer.status == 200 and answer.body == kind.answer

    def send(self, kind: Kind, connections: int, **limits: Any) -> Any:
        made = super().send(kind, connections, **limits)
        self.acknowledged += [one.about for one in made.answers]
        return made

    def send_and_kill(self, kind: Kind, connections: int, seconds: float) -> int:
        """Kill it in the middle of a load; return how many it had acknowledged of that."""
        threading.Timer(seconds, self.kill).start()
        made = load(self.port, self.sender.requests(kind), connections, seconds + 30)
        self.process.wait(20)
        answered = [one for one in made.answers if self.accepted(kind, one)]
        if len(answered) < len(made.answers):
            raise SystemExit(f"{self.name} refused {len(made.answers) - len(answered)} deliveries")
        self.acknowledged += [one.about for one in answered]
        return len(answered)

    def linked(self) -> int:
        """Return how many pull requests the experiment has."""
        return int(api(self.port, "GET", f"/experiments/{BIG}")["counts"]["pull_requests"])

    def check(self) -> None:
        """Ask for all that was acknowledged; the benchmark ends if something is missing."""
        paths = ((path_of(self.integration, one), one) for one in self.acknowledged)
        made = load(self.port, questions(paths), ASKING)
        if made.unanswered or len(made.answers) != len(self.acknowledged):
            raise SystemExit(f"{self.name}: the API did not answer {len(made.unanswered)} times")
        lost = [one for one in made.answers if not is_right(one)]
        if lost:
            raise SystemExit(
                f"{self.name} has lost {len(lost)} of {len(made.answers)}, such as "
                f"{lost[0].about}: {lost[0].status} {lost[0].body[:300]!r}"
            )
