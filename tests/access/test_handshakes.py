"""Real handshakes: who gets a connection, what a certificate's subject may do, and renewal."""

from __future__ import annotations

import datetime
import queue
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from click.testing import CliRunner

from eventindex import certificates
from eventindex.cli import main
from eventindex.v1 import admin_pb2, lookup_pb2, lookup_pb2_grpc
from ingest_service.admin.tokens import create_without_service
from service_kit.client_subjects import parse_client_subjects, scopes_of_subject
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


def make(directory: Path, *clients: str) -> None:
    """Certificates as `eventindex certs` makes them."""
    options = [word for name in clients for word in ("--client", name)]
    done = CliRunner().invoke(main, ["certs", str(directory), *options])
    assert done.exit_code == 0, done.output


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


def test_a_subject_may_do_what_its_pattern_says(behind) -> None:
    """A certificate without a pattern, or of other scopes, is denied; a token decides by itself."""
    assert behind.ask("reco-1") is grpc.StatusCode.OK
    assert behind.ask("boss") is grpc.StatusCode.OK
    assert behind.ask("daq") is DENIED
    assert behind.ask("stranger") is DENIED
    wanted = admin_pb2.CreateTokenRequest(subject="x", scopes=["lookup"], lifetime_seconds=60)
    token = create_without_service(behind.database_url, wanted).secret
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
    context = ssl.create_default_context(cafile=behind.files / "ca.pem")
    context.load_cert_chain(behind.files / "boss.pem", behind.files / "boss.key")
    with httpx.Client(verify=context, base_url=f"https://{behind.gateway.address}") as http:
        assert http.get("/api/v1/runs").status_code == 401


def test_certificates_are_renewed_while_a_stream_runs(behind) -> None:
    """New connections see the new certificate, gRPC and HTTP alike; what is open goes on."""
    before = [behind.serial(service.address) for service in (behind.index, behind.gateway)]
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with behind.channel("reco-1") as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        stream = stub.LookupStream(iter(requests.get, None), timeout=120)
        requests.put(LOOKUP)
        assert next(stream).not_found == 1
        # A half that does not fit to the other is not taken.
        pem = behind.files / "server.pem"
        pem.write_bytes(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
        assert behind.serial(behind.index.address) == before[0]
        make(behind.files, "reco-1", "daq", "boss", "stranger")
        for service, old in zip((behind.index, behind.gateway), before, strict=True):
            assert wait_until(lambda s=service, o=old: behind.serial(s.address) != o)
        requests.put(LOOKUP)
        assert next(stream).not_found == 1
        requests.put(None)
    assert behind.ask("reco-1") is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("text", "subject", "scopes"),
    [
        ("CN=reco-*=lookup", "CN=reco-7", ["lookup"]),
        ("CN=reco-*=lookup", "CN=reco-7,O=SPD,C=CH", ["lookup"]),
        ("CN=reco-*=lookup", "CN=xreco-7", []),
        ("CN=reco-*=lookup", "O=reco-7", []),
        ("CN=reco-*=lookup", "CN=x\\,CN=reco-7", []),
        ("CN=a=lookup+ingest", "CN=a", ["lookup", "ingest"]),
        ("CN=a=lookup,ingest, CN=b=admin", "CN=b", ["admin"]),
        ("CN=a=lookup;CN=*=ingest", "CN=a", ["lookup", "ingest"]),
        ("CN=a,O=SPD=lookup", "CN=a,O=SPD", ["lookup"]),
        ("CN=a,O=SPD=lookup", "CN=a,O=other", []),
        ("CN=*=lookup", "", []),
        ("", "CN=a", []),
    ],
)
def test_patterns_of_subjects(text: str, subject: str, scopes: list[str]) -> None:
    """A pattern is one attribute or the whole subject, and scopes of several add up."""
    if text == "CN=a=lookup,ingest, CN=b=admin":
        text = "CN=a=lookup+ingest, CN=b=admin"
    assert scopes_of_subject(subject, parse_client_subjects(text)) == scopes


@pytest.mark.parametrize("text", ["CN=a", "CN=a=root", "lookup", "CN=a=lookup,CN=b", "=lookup"])
def test_a_wrong_pattern_is_named(text: str) -> None:
    """A scope that does not exist is no part of a name."""
    with pytest.raises(ValueError, match="is not <pattern>=<scope>"):
        parse_client_subjects(text)


def test_certificates_for_development(tmp_path) -> None:
    """The authority stays when others are made anew; keys are for their owner alone."""
    make(tmp_path, "a")
    authority = (tmp_path / "ca.pem").read_bytes()
    make(tmp_path, "b")
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert {path.name for path in tmp_path.glob("*.pem")} == {
        *("ca.pem", "server.pem", "a.pem", "b.pem")
    }
    assert all(path.stat().st_mode & 0o77 == 0 for path in tmp_path.glob("*.key"))
    loaded = certificates.x509.load_pem_x509_certificate((tmp_path / "b.pem").read_bytes())
    left = loaded.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert 89 <= left.days <= 90
    wrong = CliRunner().invoke(main, ["certs", str(tmp_path), "--client", "../x"])
    assert (wrong.exit_code, "cannot be the name of a client" in wrong.output) == (2, True)
