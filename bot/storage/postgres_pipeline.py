"""Statements that go to a PostgreSQL server together: one trip there and back for all of them.

A pipeline of psycopg hands each statement to the socket by itself, and so lets go of the
interpreter's lock as often. Here libpq gets all of them first, and then the server.
"""

import select
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import DictRow

Connection = psycopg.Connection[DictRow]
TEXT, BINARY = 0, 1
_PREPARED_AFTER = 2  # uses; what is rare is not kept on the server
_MOST_PREPARED = 150  # for a connection
_PLANNED_FOR = 5.0  # seconds
_Key = tuple[str, tuple[int, ...]]  # a statement and the types of its values


class Command(NamedTuple):
    """A statement with `$1` and so on, and the values of these as they go to the server."""

    sql: str
    values: Sequence[bytes | None] = ()
    types: tuple[
        int, ...
    ] = ()  # of the values, by their numbers; without them the server finds out
    format: int = TEXT  # of the values


class _Prepared:
    """The statements that a connection's server has prepared.

    Each is planned anew every few seconds: how it is run best depends on how large tables are, and
    these may have been empty a moment ago. psycopg makes the server forget all of them when it sees
    a ROLLBACK, be it to a savepoint: on a connection that prepares, that has to come this way.
    """

    def __init__(self) -> None:
        self._names: dict[_Key, tuple[bytes, float]] = {}  # and when each was given
        self._uses: Counter[_Key] = Counter()
        self._given = 0
        self._new: list[_Key] = []
        self._outdated: list[Command] = []

    def name(self, key: _Key) -> tuple[bytes | None, bool]:
        """Return the name of a statement, None if it has none, and whether it is a new one."""
        now = time.monotonic()
        name, since = self._names.get(key, (None, 0.0))
        if name is not None and now < since + _PLANNED_FOR:
            return name, False
        self._uses[key] += 1
        if name is not None:
            self._outdated.append(Command(f"DEALLOCATE {name.decode()}"))
        elif self._uses[key] <= _PREPARED_AFTER or len(self._names) >= _MOST_PREPARED:
            return None, False
        self._given += 1
        name = b"bulk_%d" % self._given
        self._names[key] = name, now
        self._new.append(key)
        return name, True

    def outdated(self) -> list[Command]:
        """Return what makes the server forget statements that have been prepared anew."""
        outdated, self._outdated = self._outdated, []
        return outdated

    def settle(self, *, is_done: bool) -> None:
        """Forget new names if the server may not know them; none is given twice."""
        if not is_done:
            for key in self._new:
                self._names.pop(key, None)
        self._new.clear()


_prepared: "WeakKeyDictionary[Connection, _Prepared]" = WeakKeyDictionary()


def run(
    connection: Connection, commands: Sequence[Command], *, prepare: bool = False
) -> list[PGresult]:
    """Run statements, and return what came of each. After one that fails, none is run.

    With `prepare` the server keeps those that come often, but not where a pooler is in between.
    """
    if not commands:
        return []
    pgconn = connection.pgconn
    if pgconn.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is closed")
    if not prepare or connection.prepare_threshold is None:
        return _run(connection, None, commands)
    prepared = _prepared.setdefault(connection, _Prepared())
    is_done = False
    try:
        results = _run(connection, prepared, [*commands, *prepared.outdated()])
        is_done = True
    finally:
        prepared.settle(is_done=is_done)
    return results[: len(commands)]


def _run(
    connection: Connection, prepared: _Prepared | None, commands: Sequence[Command]
) -> list[PGresult]:
    pgconn = connection.pgconn
    if pgconn.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is closed")
    pgconn.enter_pipeline_mode()
    try:
        is_new = [_send(pgconn, prepared, command) for command in commands]
        pgconn.pipeline_sync()
        answers = _answers(pgconn)
        pgconn.exit_pipeline_mode()
    except BaseException:
        pgconn.finish()  # what is still on the way must not be taken for an answer to another
        raise
    for result in answers:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise errors.error_from_result(result, connection.info.encoding)
    place, results = 0, []
    for new in is_new:
        place += 2 if new else 1
        results.append(answers[place - 1])
    return results


def _send(pgconn: PGconn, prepared: _Prepared | None, command: Command) -> bool:
    """Hand a statement to libpq; tell if it is prepared before, which has an answer of its own."""
    sql, values, types, format = command
    formats = [format] * len(values)
    name, is_new = (None, False) if prepared is None else prepared.name((sql, types))
    if name is None:
        pgconn.send_query_params(sql.encode(), values, types or None, formats, BINARY)
        return False
    if is_new:
        pgconn.send_prepare(name, sql.encode(), types or None)
    pgconn.send_query_prepared(name, values, formats, BINARY)
    return is_new


def _answers(pgconn: PGconn) -> list[PGresult]:
    """Wait for all that comes back, up to the end of the pipeline."""
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        if any(event & ~select.POLLOUT for _, event in poll.poll()):
            pgconn.consume_input()  # or the server might wait for us as we wait for it
    poll.modify(pgconn.socket, select.POLLIN)
    answers: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            poll.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # stands between what comes of one statement and of the next
            continue
        if pgconn.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(result.get_error_message())
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return answers
        answers.append(result)


def rows(connection: Connection, result: PGresult) -> list[dict[str, Any]]:
    """Return the rows of a result, by the names of their columns."""
    if not result.ntuples:
        return []
    names = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
    transformer = Transformer(connection)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, lambda row: dict(zip(names, row, strict=True)))
