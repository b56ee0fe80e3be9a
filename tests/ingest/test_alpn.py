"""The bridge through a TLS front that insists on ALPN and a client certificate, as AWS IoT does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest

from tests.support.ingest import Publisher, Topics, json_event, make_certificates, wait_for_events
from tests.support.processes import Service, server_directory

ALPN = "x-amzn-mqtt-ca"


class TlsFront:
    """Ends TLS and passes the plain bytes on to a broker; notes what each client asked for."""

    def __init__(self, directory, broker_port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.pem", directory / "server.key")
        context.load_verify_locations(directory / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols([ALPN])
        self._context = context
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.agreed: list[str | None] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(raw,), daemon=True).start()

    def _pass_on(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(raw, server_side=True) as tls:
            self.agreed.append(tls.selected_alpn_protocol())
            if self.agreed[-1] != ALPN:
                return
            with socket.create_connection(("127.0.0.1", self._broker_port)) as plain:
                back = threading.Thread(target=_copy, args=(plain, tls), daemon=True)
                back.start()
                _copy(tls, plain)
                back.join(5)

    def close(self) -> None:
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def front(mosquitto):
    directory = server_directory("tls")
    make_certificates(directory)
    opened = TlsFront(directory, mosquitto.port)
    opened.directory = directory
    yield opened
    opened.close()


def test_the_bridge_speaks_alpn_with_its_certificate(database_url, mosquitto, front, request):
    """With ALPN, client certificate and a window of 100, events come in and are acknowledged."""
    topics = Topics()
    service = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=f"mqtts://127.0.0.1:{front.port}",
        mqtt_tls_ca=front.directory / "ca.pem",
        mqtt_tls_cert=front.directory / "client.pem",
        mqtt_tls_key=front.directory / "client.key",
        mqtt_alpn=ALPN,
        mqtt_receive_maximum=100,
        **topics.settings,
    )
    request.addfinalizer(service.close)
    service.start()
    publisher = Publisher(mosquitto.port)
    request.addfinalizer(publisher.close)
    publisher.publish(topics.json, *[json_event(1, event) for event in range(500)])
    wait_for_events(database_url, 500)
    assert set(front.agreed) == {ALPN}
    assert service.terminate() == 0
