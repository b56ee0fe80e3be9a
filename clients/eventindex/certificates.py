"""A certificate authority and certificates for development: made, signed, written.

For one's own machine and tests. Never for a service that others reach: nobody revokes these.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
# Clocks differ.
_BEFORE = datetime.timedelta(minutes=5)


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def certificate_authority(directory: Path) -> Pair:
    """Return the authority of a directory, which is made where there is none.

    Raises:
        OSError: the files cannot be read or written.
        ValueError: they hold something else.
    """
    cert_file, key_file = directory / "ca.pem", directory / "ca.key"
    if cert_file.exists() or key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file} is not a key of an elliptic curve")
        return Pair(x509.load_pem_x509_certificate(cert_file.read_bytes()), key)
    made = _signed("EventIndex development CA", None, _CA_DAYS, _of_authority())
    _write(directory, "ca", made)
    return made


def server_certificate(authority: Pair, names: Sequence[str], days: int) -> Pair:
    """Return a certificate for a server with these names or addresses; the first is its subject."""
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
    # rest_gateway shows the same one to the other services.
    usage = x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    return _signed(names[0], authority, days, [(alternative, False), (usage, False)])


def client_certificate(authority: Pair, name: str, days: int) -> Pair:
    """Return a certificate for a client of this name."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return _signed(name, authority, days, [(usage, False)])


def write_pair(directory: Path, name: str, pair: Pair) -> tuple[Path, Path]:
    """Write a certificate and its key, mode 600, each whole at once; their files."""
    return _write(directory, name, pair)


def _of_authority() -> list[tuple[x509.ExtensionType, bool]]:
    # RFC 5280, which Python 3.13 asks for.
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return [(x509.BasicConstraints(ca=True, path_length=0), True), (usage, True)]


def _signed(
    subject: str,
    issuer: Pair | None,
    days: int,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> Pair:
    """Return a certificate of an issuer, or one that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer = issuer.key if issuer else key
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Pair(builder.sign(signer, hashes.SHA256()), key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(directory: Path, name: str, pair: Pair) -> tuple[Path, Path]:
    key = pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = pair.certificate.public_bytes(serialization.Encoding.PEM)
    files = directory / f"{name}.pem", directory / f"{name}.key"
    for path, data, mode in ((files[1], key, 0o600), (files[0], certificate, 0o644)):
        scratch = path.with_name(f".{path.name}.new")
        scratch.unlink(missing_ok=True)
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        scratch.replace(path)
    return files
