"""What an address is made of. Pure; also for the services."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port` (`[::1]:50051` for IPv6) into its parts.

    Raises:
        ValueError: the address has no host or no port from 0 to 65535.
    """
    parts = urlsplit(f"//{address}")
    if not parts.hostname or parts.port is None:
        raise ValueError(f"address {address!r} is not host:port")
    return parts.hostname, parts.port


def is_loopback(address: str) -> bool:
    """Return whether an address is of this machine and can be reached from it alone."""
    try:
        host, _ = split_address(address)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_NO_BROKER = (
    "not mqtt://host[:port] or mqtts://host[:port]; @, :, / and ? of a password are written %40, "
    "%3A, %2F and %3F"
)


# In `host=… password='…'`, the other form of a connection string.
_PASSWORD = re.compile(r"(password\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|\S+)", re.IGNORECASE)


def without_password(url: str) -> str:
    """Return a URL for people: without a password, a query, and whatever may be part of one."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _PASSWORD.sub(r"\1…", url)
    # The last @: a password that was not encoded may hold others.
    login, at, place = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}{at}{place.partition('?')[0]}"


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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What it says repeats a part of the URL.
        raise ValueError(_NO_BROKER) from None
    # A password with a slash or a question mark ends the host before its @.
    misread = "@" in f"{parts.path}{parts.query}{parts.fragment}"
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or misread:
        raise ValueError(_NO_BROKER)
    tls = parts.scheme == "mqtts"
    return BrokerAddress(
        parts.hostname,
        port or (8883 if tls else 1883),
        tls,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )
