"""The whole system for the stateful test: PostgreSQL, a broker and both services, crashed at will.

Serves all examples: each takes runs, datasets, files and topics that no other has.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

import eventindex
from event_store.database.migrate import migrate
from eventindex.columns import serialize
from eventindex.v1 import event_pb2
from tests.conftest import query
from tests.model.index import Key, Offer, Value
from tests.support.given_server import GivenServer
from tests.support.ingest import Publisher, Topics
from tests.support.processes import Mosquitto, PostgresServer, Service, wait_until

NUMBER_MAX = 2**63 - 1


class Example:
    """The numbers of one example."""

    def __init__(self, number: int) -> None:
        self.runs = [8 * number, 8 * number + 1, 8 * number + 2, NUMBER_MAX - number]
        self.sentinel_run = 8 * number + 7
        self.dsids = [4 * number + i for i in range(3)]
        self.fuids = [str(uuid.UUID(int=(number << 8) + i)) for i in range(4)]
        self.sentinels = itertools.count()
        self._number = number

    def file(self, index: int) -> tuple[str, int]:
        """One of twelve files: four ids, each with three datasets."""
        return self.fuids[index % 4], self.dsids[index // 4]

    @property
    def collection(self) -> str:
        """The name of its second collection."""
        return f"model.{self._number}"

    def derived_file(self, index: int) -> tuple[str, int]:
        """One of two files of the second collection, in a dataset of its own."""
        return str(uuid.UUID(int=(self._number << 8) + 16 + index % 2)), 500_000_000 + self._number

    def sentinel(self) -> Offer:
        """An event of no interest, never sent before."""
        value = Value(str(uuid.UUID(int=(self._number << 8) + 9)), 4 * self._number + 3, 0)
        return Offer((self.sentinel_run, next(self.sentinels)), value)

    def source(self) -> str:
        """The last level of its topics."""
        return f"example-{self._number}"


class System:
    """Real servers; what is asked of them goes through the Python client and the broker."""

    def __init__(self, given: GivenServer | None = None, given_url: str = "") -> None:
        """Start them; a server that is given is no child, and its database is at a URL."""
        self._given = given
        self.postgres = None if given else PostgresServer()
        if self.postgres:
            self.postgres.start()
            migrate(self.postgres.url())
        self.database_url = self.postgres.url() if self.postgres else given_url
        self.broker = Mosquitto()
        self.broker.start()
        self._topics = Topics()
        self.ingest = Service(
            "ingest_service",
            database_url=self.database_url,
            mqtt_url=self.broker.url,
            retry_max_s=0.2,
            mqtt_reconnect_max_s=1,
            **self._topics.settings,
        ).start()
        # The smallest cache there is: pages leave it and come back.
        self.index = Service(
            "index_service", database_url=self.database_url, cache_bytes_max=1 << 20
        ).start()
        self.publisher = Publisher(self.broker.port)
        self.client = eventindex.connect(self.index.address, ingest_address=self.ingest.address)
        self._examples = itertools.count(1)

    def example(self) -> Example:
        """Numbers for a new example."""
        return Example(next(self._examples))

    def close(self) -> None:
        """Stop everything."""
        self.client.close()
        self.publisher.close()
        for server in (self.index, self.ingest, self.broker, self.postgres):
            if server:
                server.close()

    def store(self, offers: Sequence[Offer], collection: str = "raw") -> eventindex.Ack:
        """Ingest one batch over gRPC."""
        (ack,) = self.client.ingest([replace(to_columns(offers), collection=collection)])
        return ack

    def publish(
        self, example: Example, batches: Sequence[Sequence[Offer]], kind: str, bad: Sequence[bytes]
    ) -> None:
        """Send batches, and some bytes that are none, over MQTT; returns when the broker has it."""
        topic = self.topic(example, kind)
        encode = to_json if kind == "json" else to_protobuf
        self.publisher.publish(topic, *(encode(batch) for batch in batches), *bad)
        self.publisher.flush()

    def topic(self, example: Example, kind: str) -> str:
        """The topic of an example's messages."""
        return f"{self._topics.id}/{kind}/{example.source()}"

    def wait_until_stored(self, example: Example, kind: str) -> None:
        """Wait until everything that was published to a topic before is committed."""
        sentinel = example.sentinel()
        self.publish(example, [[sentinel]], kind, [])
        wait_until(lambda: self.client.lookup([sentinel.key]).found, 60, "the last message")

    def dead_letters(self, example: Example) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of an example's dead letters."""
        rows = query(
            self.database_url,
            "SELECT topic, payload FROM dead_letter WHERE topic LIKE %s",
            (f"%/{example.source()}",),
        )
        return ((topic, bytes(payload)) for topic, payload in rows)

    @contextmanager
    def crashing(self, what: str, after_ms: int) -> Iterator[None]:
        """Crash something while the body runs, and start it again; returns when it is back."""
        crash = {
            "ingest": lambda: _restart(self.ingest, self.ingest.kill),
            "ingest by SIGTERM": lambda: _restart(self.ingest, self.ingest.terminate),
            "index": lambda: _restart(self.index, self.index.kill),
            "database": self._restart_database,
            "nothing": lambda: None,
        }[what]
        thread = _Harm(crash, after_ms / 1000)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if thread.error is not None:
            raise thread.error
        # What may not be repeated is not tried again by the client: connect before.
        self.store([])

    def _restart_database(self) -> None:
        if self._given:
            self._given.end_sessions(self.database_url.rpartition("/")[2])
            return
        self.postgres.kill()
        self.postgres.start()


