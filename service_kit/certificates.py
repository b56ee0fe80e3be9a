"""When the certificates of this process end, for Prometheus: read when it asks.

The file counts, not what was loaded at the start: a renewed one that was not taken over is another
matter. Never checks who issued them.
"""

from __future__ import annotations

import calendar
import logging
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from service_kit.settings import Settings

log = logging.getLogger(__name__)

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# Tags of DER (X.690): a time of two digits of the year, one of four, the explicit version.
_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0


def expiry_of(pem: str) -> float:
    """Return the Unix time at which the first certificate of a PEM file ends. Pure.

    Raises:
        ValueError: there is no certificate in it.
    """
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate in it")
    try:
        tag, end = _not_after(ssl.PEM_cert_to_DER_cert(found[0]))
        years = {_UTC_TIME: "%y", _GENERALIZED_TIME: "%Y"}[tag]
        parsed = time.strptime(end.decode("ascii"), f"{years}%m%d%H%M%SZ")
    except (KeyError, IndexError) as error:
        raise ValueError("the certificate cannot be read") from error
    return calendar.timegm(parsed)


def _not_after(der: bytes) -> tuple[int, bytes]:
    """Return tag and text of the end in Certificate → TBSCertificate → Validity (RFC 5280)."""
    ((_, certificate),) = _parts(der)
    (_, to_be_signed), *_ = _parts(certificate)
    fields = [part for part in _parts(to_be_signed) if part[0] != _VERSION]
    # serial number, signature algorithm, issuer, validity
    _, end = _parts(fields[3][1])
    return end


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the values that stand one after the other."""
    at = 0
    while at < len(der):
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(der[at : at + width], "big"), at + width
        yield tag, der[at : at + size]
        at += size


class CertificateExpiry:
    """The metric of the certificates that settings name."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """`files`: by the name of the setting, which is the label."""
        self._files = files

    def describe(self) -> list[GaugeMetricFamily]:
        """Return the metric without its values, so that files are not read at the start."""
        return [self._family()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric, as prometheus_client asks for it."""
        family = self._family()
        for name, file in self._files.items():
            try:
                family.add_metric([name], expiry_of(file.read_text("ascii")))
            except (OSError, ValueError) as error:
                log.warning("%s: %s: %s", name, file, error)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "eventindex_tls_certificate_expiry_timestamp_seconds",
            "When the certificate ends, by the setting that names its file.",
            labels=["file"],
        )


def watch_certificates(
    settings: Settings, *names: str, registry: CollectorRegistry = REGISTRY
) -> None:
    """Show when the certificates end whose files these settings name, such as `tls_cert`."""
    files = {f"EVENTINDEX_{name.upper()}": getattr(settings, name) for name in names}
    registry.register(CertificateExpiry({name: file for name, file in files.items() if file}))
