"""Which names a request may call us by.

A page of another site whose name was pointed at this machine (DNS rebinding) is of our origin to
its browser; only `Host` tells. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOT_OURS = "Host is none of this service's names: EVENTINDEX_HTTP_HOSTS lists them"

_HEADER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+")


def parse_hosts(text: str) -> tuple[str, ...]:
    """Return the names of a list such as `index.example.org, *.lab.example.org`.

    Raises:
        ValueError: one of them is no name.
    """
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not the name of a host: without a port, such as a.example.org"
            )
    return names


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list such as `10.0.0.7, 10.1.0.0/16`.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


class OurHosts:
    """The names that are ours: those of loopback, those of the settings, the address reached."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._suffixes = tuple(name[1:] for name in self._names if name.startswith("*."))

    def include(self, header: str | None, reached: str | None = None) -> bool:
        """Return whether a `Host` is ours.

        Args:
            header: the one `Host` of a request; its port does not count.
            reached: the address of this machine that the connection came to. No name stands for
                it in the header, so nobody can have pointed one here.
        """
        match = _HEADER.fullmatch(header or "")
        if match is None:
            return False
        host = match[1].strip("[]").lower().removesuffix(".")
        if host == "localhost" or host in self._names or host.endswith(self._suffixes):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or host == (reached or "").removeprefix("::ffff:")


# Each call asks, and callers come again.
@lru_cache(maxsize=4096)
def neighbourhood(address: str) -> str:
    """Return whose an address is: itself, or of IPv6 the /64 that one household has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False).network_address)


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Return whether an address lies in one of some networks."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)
