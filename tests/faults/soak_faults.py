"""What a soak does to everything, and the alert that has to tell of it.

A fault lasts until its alert fires, so that an operator would have heard of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from tests.conftest import execute
from tests.faults.bench import RECOVERY_MAX_S, Bench
from tests.support.processes import PostgresServer, Service, wait_until

MQTT_RATE = 300
GRPC_RATE = 30  # lookups ask for what was committed, which only gRPC tells
BAD_MESSAGES = 100
PATIENCE_S = 20 * 60.0
# As in docker-compose.yml.
POSTGRES_SETTINGS = {"autovacuum_naptime": "10s", "shared_buffers": "512MB"}
# Under a writer that stores fewer events a second than are published.
_SLOW = f"""
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(least(3, (NEW.n_events - OLD.n_events) * {1.4 / MQTT_RATE}));
    RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE UPDATE OF n_events ON run FOR EACH ROW EXECUTE FUNCTION slow()
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is done to the stack.

    Attributes:
        name: for the table.
        alert, labels: what has to fire.
        begin, end: the harm, and what ends it.
        goes_on, what: waits for things to go on, and what those are; the seconds.
        tells_s: seconds in which the alert fires at the latest.
        stays_s: seconds for which the alert looks back, so that it ends by itself so much later.
    """

    name: str
    alert: str
    begin: Callable[[], None]
    end: Callable[[], None]
    goes_on: Callable[[], float]
    what: str = "events stored"
    labels: dict[str, str] = field(default_factory=dict)
    tells_s: float = 150.0
    stays_s: float = 60.0

    @property
    def takes_s(self) -> float:
        """Seconds until the alert has ended, at most."""
        return self.tells_s + self.stays_s


class Soak:
    """What runs, and the faults that are done to it in turn."""

    def __init__(self, bench: Bench, server: PostgresServer) -> None:
        bench.use_database(bench.database, f"127.0.0.1:{server.port}")
        self.bench = bench
        self.server = server
        self.broker = bench.broker()
        self.ingest = bench.ingest(self.broker.port)
        self.index = bench.index()
        self.gateway = bench.gateway(self.index, self.ingest)
        self.mqtt = bench.mqtt(self.broker.port, MQTT_RATE)
        # Its batches wait behind all messages that came before, also while those are stored slowly.
        self.grpc = bench.grpc(self.ingest, GRPC_RATE, patience_s=PATIENCE_S)
        self.lookups = bench.lookups(self.index)
        self.requests = bench.requests(self.gateway)

    def faults(self) -> tuple[Fault, ...]:
        """All of them, in the order in which they are done: first those that are told for long."""
        window_s = 15 * 60.0
        return (
            Fault("malformed messages", "EventIndexDeadLetters", self._send_bad, _nothing,
                  self.bench.goes_on, stays_s=window_s),
            Fault("broker kill -9, its sessions deleted", "EventIndexSessionLost",
                  self._forget_sessions, _nothing, self.bench.goes_on, stays_s=window_s),
            self._database("stopped", self.server.stop),
            Fault("broker stopped", "EventIndexBrokerDown", self.broker.stop, self.broker.start,
                  self.bench.goes_on),
            self._killed(self.ingest, self.bench.goes_on, "events stored"),
            self._killed(self.index, partial(_more, lambda: self.lookups.answered),
                         "lookups answered", alert="EventIndexIndexAway"),
            self._killed(self.gateway, partial(_more, lambda: self.requests.answered),
                         "requests answered"),
            self._database("kill -9", self.server.kill),
            Fault("a database slower than what is published", "EventIndexIngestBehind",
                  self._slow, self._quick, self.bench.goes_on, tells_s=18 * 60.0, stays_s=180.0),
        )  # fmt: skip

    def _database(self, how: str, harm: Callable[[], None]) -> Fault:
        name = f"PostgreSQL {how}"
        return Fault(name, "EventIndexDatabaseDown", harm, self._start_database, self._both)

    def _start_database(self) -> None:
        with suppress(TimeoutError):  # recovery may take longer; what follows waits for it
            self.server.start(**POSTGRES_SETTINGS)

    def _both(self) -> float:
        return max(self.bench.goes_on(), _more(lambda: self.lookups.answered))

    @staticmethod
    def _killed(
        service: Service,
        goes_on: Callable[[], float],
        what: str,
        alert: str = "EventIndexServiceDown",
    ) -> Fault:
        labels = {"job": service.module} if alert == "EventIndexServiceDown" else {}
        name = f"{service.module} kill -9"
        return Fault(name, alert, service.kill, lambda: _start(service), goes_on, what, labels)

    def _send_bad(self) -> None:
        self.mqtt.bad_wanted = BAD_MESSAGES

    def _forget_sessions(self) -> None:
        """With nothing in them: what a broker forgets is lost, which is not what is tried here."""
        senders = (self.mqtt, self.grpc)
        for sender in senders:
            sender.resting.set()
        self._wait_for_quiet()
        self.broker.kill()
        for path in self.broker.directory.glob("*.db*"):
            path.unlink()
        self.broker.start()
        # What is published before its subscription is there again reaches nobody.
        wait_until(self._subscribed, RECOVERY_MAX_S, "subscription")
        for sender in senders:
            sender.resting.clear()

    def _wait_for_quiet(self) -> None:
        """Wait until all that was acknowledged is stored, as long as it becomes more."""
        known, since = -1, time.monotonic()
        while (now := self.bench.stored()) < self.bench.ledger.acknowledged_offers:
            if now != known:
                known, since = now, time.monotonic()
            if time.monotonic() - since > RECOVERY_MAX_S:
                raise TimeoutError(f"{now:,} events are stored and no more come")
            time.sleep(1)

    def _subscribed(self) -> bool:
        return (
            self.ingest.page("/readyz")[0] == 200
            and self.ingest.metric("eventindex_broker_sessions_lost_total") > 0
        )

    def _slow(self) -> None:
        execute(self.bench.database, _SLOW)

    def _quick(self) -> None:
        execute(self.bench.database, "DROP TRIGGER slow ON run; DROP FUNCTION slow()")


def _nothing() -> None:
    """The fault is over by itself."""


def _start(service: Service) -> None:
    with suppress(TimeoutError):  # what follows waits for it
        service.start()


def _more(count: Callable[[], int]) -> float:
    """Wait until it grows; the seconds."""
    began, known = time.monotonic(), count()
    wait_until(lambda: count() > known, 2 * RECOVERY_MAX_S, "answer")
    return time.monotonic() - began
