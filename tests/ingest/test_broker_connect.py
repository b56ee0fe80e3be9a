"""Why a connection to the broker cannot be made is said: in the log, and in readiness."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from ingest_service.mqtt import connection as mqtt_client
from ingest_service.mqtt.connection import BrokerError, Connection
from ingest_service.mqtt.tls import reason_of, tls_context
from service_kit.settings import Settings
from tests.support.ingest import Topics, make_certificates
from tests.support.ports import free_port
from tests.support.processes import Mosquitto, Service, wait_until

V5 = MQTTProtocolVersion.MQTTv5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> dict[str, Path]:
    """Certificates that are in order, expired ones, and those of a CA as plain commands make it."""
    made = {}
    for name, options in {
        "good": {},
        "expired": {"days": 0},
        "old": {"ca_extensions": "old_ca"},
    }.items():
        made[name] = tmp_path_factory.mktemp(name)
        make_certificates(made[name], **options)
    return made


class Listener:
    """Accepts connections, with TLS where it is given certificates, and says nothing."""

    def __init__(self, directory: Path | None = None, *, asks_for_client: bool = False) -> None:
        self._context = None
        if directory:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(directory / "server.pem", directory / "server.key")
        if self._context and asks_for_client:
            self._context.load_verify_locations(directory / "ca.pem")
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                self._open.append(raw)
                with contextlib.suppress(OSError):
                    if self._context:
                        self._open.append(self._context.wrap_socket(raw, server_side=True))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # it wakes accept, which close does not
        self._thread.join()
        self._listener.close()
        for one in self._open:
            one.close()


def why(url: str, version: MQTTProtocolVersion = V5, **settings: object) -> str:
    """What is said of a connection that cannot be made."""
    try:
        connection = Connection(
            Settings(_env_file=None, mqtt_url=url, **settings), version, lambda *_: None
        )
    except OSError as error:
        return str(error)
    with pytest.raises(BrokerError) as error:
        connection.open()
    connection.close()
    return str(error.value)


def test_a_port_or_name_that_is_not_there():
    """Nobody listens, or the name is unknown: both are said with the address."""
    port = free_port()
    assert why(f"mqtt://127.0.0.1:{port}") == (
        f"cannot connect to the broker at 127.0.0.1:{port}: Connection refused"
    )
    assert "no-such-host.invalid:1883: its name is not found" in why("mqtt://no-such-host.invalid")


@pytest.mark.parametrize(
    ("server", "trusted", "said"),
    [
        ("good", "old", "its certificate is refused: unable to get local issuer certificate"),
        ("expired", "expired", "its certificate is refused: certificate has expired"),
    ],
)
def test_a_certificate_of_the_broker_that_is_refused(certificates, request, server, trusted, said):
    """A CA that does not know the broker, and a certificate that has expired, are told apart."""
    listener = Listener(certificates[server])
    request.addfinalizer(listener.close)
    url = f"mqtts://127.0.0.1:{listener.port}"
    assert said in why(url, mqtt_tls_ca=certificates[trusted] / "ca.pem")


def test_a_name_that_the_certificate_lacks(certificates, request):
    """A certificate for another name than the URL's is refused with that name."""
    listener = Listener(certificates["good"])
    request.addfinalizer(listener.close)
    url = f"mqtts://[::ffff:127.0.0.1]:{listener.port}"
    said = why(url, mqtt_tls_ca=certificates["good"] / "ca.pem")
    assert "IP address mismatch" in said


def test_a_broker_that_wants_a_client_certificate(certificates, request):
    """The broker's alert comes after the handshake, and is told all the same."""
    listener = Listener(certificates["good"], asks_for_client=True)
    request.addfinalizer(listener.close)
    said = why(f"mqtts://127.0.0.1:{listener.port}", mqtt_tls_ca=certificates["good"] / "ca.pem")
    assert "it wants a client certificate: set EVENTINDEX_MQTT_TLS_CERT" in said


