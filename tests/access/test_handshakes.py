"""Real handshakes: who gets a connection, what a certificate's subject may do, and renewal."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest

from eventindex import certificates
from eventindex.v1 import admin_pb2, lookup_pb2, lookup_pb2_grpc
from ingest_service.admin.tokens import create_without_service
from service_kit.settings_gateway import HTTP_CONNECTIONS_PER_ADDRESS_MAX
from tests.access.conftest import make
from tests.support.processes import Service, wait_until

LOOKUP = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
SUBJECTS = "CN=reco-*=lookup,CN=daq=ingest;CN=boss=admin"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
DENIED = grpc.StatusCode.PERMISSION_DENIED


class Behind(NamedTuple):
    """A service that asks for certificates, and the directory of its files."""

    files: Path
    index: Service
    gateway: Service
    database_url: str

    def ask(
        self,
        client: str | None,
        *,
        ca: Path | None = None,
        name: str = "localhost",
        token: str | None = None,
    ) -> grpc.StatusCode:
        """The status of a lookup with a client's certificate."""
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        with self.channel(client, ca=ca, name=name) as channel:
            stub = lookup_pb2_grpc.IndexServiceStub(channel)
            call = stub.Lookup.future(LOOKUP, timeout=20, metadata=metadata)
            try:
                call.result()
            except grpc.RpcError as error:
                return error.code()
        return grpc.StatusCode.OK

    def channel(
        self, client: str | None, *, ca: Path | None = None, name: str = "localhost"
    ) -> grpc.Channel:
        own = (f"{client}.key", f"{client}.pem") if client else ()
        credentials = grpc.ssl_channel_credentials(
            (ca or self.files / "ca.pem").read_bytes(),
            *[(self.files / file).read_bytes() for file in own],
        )
        options = [("grpc.ssl_target_name_override", name)]
        return grpc.secure_channel(self.index.address, credentials, options)

    def serial(self, address: str) -> int:
        """The serial number of the certificate that a server shows now."""
        host, _, port = address.rpartition(":")
        context = ssl._create_unverified_context()
        context.load_cert_chain(self.files / "reco-1.pem", self.files / "reco-1.key")
        with (
            socket.create_connection((host, int(port)), timeout=20) as plain,
            context.wrap_socket(plain) as tls,
        ):
            shown = tls.getpeercert(binary_form=True)
        return int(certificates.x509.load_der_x509_certificate(shown).serial_number)


def https(
    behind: Behind, pair: str | Path | None = "reco-1", ca: Path | None = None
) -> httpx.Client:
    """A client of the gateway with a certificate, or none."""
    context = ssl.create_default_context(cafile=(ca or behind.files) / "ca.pem")
    if pair is not None:
        names = [(behind.files / pair).with_suffix(kind) for kind in (".pem", ".key")]
        context.load_cert_chain(*names)
    return httpx.Client(verify=context, base_url=f"https://{behind.gateway.address}", timeout=20)


def lookup_token(behind: Behind) -> str:
    wanted = admin_pb2.CreateTokenRequest(subject="x", scopes=["lookup"], lifetime_seconds=600)
    return create_without_service(behind.database_url, wanted).secret


def status(behind: Behind, pair: Path | None, ca: Path | None = None) -> int | None:
    """The status of a page; None without a connection."""
    try:
        with https(behind, pair, ca) as http:
            return http.get("/").status_code
    except httpx.TransportError:
        return None


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(scope="module")
def behind(postgres, _template, tmp_path_factory) -> Iterator[Behind]:
    """index_service and rest_gateway with certificates for both sides."""
    from tests.conftest import execute  # beside the fixtures of conftest

    files = tmp_path_factory.mktemp("tls")
    make(files, "reco-1", "daq", "boss", "stranger")
    execute(postgres.url(), f"CREATE DATABASE handshakes TEMPLATE {_template}")
    settings = {
        "database_url": postgres.url("handshakes"),
        "tls_cert": files / "server.pem",
        "tls_key": files / "server.key",
        "tls_client_ca": files / "ca.pem",
    }
    index = Service("index_service", tls_client_subjects=SUBJECTS, index_workers=1, **settings)
    gateway = Service(
        "rest_gateway",
        index_address=index.address,
        http_services_tls_ca=files / "ca.pem",
        tls_client_subjects=SUBJECTS,
        **settings,
    )
    index.start()
    gateway.start(wait="/healthz")
    wait_until(lambda: listens(gateway.address), what="HTTP")
    yield Behind(files, index, gateway, postgres.url("handshakes"))
    gateway.close()
    index.close()
    execute(postgres.url(), "DROP DATABASE handshakes WITH (FORCE)")


def test_a_handshake_needs_a_certificate_of_our_ca_that_is_valid(behind, tmp_path) -> None:
    """No certificate, another CA's, an expired one, and a server of another name: no connection."""
    make(tmp_path, "reco-1")
    authority = certificates.certificate_authority(behind.files)
    certificates.write_pair(
        behind.files, "expired", certificates.client_certificate(authority, "reco-9", 0)
    )
    for name in ("reco-1.pem", "reco-1.key"):
        (behind.files / name.replace("reco-1", "foreign")).write_bytes(
            (tmp_path / name).read_bytes()
        )
    assert behind.ask(None) is UNAVAILABLE
    assert behind.ask("foreign") is UNAVAILABLE
    assert behind.ask("expired") is UNAVAILABLE
    assert behind.ask("reco-1", ca=tmp_path / "ca.pem") is UNAVAILABLE
    assert behind.ask("reco-1", name="index.example.org") is UNAVAILABLE
    assert behind.ask("reco-1") is grpc.StatusCode.OK


