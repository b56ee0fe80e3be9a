"""When certificates end, for Prometheus."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service_kit.certificates import CertificateExpiry, expiry_of
from service_kit.errors import WrongSettingError
from service_kit.settings import Settings
from service_kit.tls_files import check_files
from tests.support.ingest import make_certificates
from tests.support.processes import run_python


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key behind it, as many servers keep it."""
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", file, "-out", file], check=True)
    return file


def test_the_end_of_a_certificate_is_read(pem: Path) -> None:
    """The time is the one that openssl prints."""
    done = subprocess.run(
        ["openssl", "x509", "-in", pem, "-noout", "-enddate"],
        check=True,
        capture_output=True,
        text=True,
    )
    said = done.stdout.strip().partition("=")[2]
    assert expiry_of(pem.read_text("ascii")) == ssl.cert_time_to_seconds(said)


def test_a_file_that_is_not_there_costs_its_line_alone(pem: Path, tmp_path: Path) -> None:
    """Metrics go on, and the other certificates are there."""
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    registry = CollectorRegistry()
    files = {"A": pem, "B": tmp_path / "none.pem", "C": broken}
    registry.register(CertificateExpiry(files))
    name = "eventindex_tls_certificate_expiry_timestamp_seconds"
    found = {label: registry.get_sample_value(name, {"file": label}) for label in files}
    assert found == {"A": expiry_of(pem.read_text("ascii")), "B": None, "C": None}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, certificates, and a key that asks for a password."""
    folder = tmp_path_factory.mktemp("files")
    make_certificates(folder)
    encrypt = "openssl ec -in server.key -aes256 -passout pass:secret -out locked.key"
    subprocess.run(encrypt.split(), check=True, cwd=folder, capture_output=True)
    (folder / "text").write_text("no certificate\n")
    return folder


# A server as gRPC makes it, and somebody who speaks no TLS to it.
HANDSHAKE = """
import service_kit, grpc, socket, sys
from concurrent import futures
from pathlib import Path
key, cert = (Path(sys.argv[1], f"server.{kind}").read_bytes() for kind in ("key", "pem"))
server = grpc.server(futures.ThreadPoolExecutor(1))
port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
server.start()
with socket.create_connection(("127.0.0.1", port)) as client:
    client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    while client.recv(100):
        pass
server.stop(0).wait()
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_handshake_that_fails_leaves_no_line_that_is_no_json(
    log_format: str, files: Path
) -> None:
    """What gRPC's core says by itself is text; a collector of JSON lines would stumble over it."""
    program = HANDSHAKE.replace("sys.argv[1]", repr(str(files)))
    said = run_python(program, EVENTINDEX_LOG_FORMAT=log_format).stderr
    assert ("Handshake failed" in said, bool(said)) == ((log_format == "text"),) * 2


@pytest.mark.parametrize(
    ("cert", "key", "client_ca", "services_ca", "said"),
    [
        ("server.pem", "server.key", "ca.pem", "ca.pem", ""),
        ("absent", "server.key", None, None, "EVENTINDEX_TLS_CERT=/absent: No such file"),
        ("server.pem", "absent", None, None, "EVENTINDEX_TLS_KEY=/absent: No such file"),
        ("text", "server.key", None, None, "EVENTINDEX_TLS_CERT=/text, EVENTINDEX_TLS_KEY="),
        ("server.pem", "client.key", None, None, "EVENTINDEX_TLS_KEY=/client.key: KEY_VALUES_MISM"),
        ("server.pem", "locked.key", None, None, "the key is encrypted"),
        ("server.pem", "server.key", "text", None, "EVENTINDEX_TLS_CLIENT_CA=/text: "),
        (None, None, None, "text", "EVENTINDEX_HTTP_SERVICES_TLS_CA=/text: "),
    ],
)
def test_what_cannot_be_used_is_named_at_the_start(
    cert: str | None,
    key: str | None,
    client_ca: str | None,
    services_ca: str | None,
    said: str,
    files: Path,
) -> None:
    """The variable and the file, in one line; nobody is asked for a password on a terminal."""
    given = {"tls_cert": cert, "tls_key": key, "tls_client_ca": client_ca}
    given["http_services_tls_ca"] = services_ca
    settings = Settings(
        _env_file=None, **{name: files / file for name, file in given.items() if file}
    )
    if not said:
        check_files(settings)
        return
    with pytest.raises(WrongSettingError) as refused:
        check_files(settings)
    assert said in str(refused.value).replace(str(files), "")
