"""What an address is made of. Pure; also for the services."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


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
    """Whether an address is of this machine and can be reached from it alone."""
    try:
        host, _ = split_address(address)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
