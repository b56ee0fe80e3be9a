"""Where the services are, when nobody says so: the environment, the local stack, the defaults.

What an address is made of. Only reads; never connects.
"""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from eventindex.errors import UnavailableError

Service = Literal["index", "ingest", "mqtt", "database"]

_DEFAULTS: dict[Service, str] = {
    "index": "127.0.0.1:50051",
    "ingest": "127.0.0.1:50052",
    "mqtt": "mqtt://127.0.0.1:1883",
    "database": "",
}
_VARIABLES: dict[Service, str] = {
    "index": "EVENTINDEX_INDEX_ADDRESS",
    "ingest": "EVENTINDEX_INGEST_ADDRESS",
    "mqtt": "EVENTINDEX_MQTT_URL",
    "database": "EVENTINDEX_DATABASE_URL",
}


def find_address(service: Service, given: str | None = None) -> str:
    """Return the address of a service.

    The first of: `given`, the environment variable, `endpoints.json` of the local stack in
    EVENTINDEX_DATA_DIR (default ./.eventindex), the default port on this machine.

    Raises:
        UnavailableError: there is a local stack here and it does not run. Its usual ports may be
            somebody else's by now, whose index must not be taken for this one.
    """
    return given or os.environ.get(_VARIABLES[service]) or _local(service) or _DEFAULTS[service]


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port` (`[::1]:50051` for IPv6) into its parts.

    Raises:
        ValueError: the address has no host or no port from 0 to 65535.
    """
    parts = urlsplit(f"//{address}")
    if not parts.hostname or parts.port is None:
        raise ValueError(f"address {address!r} is not host:port")
    return parts.hostname, parts.port


class BrokerAddress(NamedTuple):
    """Where an MQTT broker is, and how to get in."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None


def split_mqtt_url(url: str) -> BrokerAddress:
    """Take mqtt://[user:password@]host[:port] apart; mqtts:// is TLS.

    Raises:
        ValueError: it is no such URL; says nothing of what is in it, which may be a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise ValueError("not mqtt://host[:port] or mqtts://host[:port]")
    tls = parts.scheme == "mqtts"
    return BrokerAddress(
        parts.hostname,
        parts.port or (8883 if tls else 1883),
        tls,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )


def is_loopback(address: str) -> bool:
    """Return whether an address is of this machine and can be reached from it alone."""
    try:
        host, _ = split_address(address)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _local(service: Service) -> str:
    """Read what `eventindex up` wrote; "" where there is no local stack."""
    directory = Path(os.environ.get("EVENTINDEX_DATA_DIR") or ".eventindex")
    if not directory.is_dir():
        return ""
    try:
        found = json.loads((directory / "endpoints.json").read_text(encoding="utf-8"))
        return str(found[service])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"the local stack in {directory} is not running: start it with `eventindex up` or "
            f"`make run`, or say where the service is by {_VARIABLES[service]} or --address"
        ) from error
