"""What the tests of the ingest service share: a publisher, topics of a test's own, certificates."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import uuid
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import query
from tests.support.processes import Service, wait_until

FUID = "01234567-89ab-cdef-0123-456789abcdef"


def json_event(run: int, event: int, olt: int = 0, dsid: int = 4, fuid: str = FUID) -> str:
    """Return one event as JSON."""
    names = ("run_number", "event_number", "olt_result", "dsid_raw", "fuid_raw")
    return json.dumps(dict(zip(names, (run, event, olt, dsid, fuid), strict=True)))


class Publisher:
    """Publishes at QoS 1 and remembers what the broker acknowledged."""

    def __init__(self, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"pub-{uuid.uuid4().hex}")
        self._client.max_inflight_messages_set(1000)
        self._client.on_publish = self._published
        self._open: set[int] = set()
        self._early: set[int] = set()
        self._changed = threading.Condition()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def publish(self, topic: str, *payloads: str | bytes) -> None:
        """Send messages; does not wait for the broker, unless 5,000 are on the way."""
        for payload in payloads:
            self._wait(lambda: len(self._open) < 5_000)
            mid = self._client.publish(topic, payload, qos=1).mid
            with self._changed:
                if mid in self._early:
                    self._early.discard(mid)
                else:
                    self._open.add(mid)

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything."""
        self._wait(lambda: not self._open)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _published(self, _client, _data, mid, _code, _properties) -> None:
        with self._changed:
            if mid in self._open:
                self._open.discard(mid)
            else:
                self._early.add(mid)
            self._changed.notify_all()

    def _wait(self, check) -> None:
        with self._changed:
            assert self._changed.wait_for(check, 60), "the broker does not acknowledge"


class BrokerInFront:
    """In front of a broker, to behave as other brokers do."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def admit(self, first: bytes, client: socket.socket) -> bytes | None:
        """What the broker gets to see of a client's CONNECT; None ends the connection."""
        return first

    def passes(self, data: bytes) -> bool:
        """Whether a client may send this; False ends the connection."""
        return True

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            first = self.admit(client.recv(4096), client)
            if first is None:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._upstream))
            server.sendall(first)
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with source, sink:
            try:
                while (data := source.recv(65_536)) and self.passes(data):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


class Topics:
    """Topic prefixes and a client id of one test, as settings: the broker serves all tests."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.json = f"{self.id}/json/x"
        self.batch = f"{self.id}/batch/x"

    def cosmic(self, detector: str) -> str:
        """Return the topic of a detector."""
        return f"{self.id}/cosmic/{detector}/event"

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that the service needs."""
        return {
            "mqtt_client_id": f"ingest-{self.id}",
            "mqtt_topic_json": f"{self.id}/json",
            "mqtt_topic_batch": f"{self.id}/batch",
            "mqtt_topic_cosmic": f"{self.id}/cosmic",
        }


def count_events(url: str) -> int:
    """Return the number of events in the index."""
    return query(url, "SELECT coalesce(sum(n_events), 0) FROM event_page")[0][0]


def wait_for_events(url: str, number: int, timeout: float = 30.0) -> None:
    """Wait until the index holds so many events."""
    wait_until(lambda: count_events(url) >= number, timeout, f"{number} events")
    assert count_events(url) == number


def check_balance(service: Service, door: str = "mqtt") -> None:
    """Check that every event that came in is accounted for."""

    def balanced() -> bool:
        parts = ("inserted", "duplicate", "conflict", "rejected", "storing")
        names = [f"eventindex_ingest_{part}_events" for part in parts]
        values = [
            door_metric(service, name if "storing" in name else f"{name}_total", door)
            for name in names
        ]
        return sum(values) == door_metric(service, "eventindex_ingest_received_events_total", door)

    wait_until(balanced, 10, "balance")


def door_metric(service: Service, name: str, door: str) -> float:
    """Return the sum of a metric's samples of one door."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in service.page("/metrics")[1].splitlines()
        if line.startswith(f"{name}{{") and f'door="{door}"' in line
    )


_CA_EXTENSIONS = """\
[req]
distinguished_name = name
x509_extensions = ca
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[old_ca]
basicConstraints = CA:TRUE
subjectKeyIdentifier = hash
"""
_LEAF_EXTENSIONS = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def make_certificates(directory: Path, *, ca_extensions: str = "ca", days: int = 2) -> None:
    """Write a CA, a server's and a client's certificate (ca, server, client: .pem and .key).

    With the extensions of RFC 5280, which Python 3.13 asks for. `ca_extensions="old_ca"` makes a CA
    without them; `days` is how long the server's and the client's are valid.
    """

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=directory, capture_output=True)

    (directory / "ca.cnf").write_text(_CA_EXTENSIONS)
    (directory / "leaf.cnf").write_text(_LEAF_EXTENSIONS)
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        *("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
        *("-config", "ca.cnf", "-extensions", ca_extensions, "-subj", "/CN=ca"),
    )
    for name in ("server", "client"):
        openssl("req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", str(days), "-extfile", "leaf.cnf"),
            *("-out", f"{name}.pem"),
        )
    for path in directory.iterdir():
        path.chmod(0o644)