def test_https_needs_a_certificate_of_our_ca_that_is_valid(behind, tmp_path) -> None:
    """The same over HTTP: who has no certificate that counts gets no answer, not even a refusal."""
    make(tmp_path, "foreign")
    authority = certificates.certificate_authority(behind.files)
    certificates.write_pair(
        tmp_path, "expired", certificates.client_certificate(authority, "reco-9", 0)
    )

    ours = behind.files / "reco-1"
    assert status(behind, None) is None
    assert status(behind, tmp_path / "foreign") is None
    assert status(behind, tmp_path / "expired") is None
    assert status(behind, ours, ca=tmp_path) is None
    with https(behind) as http, pytest.raises(httpx.ConnectError):
        http.get("/", extensions={"sni_hostname": "index.example.org"})
    assert status(behind, ours) == 200


def test_a_subject_may_do_what_its_pattern_says(behind) -> None:
    """A certificate without a pattern, or of other scopes, is denied; a token decides by itself."""
    assert behind.ask("reco-1") is grpc.StatusCode.OK
    assert behind.ask("boss") is grpc.StatusCode.OK
    assert behind.ask("daq") is DENIED
    assert behind.ask("stranger") is DENIED
    token = lookup_token(behind)
    assert behind.ask("stranger", token=token) is grpc.StatusCode.OK
    assert behind.ask("boss", token=token[:-4] + "AAAA") is grpc.StatusCode.UNAUTHENTICATED
    # Streams are held by the same rule.
    with behind.channel("stranger") as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        for call in (
            stub.LookupStream(iter([LOOKUP])),
            stub.ListEvents(lookup_pb2.ListEventsRequest()),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                list(call)
            assert refused.value.code() is DENIED
    # Over HTTP the subject is not looked at: calls need a token, whoever connects.
    with https(behind, "boss") as http:
        assert http.get("/api/v1/runs").status_code == 401


def test_certificates_are_renewed_while_streams_run(behind) -> None:
    """New connections see the new certificate, gRPC and HTTP alike; what is open goes on."""
    before = [behind.serial(service.address) for service in (behind.index, behind.gateway)]
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    headers = {"Authorization": f"Bearer {lookup_token(behind)}", "Content-Type": "text/plain"}
    with behind.channel("reco-1") as channel, https(behind) as http:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        stream = stub.LookupStream(iter(requests.get, None), timeout=120)
        requests.put(LOOKUP)
        assert next(stream).not_found == 1

        def upload() -> Iterator[bytes]:
            yield b"1 1\n"
            # A half that does not fit to the other is not taken.
            pem = behind.files / "server.pem"
            pem.write_bytes(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
            assert behind.serial(behind.index.address) == before[0]
            make(behind.files, "reco-1", "daq", "boss", "stranger")
            for service, old in zip((behind.index, behind.gateway), before, strict=True):
                assert wait_until(lambda s=service, o=old: behind.serial(s.address) != o)
            # The gateway's own connection to the index comes back: until then it asks to try again.
            with https(behind) as other:
                path = "/api/v1/runs"
                assert wait_until(lambda: other.get(path, headers=headers).status_code == 200)
            yield b"1 2\n"

        answer = http.post("/api/v1/lookup", content=upload(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["not_found"] == 2
        requests.put(LOOKUP)
        assert next(stream).not_found == 1
        requests.put(None)
    assert behind.ask("reco-1") is grpc.StatusCode.OK


def test_a_ca_that_is_replaced_is_trusted_no_more(behind, tmp_path) -> None:
    """Certificates of the old one open nothing once the file names another."""
    make(tmp_path, "reco-1")
    old, ours = (behind.files / "ca.pem").read_bytes(), behind.files / "reco-1"
    assert status(behind, ours) == 200
    (behind.files / "ca.pem").write_bytes((tmp_path / "ca.pem").read_bytes())
    ours_trusted = tmp_path / "ours"
    ours_trusted.mkdir()
    (ours_trusted / "ca.pem").write_bytes(old)
    try:
        assert wait_until(lambda: status(behind, ours, ours_trusted) is None, what="a refusal")
        assert status(behind, tmp_path / "reco-1", ours_trusted) == 200
        assert behind.ask("reco-1", ca=ours_trusted / "ca.pem") is UNAVAILABLE
    finally:
        (behind.files / "ca.pem").write_bytes(old)
    assert wait_until(lambda: status(behind, ours) == 200, what="trust again")


@pytest.mark.slow
def test_a_handshake_that_does_not_end_is_cut(behind) -> None:
    """Who is silent, or stops in the middle, is let go in ten seconds; others are answered."""
    hello = bytes.fromhex("1603010200010001fc0303")
    silent = []
    for service in (behind.index, behind.gateway):
        host, _, port = service.address.rpartition(":")
        for first in (b"", hello):
            silent.append(socket.create_connection((host, int(port)), timeout=25))
            silent[-1].sendall(first)
    began = time.monotonic()
    assert behind.ask("reco-1") is grpc.StatusCode.OK
    with https(behind) as http:
        assert http.get("/").status_code == 200
    for one in silent:
        with one, contextlib.suppress(ConnectionResetError):
            while one.recv(4096):
                pass
    assert 5 < time.monotonic() - began < 20


def test_an_address_has_some_handshakes(behind) -> None:
    """They count as its connections do: one more is cut at once."""
    host, _, port = behind.gateway.address.rpartition(":")
    with contextlib.ExitStack() as stack:
        for _ in range(HTTP_CONNECTIONS_PER_ADDRESS_MAX):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
        more = stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
        with contextlib.suppress(ConnectionResetError):
            assert more.recv(1) == b""
    ours = behind.files / "reco-1"
    assert wait_until(lambda: status(behind, ours) == 200, what="an answer after they left")
