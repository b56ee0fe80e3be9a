"""The certificate of a service, read again when its files change: who renews it restarts nothing.

A pair that does not fit together, as there is between two writes, is left alone and the last one
stays. Connections that are open keep the one with which they began.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import grpc

from service_kit.errors import WrongSettingError
from service_kit.settings import Settings

_T = TypeVar("_T")

log = logging.getLogger(__name__)

# How often an HTTP server looks; gRPC looks at each handshake.
LOOKED_AT_S = 2.0


class TlsContent(NamedTuple):
    """What is in the files, PEM."""

    cert: bytes
    key: bytes
    client_ca: bytes | None


class TlsFiles:
    """Certificate, key and the clients' CA; threads may share it."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._paths = (cert, key, client_ca)
        self._lock = threading.Lock()
        self._state = self._look()
        self.content = self._read()

    def renewed(self) -> TlsContent | None:
        """Return what is in the files where that is new and fits together."""
        with self._lock:
            try:
                state = self._look()
                if state == self._state:
                    return None
                content = self._read()
                check_pair(content)
            except (OSError, ValueError) as error:
                log.warning("%s: the certificate of before stays: %s", self._paths[0], error)
                return None
            self._state, self.content = state, content
            log.info("%s: the new certificate is in use", self._paths[0])
            return content

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        found = (path.stat() for path in self._paths if path is not None)
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _read(self) -> TlsContent:
        cert, key, client_ca = self._paths
        return TlsContent(
            cert.read_bytes(), key.read_bytes(), client_ca.read_bytes() if client_ca else None
        )


def check_pair(content: TlsContent) -> None:
    """See that a key is that of its certificate, and that the CA is one.

    Raises:
        ssl.SSLError: it is not.
        ValueError: the key is encrypted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL reads a chain from a file only; this one is ours alone and gone at once.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(content.key + b"\n" + content.cert)
        file.flush()
        context.load_cert_chain(file.name, password=no_password)
    if content.client_ca is not None:
        _check_ca(content.client_ca)


def no_password() -> str:
    """Refuse an encrypted key: without this OpenSSL asks on the terminal and waits."""
    raise ValueError("the key is encrypted, and a service has nobody to ask for its password")


def _check_ca(pem: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=pem.decode("ascii", "replace"))


def check_files(settings: Settings) -> None:
    """See at the start that the files can be used which the settings name.

    Raises:
        WrongSettingError: one cannot; names its variable and its path.
    """
    names = ("tls_cert", "tls_key", "tls_client_ca", "http_services_tls_ca")
    paths = {name: path for name in names if (path := getattr(settings, name)) is not None}
    found = {name: _read_named(name, path) for name, path in paths.items()}
    for name in found.keys() & {"tls_client_ca", "http_services_tls_ca"}:
        _used((name,), paths, partial(_check_ca, found[name]))
    if "tls_cert" in found and "tls_key" in found:
        pair = TlsContent(found["tls_cert"], found["tls_key"], None)
        _used(("tls_cert", "tls_key"), paths, lambda: check_pair(pair))


def _read_named(name: str, path: Path) -> bytes:
    return _used((name,), {name: path}, path.read_bytes)


def _used(names: tuple[str, ...], paths: Mapping[str, Path], use: Callable[[], _T]) -> _T:
    try:
        return use()
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else None
        why = reason or getattr(error, "strerror", None) or str(error)
        which = ", ".join(f"EVENTINDEX_{name.upper()}={paths[name]}" for name in names)
        raise WrongSettingError(f"{which}: {why}") from error


def tls_files(settings: Settings) -> TlsFiles | None:
    """Return the files that the settings name; OSError where one cannot be read."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def grpc_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that take a new certificate at the next handshake."""

    def configuration(content: TlsContent) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(content.key, content.cert)], root_certificates=content.client_ca
        )

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        content = files.renewed()
        return None if content is None else configuration(content)

    return grpc.dynamic_ssl_server_credentials(
        configuration(files.content),
        fetch,  # type: ignore[arg-type]  # None stands for "as it is", see gRPC's documentation
        require_client_authentication=files.content.client_ca is not None,
    )


class HttpTls:
    """What an HTTP server makes its connections secure with.

    Attributes:
        context: for the next connection. Made anew with the files: one that is there keeps the CAs
            that it was told of.
    """

    def __init__(self, settings: Settings, files: TlsFiles) -> None:
        self._settings, self._files = settings, files
        self.context = self._made()

    async def keep_renewed(self) -> None:
        """Look at the files until cancelled."""
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            if self._files.renewed() is not None:
                self.context = self._made()

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert, key = self._settings.tls_cert, self._settings.tls_key
        context.load_cert_chain(str(cert), key)
        if self._settings.tls_client_ca is not None:
            context.load_verify_locations(self._settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def http_tls(settings: Settings) -> HttpTls | None:
    """Return what the settings ask for; None without TLS, OSError where a file cannot be read."""
    files = tls_files(settings)
    return None if files is None else HttpTls(settings, files)
