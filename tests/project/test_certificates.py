"""When certificates end, for Prometheus."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service_kit.certificates import CertificateExpiry, expiry_of


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
