"""Where the services are: said by hand, in the environment, a profile, the local stack, or usual.

Only reads; never connects.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal, NamedTuple

from eventindex.errors import AddressError, ConfigError, UnavailableError
from eventindex.hosts import without_password
from eventindex.profiles import DEFAULT, Profile, find_profile

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
# What may hold a password, and may be in a file instead.
_SECRET = frozenset({"mqtt", "database"})
_URLS = ("http", "https", "grpc", "grpcs", "mqtt", "mqtts", "tcp", "postgresql", "postgres")
_PORT_MAX = 65535


class Found(NamedTuple):
    """The address of a service, what said so, and the profile where one did."""

    address: str
    source: str
    profile: Profile | None = None


def find_address(service: Service, given: str | None = None) -> str:
    """Return the address of a service alone; see `locate`."""
    return locate(service, given).address


def locate(service: Service, given: str | None = None, profile: str | None = None) -> Found:
    """Return the address of a service, and what said so.

    The first of: `given`, the profile of the name `profile`, the environment variable of the
    service (of a broker or database also the file that the variable with `_FILE` behind it names),
    the profile that EVENTINDEX_PROFILE names, `endpoints.json` of the local stack in
    EVENTINDEX_DATA_DIR (default ./.eventindex), the profile "default", the usual port on this
    machine.

    Raises:
        UnavailableError: there is a local stack here and it does not run. Its usual ports may be
            somebody else's by now, whose index must not be taken for this one.
        AddressError: what was found is no address.
        ConfigError: there is no such profile, it does not name the service, or the local stack is
            another user's.
    """
    found = _locate(service, given, profile)
    if service in {"index", "ingest"}:
        check_address(found.address, found.source)
    return found


def _locate(service: Service, given: str | None, profile: str | None) -> Found:
    if given:
        return Found(given, "what was given")
    if profile:
        return _of_profile(service, profile)
    if address := os.environ.get(_VARIABLES[service]):
        return Found(address, _VARIABLES[service])
    if service in _SECRET and (path := os.environ.get(f"{_VARIABLES[service]}_FILE")):
        return _of_file(path, f"{_VARIABLES[service]}_FILE")
    if name := os.environ.get("EVENTINDEX_PROFILE"):
        return _of_profile(service, name)
    return _local(service) or _usual(service)


def _usual(service: Service) -> Found:
    default = find_profile(DEFAULT)
    if default is not None and service in default.addresses:
        return Found(default.addresses[service], f"{default.path} [{DEFAULT}]", default)
    return Found(_DEFAULTS[service], "the usual port" if _DEFAULTS[service] else "")


def check_address(address: str, source: str) -> None:
    """See that an address can be one of a gRPC service.

    Raises:
        AddressError: it is a URL, or has no port.
    """
    scheme, separator, rest = address.partition("://")
    if separator and scheme.lower() in _URLS:
        hint = rest.rstrip("/").rpartition("@")[2]
        shown = without_password(address)
        raise AddressError(f"{shown} ({source}): give HOST:PORT without {scheme}://, as {hint}")
    host, _, port = address.rpartition(":")
    if address.partition(":")[0] in {"dns", "unix", "ipv4", "ipv6", "unix-abstract", "xds"}:
        return  # gRPC's own names
    if not host or not (port.isascii() and port.isdigit()) or int(port) > _PORT_MAX:
        raise AddressError(
            f"{address} ({source}): is not HOST:PORT, as index.example.org:50051 or [::1]:50051"
        )


def _of_file(path: str, variable: str) -> Found:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"{variable}: {path}: {reason}") from error
    if not text:
        raise ConfigError(f"{variable}: {path} is empty")
    return Found(text, variable)


def _of_profile(service: Service, name: str) -> Found:
    found = find_profile(name)
    if found is None or service not in found.addresses:
        raise ConfigError(f"the profile {name!r} names no {service}")
    return Found(found.addresses[service], f"{found.path} [{name}]", found)


def _local(service: Service) -> Found | None:
    """Read what `eventindex up` wrote; None where there is no local stack."""
    directory = Path(os.environ.get("EVENTINDEX_DATA_DIR") or ".eventindex")
    if not directory.is_dir():
        return None
    path = directory / "endpoints.json"
    if hasattr(os, "geteuid") and directory.stat().st_uid not in {os.geteuid(), 0}:
        raise ConfigError(
            f"{directory} belongs to another user, who would get what is sent and the token: say "
            f"where the service is by {_VARIABLES[service]}, --address or a profile"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Found(str(found[service]), str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"the local stack in {directory} is not running: start it with `eventindex up` or "
            f"`make run`, or say where the service is by {_VARIABLES[service]}, --address or a "
            "profile"
        ) from error
