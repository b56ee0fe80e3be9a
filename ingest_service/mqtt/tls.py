"""TLS to the broker, and why a connection cannot be made, in words that say what to do. Pure but
for the files of the certificates.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service_kit.settings import Settings
from service_kit.tls_files import no_password

_T = TypeVar("_T")

# X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA to X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3: what OpenSSL
# finds with X509_V_FLAG_X509_STRICT alone, which Python sets from 3.13 on.
_STRICT_CODES = range(80, 94)
_STRICT_HINT = (
    " (Python 3.13 and newer want the extensions of RFC 5280 in certificates: see "
    "docs/operations.md, A CA of your own)"
)
_ALERTS = {
    "CERTIFICATE_REQUIRED": "it wants a client certificate: set EVENTINDEX_MQTT_TLS_CERT and "
    "EVENTINDEX_MQTT_TLS_KEY",
    "WRONG_VERSION_NUMBER": "it does not speak TLS on this port",
    "UNKNOWN_CA": "it does not know the CA of EVENTINDEX_MQTT_TLS_CERT",
    "BAD_CERTIFICATE": "it refuses EVENTINDEX_MQTT_TLS_CERT",
    "CERTIFICATE_EXPIRED": "EVENTINDEX_MQTT_TLS_CERT has expired",
    "NO_APPLICATION_PROTOCOL": "it does not speak the protocol of EVENTINDEX_MQTT_ALPN",
}


class HandshakeCutError(OSError):
    """The other side ended the connection in the middle of the TLS handshake."""


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Read the certificates of the settings.

    Raises:
        OSError: a file cannot be used; names its variable and its path.
    """
    ca = settings.mqtt_tls_ca
    context = ssl.create_default_context()
    if ca:
        # With the broker's CA, those of the system are not trusted.
        context = _used("CA", ca, lambda: ssl.create_default_context(cafile=str(ca)))
    cert, key = settings.mqtt_tls_cert, settings.mqtt_tls_key
    if cert and key:
        _used("CERT", cert, cert.read_bytes)
        _used("KEY", key, lambda: context.load_cert_chain(cert, key, no_password))
    if settings.mqtt_alpn:
        context.set_alpn_protocols([settings.mqtt_alpn])
    return context


def reason_of(error: BaseException) -> str:
    """Return why a connection failed, without what only a developer reads."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = _STRICT_HINT if error.verify_code in _STRICT_CODES else ""
        return f"its certificate is refused: {error.verify_message}{hint}"
    if isinstance(error, ssl.SSLError):
        return _tls_reason(error)
    if isinstance(error, socket.gaierror):
        return f"its name is not found: {error.strerror}"
    if isinstance(error, HandshakeCutError):
        return f"it ended the TLS handshake ({error.strerror}): does it speak TLS on this port?"
    if isinstance(error, TimeoutError):
        return "no answer"
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error) or type(error).__name__


def _tls_reason(error: ssl.SSLError) -> str:
    known = next((text for word, text in _ALERTS.items() if word in (error.reason or "")), "")
    words = error.reason or str(error)
    return f"{known} ({words})" if known else f"TLS fails: {words}"


def _used(name: str, path: Path, use: Callable[[], _T]) -> _T:
    try:
        return use()
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else None
        why = reason or getattr(error, "strerror", None) or str(error)
        raise OSError(f"EVENTINDEX_MQTT_TLS_{name}={path}: {why}") from error
