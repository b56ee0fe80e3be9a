"""What an address is made of. Pure; also for the services."""

from __future__ import annotations

import ipaddress
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
