"""What a fault is done to: a database, a broker and services, with a proxy between any two.

A scenario is a function that gets a `Bench`, starts load, does harm so many times, and returns how
long it took until things went on. What was lost or doubled is found out afterwards, here.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import psycopg2

from event_store.database.migrate import migrate
from tests.conftest import execute
from tests.faults.ledger import Key, Ledger, Verdict, check
from tests.faults.proxy import Proxy
from tests.faults.readers import Lookups, Requests
from tests.faults.senders import GrpcSender, MqttSender, Worker, keys
from tests.support.processes import Mosquitto, PostgresServer, Service, wait_until

RECOVERY_MAX_S = 90.0
TOPIC = "eventindex/v1/json"
_POLL_S = 0.5
_SETTLED_S = 4.0
_W = TypeVar("_W", bound=Worker)


class Bench:
    """Everything that a scenario runs, ended by `close`.

    Attributes:
        server: PostgreSQL; `database` is the URL of a fresh, migrated database on it.
        link: the proxy that services reach it by; `database_by_link` is that URL.
        ledger: of all senders; `keys` gives them each event once.
        loss_max: how much the scenario may lose by what it states.
        conflicts_wanted: how many there must be in the end, where the scenario knows.
        note: what the scenario found out beside.
    """

    def __init__(self, server: PostgresServer, seed: int) -> None:
        self._stack = ExitStack()
        self.random = random.Random(seed)
        self.server = server
        self.ledger = Ledger()
        self.keys = keys()
        self.loss_max = 0
        self.conflicts_wanted: int | None = None
        self.note = ""
        self._workers: list[Worker] = []
        self._lookups: list[Lookups] = []
        self._services: list[Service] = []
        self._verdict: Verdict | None = None
        self._probe: psycopg2.extensions.connection | None = None
        self._stack.callback(self._forget_probe)
        name = f"faults_{uuid.uuid4().hex}"
        execute(server.url(), f"CREATE DATABASE {name}")
        self._stack.callback(self._drop_database, server, name)
        self.link = self.proxy(server.port)
        self.use_database(server.url(name), f"127.0.0.1:{self.link.port}")
        migrate(self.database)

    def use_database(self, url: str, hosts: str, options: str = "") -> None:
        """Check this database; the services reach it by `hosts`."""
        self._forget_probe()
        self.database = url
        name = url.rpartition("/")[2]
        self.database_by_link = f"postgresql://owner@{hosts}/{name}{options}"

    def own(self, thing: _Closable) -> None:
        """Close it at the end."""
        self._stack.callback(thing.close)

    def proxy(self, port: int) -> Proxy:
        """A proxy to a port."""
        proxy = Proxy(port)
        self.own(proxy)
        return proxy

    def broker(self, save_after: int = 20_000) -> Mosquitto:
        """A running broker that saves after so many changes and when it is stopped."""
        broker = Mosquitto(f"autosave_interval {save_after}")
        self.own(broker)
        broker.start()
        return broker

    def ingest(self, mqtt_port: int | None = None, **settings: Any) -> Service:
        """A running ingest service on the linked database, with a broker or without."""
        if mqtt_port is not None:
            settings = {
                "mqtt_url": f"mqtt://127.0.0.1:{mqtt_port}",
                "mqtt_keepalive_s": 5,
                "mqtt_reconnect_max_s": 1,
                **settings,
            }
        return self._service("ingest_service", retry_max_s=0.5, **settings)

    def index(self, **settings: Any) -> Service:
        """A running index service on the linked database."""
        return self._service("index_service", index_workers=1, **settings)

    def gateway(self, index: Service, ingest: Service) -> Service:
        """A running gateway before both."""
        addresses = {"index_address": index.address, "ingest_address": ingest.address}
        return self._service("rest_gateway", **addresses)

    def _service(
        self, module: str, *, environment: dict[str, str] | None = None, **settings: object
    ) -> Service:
        service = Service(module, **{"database_url": self.database_by_link, **settings})
        service.settings |= environment or {}
        self.own(service)
        self._services.append(service)
        return service.start()

    def mqtt(self, port: int, rate: float = 500, **more: object) -> MqttSender:
        """Load over MQTT, events a second."""
        topic = f"{TOPIC}/{len(self._workers)}"
        source = more.pop("source", self.keys)
        return self.begin(MqttSender(port, topic, self.ledger, source, rate=rate, **more))

    def grpc(self, service: Service, rate: float = 1_000, **more: object) -> GrpcSender:
        """Load over gRPC, events a second."""
        source: Iterator[Key] = more.pop("source", self.keys)
        return self.begin(GrpcSender(service.address, self.ledger, source, rate=rate, **more))

    def lookups(self, service: Service, retry_s: float = 0) -> Lookups:
        """Lookups of committed events, one after the other, each tried again for so long."""
        lookups = self.begin(Lookups(service.address, self.ledger, retry_s=retry_s))
        self._lookups.append(lookups)
        return lookups

    def requests(self, gateway: Service) -> Requests:
        """The same over HTTP, an event each."""
        return self.begin(Requests(gateway.address, self.ledger))

    def begin(self, worker: _W) -> _W:
        """Start it, and stop it before the verdict."""
        self._workers.append(worker)
        worker.start()
        return worker

    def check_workers(self) -> None:
        """Raise what ended a worker before its time."""
        for worker in self._workers:
            worker.check()

    def between(self, shortest_s: float, longest_s: float) -> None:
        """Let the load run for a random time."""
        time.sleep(self.random.uniform(shortest_s, longest_s))

    def stored(self) -> int:
        """Events in the index; -1 while the database does not answer."""
        # Asked often: a connection for each would take more time than the services under test.
        try:
            if self._probe is None or self._probe.closed:
                self._probe = psycopg2.connect(self.database)
                self._probe.autocommit = True
            with self._probe.cursor() as cursor:
                cursor.execute("SELECT coalesce(sum(n_events), 0) FROM run")
                return int(cursor.fetchone()[0])
        except psycopg2.Error:
            self._forget_probe()
            return -1

    def _forget_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def connect(self) -> psycopg2.extensions.connection:
        """A connection of the scenario's own to the database, past the proxy."""
        connection = psycopg2.connect(self.database)
        self.own(connection)
        return connection

    def goes_on(self) -> float:
        """Wait until events are stored again; after how many seconds."""
        began = time.monotonic()
        known = wait_until(lambda: self.stored() + 1, RECOVERY_MAX_S, "database") - 1
        wait_until(lambda: self.stored() > known, RECOVERY_MAX_S, "new events in the index")
        return time.monotonic() - began

    def verdict(self) -> Verdict:
        """End the load, let everything that was acknowledged be stored, and compare."""
        if self._verdict is None:
            self._verdict = self._judge()
        return self._verdict

    def _judge(self) -> Verdict:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()
        self._settle()
        for service in self._services:
            if service.process is not None and service.process.poll() is None:
                assert service.terminate() == 0, service.tail()
        verdict = check(self.ledger, self.database)
        for lookups in self._lookups:
            verdict.problems += lookups.wrong
        if verdict.lost > self.loss_max or verdict.doubled:
            verdict.problems.insert(0, f"may lose {self.loss_max}")
        elif self.loss_max:
            verdict.problems = [p for p in verdict.problems if not p.startswith("lost: ")]
        return verdict

    def _settle(self) -> None:
        """Look until nothing is lost, or nothing has changed for a while."""
        verdict = check(self.ledger, self.database)
        changed = time.monotonic()
        while verdict.lost:
            enough_s = _SETTLED_S if verdict.lost <= self.loss_max else RECOVERY_MAX_S / 3
            if time.monotonic() - changed > enough_s:
                return
            time.sleep(_POLL_S)
            again = check(self.ledger, self.database)
            if again != verdict:
                changed = time.monotonic()
            verdict = again

    @staticmethod
    def _drop_database(server: PostgresServer, name: str) -> None:
        if server.running:
            execute(server.url(), f"DROP DATABASE {name} WITH (FORCE)")

    def tell(self) -> None:
        """Print the last lines that the services said."""
        for service in self._services:
            print(f"--- {service.module}\n{service.tail()}")

    def close(self) -> None:
        """End everything."""
        for worker in self._workers:
            worker.stopping.set()
        self._stack.close()


class _Closable:
    def close(self) -> None: ...