class _Harm(threading.Thread):
    """Does harm after a while; keeps what went wrong with it."""

    def __init__(self, crash: Callable[[], None], after_s: float) -> None:
        super().__init__(daemon=True)
        self._crash = crash
        self._after_s = after_s
        self.error: BaseException | None = None

    def run(self) -> None:
        time.sleep(self._after_s)
        try:
            self._crash()
        except BaseException as error:  # noqa: BLE001  # raised again by crashing()
            self.error = error


def _restart(service: Service, end: Callable[[], object]) -> None:
    end()
    service.start()


def to_columns(offers: Sequence[Offer]) -> eventindex.EventColumns:
    """Offers as the client takes them."""
    files: dict[tuple[str, int], int] = {}
    indexes = [files.setdefault(value[:2], len(files) + 1) for _, value in offers]
    return eventindex.EventColumns(
        files=[eventindex.RawFile(*file) for file in files],
        run_numbers=np.array([key[0] for key, _ in offers], np.int64),
        event_numbers=np.array([key[1] for key, _ in offers], np.int64),
        file_indexes=indexes,
        olt_results=np.array([value.olt_result for _, value in offers], np.uint64),
    )


def to_json(offers: Sequence[Offer]) -> bytes:
    """Offers as an array on the JSON topic."""
    return json.dumps([json_fields(offer) for offer in offers]).encode()


def json_fields(offer: Offer) -> dict[str, object]:
    """The fields of an event on the JSON topic."""
    return {"run_number": offer.key[0], "event_number": offer.key[1], **offer.value._asdict()}


def to_protobuf(offers: Sequence[Offer]) -> bytes:
    """Offers as an EventBatch."""
    return serialize(0, to_columns(offers)).data


def from_dead_letter(kind: str, payload: bytes) -> Offer:
    """The event that a dead letter of one event holds."""
    if kind == "json":
        fields = json.loads(payload)
        key: Key = (fields["run_number"], fields["event_number"])
        return Offer(key, Value(fields["fuid_raw"], fields["dsid_raw"], fields["olt_result"]))
    batch = event_pb2.EventBatch.FromString(payload)
    file = batch.files[batch.file_indexes[0] - 1]
    olt = batch.olt_results[0] if batch.olt_results else 0
    return Offer(
        (batch.run_numbers[0], batch.event_numbers[0]), Value(file.fuid_raw, file.dsid_raw, olt)
    )
