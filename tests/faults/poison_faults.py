"""Messages that the database digests badly or not at all: ingest goes on, nothing is lost."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Sequence

from event_store.model import COSMIC_DSID_FIRST
from event_store.telescope.names import cosmic_dataset, cosmic_fuid
from tests.conftest import execute, query
from tests.faults.bench import TOPIC, Bench
from tests.faults.ledger import Value
from tests.faults.scenario import scenario
from tests.faults.senders import Sent, to_json
from tests.support.ingest import Publisher
from tests.support.processes import wait_until

_FROZEN_DSID = 77
_FIRST_RUN = 1_000_000
_DIGESTED_S = 300.0
_LETTERS = "SELECT count(*) FROM dead_letter WHERE reason = %s"
_CONFLICTS = "SELECT count(*) FROM event_conflict"
_EVENTS = "SELECT n_events FROM run WHERE run_number = %s"


def _publish(bench: Bench, port: int, topic: str, payload: bytes, events: Sequence[Sent]) -> None:
    """Publish a message of these events, and enter them."""
    publisher = Publisher(port)
    bench.own(publisher)
    bench.ledger.send(events)
    publisher.publish(topic, payload)
    publisher.flush()
    bench.ledger.acknowledge(events, committed=False)


def _array(events: Iterable[Sent]) -> bytes:
    return b"[" + b",".join(map(to_json, events)) + b"]"


def _plain(run: int, number: int, dsid: int = 1) -> Sent:
    return (run, number), Value(0, dsid, str(uuid.UUID(int=run)))


def _count(bench: Bench, wanted: int, sql: str, *values: object) -> Callable[[], bool]:
    """Whether a query counts so many."""
    return lambda: query(bench.database, sql, values) == [(wanted,)]


def _digest(bench: Bench, done: Callable[[], bool]) -> float:
    """Wait until a poison message is done with; the longest that others waited meanwhile."""
    began = changed = time.monotonic()
    known, longest = bench.stored(), 0.0
    while not done():
        assert time.monotonic() - began < _DIGESTED_S, "the message is not done with"
        if (now := bench.stored()) > known:
            longest, known, changed = (
                max(longest, time.monotonic() - changed),
                now,
                time.monotonic(),
            )
        time.sleep(0.02)
    return max(longest, time.monotonic() - changed, bench.goes_on())


@scenario(
    "an array for a frozen dataset",
    "100,000 events in a JSON array over MQTT, each refused; other senders go on",
    times=3,
)
def poison_frozen(bench: Bench, times: int) -> float:
    """The message is one dead letter, in seconds."""
    broker = bench.broker()
    bench.ingest(broker.port)
    bench.mqtt(broker.port, 200)
    bench.goes_on()
    execute(
        bench.database,
        f"INSERT INTO dataset (dsid_raw, name, state) VALUES ({_FROZEN_DSID}, 'frozen', 2)",
    )
    longest = 0.0
    for turn in range(times):
        events = [_plain(_FIRST_RUN + turn, n, _FROZEN_DSID) for n in range(100_000)]
        _publish(bench, broker.port, f"{TOPIC}/poison", _array(events), events)
        longest = max(longest, _digest(bench, _count(bench, turn + 1, _LETTERS, "closed_dataset")))
    return longest


@scenario(
    "a telescope's message of very many runs",
    "20,000 lines over MQTT, each of a new run; other senders go on",
    times=3,
)
def poison_runs(bench: Bench, times: int) -> float:
    """Every run gets its dataset and its event."""
    broker = bench.broker()
    bench.ingest(broker.port)
    bench.mqtt(broker.port, 200)
    bench.goes_on()
    longest, count = 0.0, 20_000
    for turn in range(times):
        runs = range(_FIRST_RUN * (turn + 1), _FIRST_RUN * (turn + 1) + count)
        names = sorted(cosmic_dataset("7", run) for run in runs)
        numbers = {name: COSMIC_DSID_FIRST + turn * count + n for n, name in enumerate(names)}
        events = [
            (
                (run, 1),
                Value(0, numbers[cosmic_dataset("7", run)], str(cosmic_fuid("7", run, None))),
            )
            for run in runs
        ]
        lines = "\n".join(json.dumps({"RunNumber": run, "EventNumber": 1}) for run in runs)
        _publish(bench, broker.port, "cosmic/7/event", lines.encode(), events)
        longest = max(longest, _digest(bench, _count(bench, 1, _EVENTS, runs[-1])))
    return longest


@scenario(
    "very many conflicts with a large record",
    "a telescope's record of 60,000 bytes, then 1,000 lines of the same event that differ; other "
    "senders go on",
    times=3,
)
def poison_conflicts(bench: Bench, times: int) -> float:
    """Each line is a conflict, in statements of bounded size."""
    broker = bench.broker()
    bench.ingest(broker.port)
    bench.mqtt(broker.port, 200)
    bench.goes_on()
    longest, count = 0.0, 1_000
    for turn in range(times):
        run, file = _FIRST_RUN + turn, str(cosmic_fuid("7", _FIRST_RUN + turn, None))
        values = [Value(n, COSMIC_DSID_FIRST + turn, file) for n in range(count + 1)]
        records = [{"RunNumber": run, "EventNumber": 1, "TriggerBits": n} for n in range(count + 1)]
        large = json.dumps({**records[0], "x": "ab" * 30_000}).encode()
        _publish(bench, broker.port, "cosmic/7/event", large, [((run, 1), values[0])])
        wait_until(_count(bench, 1, _EVENTS, run), what="the record")
        lines = "\n".join(map(json.dumps, records[1:])).encode()
        events = [((run, 1), value) for value in values[1:]]
        _publish(bench, broker.port, "cosmic/7/event", lines, events)
        longest = max(longest, _digest(bench, _count(bench, (turn + 1) * count, _CONFLICTS)))
    bench.conflicts_wanted = times * count
    return longest


def _forbid(bench: Bench, what: str) -> None:
    """Let the database do something about page 3 of any run."""
    execute(
        bench.database,
        "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.page_no = 3 THEN {what}; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER forbid BEFORE INSERT OR UPDATE ON event_page "
        "FOR EACH ROW EXECUTE FUNCTION forbid()",
    )


def _poison_among_good(bench: Bench, times: int, **settings: object) -> float:
    """Arrays of 1,000 events, of which the database does not take one."""
    broker = bench.broker()
    bench.ingest(broker.port, **settings)
    bench.mqtt(broker.port, 200)
    bench.goes_on()
    longest = 0.0
    for turn in range(times):
        events = [_plain(_FIRST_RUN + turn, n) for n in range(999)]
        events.insert(500, _plain(_FIRST_RUN + turn, 3 * 8192))
        _publish(bench, broker.port, f"{TOPIC}/poison", _array(events), events)
        longest = max(longest, _digest(bench, _count(bench, turn + 1, _LETTERS, "cannot_store")))
    return longest


@scenario(
    "a statement that cannot work",
    "a trigger refuses one event of 1,000 in an array (SQLSTATE 0A000); other senders go on",
    times=10,
    short=1,
)
def poison_refused(bench: Bench, times: int) -> float:
    """That event is a dead letter, all others are stored."""
    _forbid(bench, "RAISE EXCEPTION 'not this one' USING ERRCODE = '0A000'")
    return _poison_among_good(bench, times)


@scenario(
    "a statement that does not end",
    "a trigger sleeps for ten minutes over one event of 1,000 in an array, the stall timeout is "
    "1 s; other senders go on",
    times=2,
)
def poison_slow(bench: Bench, times: int) -> float:
    """That event is a dead letter, all others are stored."""
    _forbid(bench, "PERFORM pg_sleep(600)")
    return _poison_among_good(bench, times, database_stall_timeout_s=1)
