"""Whether what a service sends to other machines, passwords among it, can be read on the way. Pure.

Another machine's broker or database is asked over TLS, or with leave by name.
"""

from __future__ import annotations

import ipaddress

import psycopg2
from psycopg2.extensions import parse_dsn

from eventindex.hosts import split_mqtt_url

LEAVE = "or EVENTINDEX_ALLOW_PLAINTEXT=true on a network that nobody else reaches"


def plain_database(url: str) -> str | None:
    """Return what is wrong with how a database is asked; None where nothing is.

    A URL that cannot be read is another matter.
    """
    try:
        parts = parse_dsn(url)
    except psycopg2.Error:
        return None
    hosts = (parts.get("hostaddr") or parts.get("host") or "").split(",")
    others = [host for host in hosts if not is_here(host)]
    if not others or parts.get("sslmode") == "verify-full":
        return None
    return (
        f"EVENTINDEX_DATABASE_URL: {others[0]} is another machine, and sslmode="
        f"{parts.get('sslmode', 'prefer')} does not see that it is the one that is meant: add "
        f"sslmode=verify-full (and sslrootcert=), {LEAVE}"
    )


def plain_broker(url: str) -> str | None:
    """Return what is wrong with how a broker is asked; None where nothing is."""
    broker = split_mqtt_url(url)
    if broker.tls or is_here(broker.host):
        return None
    return (
        f"EVENTINDEX_MQTT_URL: {broker.host} is another machine, and mqtt:// sends events and the "
        f"password in clear: use mqtts://, {LEAVE}"
    )


def is_here(host: str) -> bool:
    """Return whether a host is this machine: a socket, or a loopback address."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