def test_tls_to_a_port_without_it(mosquitto):
    """A broker that speaks no TLS on the port is told so, and not waited for."""
    said = why(f"mqtts://127.0.0.1:{mosquitto.port}")
    assert said.startswith(f"cannot connect to the broker at 127.0.0.1:{mosquitto.port}: ")
    assert "does it speak TLS on this port?" in said


@pytest.mark.parametrize("version", [V5, MQTTProtocolVersion.MQTTv311])
def test_a_wrong_password(request, version):
    """A refusal of the broker's is told in its words."""
    broker = Mosquitto()
    request.addfinalizer(broker.close)
    broker._config.write_text(
        broker._config.read_text().replace("anonymous true", "anonymous false")
    )
    broker.start()
    said = why(f"mqtt://user:wrong@127.0.0.1:{broker.port}", version)
    assert said.startswith("the broker refuses the connection: ")
    assert "uthori" in said or "password" in said


def test_a_broker_that_is_silent(request, monkeypatch):
    """A port that takes the connection and answers nothing is given up after a while."""
    monkeypatch.setattr(mqtt_client, "HANDSHAKE_TIMEOUT_S", 0.5)
    listener = Listener()
    request.addfinalizer(listener.close)
    assert why(f"mqtt://127.0.0.1:{listener.port}").startswith("no answer to CONNECT")


def test_files_that_cannot_be_used(certificates, tmp_path):
    """A file that is missing, is no certificate or is encrypted is named with its variable."""
    good = certificates["good"]
    cert, key = good / "client.pem", good / "client.key"
    (tmp_path / "no.pem").write_text("nothing")
    encrypted = tmp_path / "encrypted.key"
    command = ("openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", encrypted)
    subprocess.run(command, check=True, capture_output=True)
    url = "mqtts://127.0.0.1:1"
    assert f"EVENTINDEX_MQTT_TLS_CA={tmp_path}/none.pem: No such file" in why(
        url, mqtt_tls_ca=tmp_path / "none.pem"
    )
    assert "EVENTINDEX_MQTT_TLS_CA=" in why(url, mqtt_tls_ca=tmp_path / "no.pem")
    assert "EVENTINDEX_MQTT_TLS_CERT=" in why(
        url, mqtt_tls_cert=tmp_path / "none.pem", mqtt_tls_key=key
    )
    other = certificates["old"] / "client.key"
    assert f"EVENTINDEX_MQTT_TLS_KEY={other}: KEY_VALUES_MISMATCH" in why(
        url, mqtt_tls_cert=cert, mqtt_tls_key=other
    )
    assert "the key is encrypted" in why(url, mqtt_tls_cert=cert, mqtt_tls_key=encrypted)


@pytest.mark.parametrize("made", ["good", "old"])
def test_strict_verification(certificates, request, made):
    """As Python 3.13 verifies: the tests' own CA passes, one without key usage gets a hint."""
    listener = Listener(certificates[made])
    request.addfinalizer(listener.close)
    context = tls_context(Settings(_env_file=None, mqtt_tls_ca=certificates[made] / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", listener.port)) as raw:
        if made == "good":
            context.wrap_socket(raw, server_hostname="127.0.0.1").close()
            return
        with pytest.raises(ssl.SSLCertVerificationError) as error:
            context.wrap_socket(raw, server_hostname="127.0.0.1")
    said = reason_of(error.value)
    assert said.startswith("its certificate is refused: ")
    assert "RFC 5280" in said


def test_the_reason_is_in_the_log_and_in_readiness(database_url, certificates, request):
    """Whoever looks at a service that waits for its broker reads why, at both places."""
    listener = Listener(certificates["good"])
    request.addfinalizer(listener.close)
    service = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=f"mqtts://user:secret@127.0.0.1:{listener.port}",
        mqtt_tls_ca=certificates["old"] / "ca.pem",
        **Topics().settings,
    )
    request.addfinalizer(service.close)
    service.start(wait="/healthz")
    said = f"cannot connect to the broker at 127.0.0.1:{listener.port}: its certificate is refused"
    wait_until(lambda: said in service.page("/readyz")[1], what="the reason")
    assert service.page("/readyz")[0] == 503
    assert said in service.tail()
    assert "secret" not in service.tail()
