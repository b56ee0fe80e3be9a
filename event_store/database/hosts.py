"""Which host of a database URL the connections of one process use: all of them the same.

A replica is a little behind another, so a cache that is checked against one server and filled from
the next would be emptied at every turn. A process takes one host of the URL, connections, probes
and cancels alike, and goes to the next one as a whole when that cannot be connected to.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

log = logging.getLogger(__name__)

T = TypeVar("T")

_TOLD_EVERY_S = 60.0

# A name, an address of either kind, or the directory of a socket.
_HOST = re.compile(r"[\w.:%-]*|[/@][^@?#]*")
_PARAMETER = re.compile(r"(?:^|&)([A-Za-z_]{1,40})=")
_UNREADABLE = (
    "cannot be read as host, port and database: in a password @ is written %40, : %3A, / %2F, "
    "? %3F, # %23 and % %25"
)
_PLACES = ("host", "hostaddr", "port")
# With it libpq goes to any of the addresses of a name.
_SPREADING = "load_balance_hosts"


class Hosts:
    """The place in a list of URLs that connections use now. For any thread.

    Attributes:
        turn: how often the process went to another host; a connection of an earlier turn is
            opened again.
    """

    def __init__(self, urls: list[str]) -> None:
        """Begin with the first of some URLs of the same database."""
        self._urls = urls
        self._lock = threading.Lock()
        self.turn = 0

    @property
    def url(self) -> str:
        """The URL that is used now."""
        return self._urls[self.turn % len(self._urls)]

    def reach(self, connect: Callable[[str], T]) -> tuple[T, int]:
        """Connect, to the other hosts one after the other where that fails.

        Args:
            connect: opens a connection to a URL.

        Returns:
            What `connect` returned, and the turn that it belongs to.

        Raises:
            psycopg2.OperationalError: of the last one; none can be connected to.
        """
        for tried in itertools.count(1):
            turn = self.turn
            try:
                return connect(self._urls[turn % len(self._urls)]), turn
            except psycopg2.OperationalError as error:
                if len(self._urls) > 1:
                    self._leave(turn, error)
                if tried >= len(self._urls):
                    raise
        raise AssertionError("one of them returns or raises")

    def _leave(self, turn: int, error: psycopg2.OperationalError) -> None:
        with self._lock:
            if self.turn != turn:
                return
            self.turn = turn + 1
        log.warning("a host of the database is left for the next one: %s", str(error).strip())


class Turns:
    """Notices servers that take turns behind one address. For one thread at a time.

    A balancer does not show in the URL: each connection may be to another server.
    """

    def __init__(self) -> None:
        self._left: set[str] = set()
        self._server = ""
        self._told = -math.inf

    def note(self, server: str, now: float | None = None) -> None:
        """Note the server of a connection; one that was left and is back is worth a warning."""
        now = time.monotonic() if now is None else now
        self._left.add(self._server)
        self._server = server
        if server in self._left and now - self._told > _TOLD_EVERY_S:
            self._told = now
            log.warning(
                "connections lead to several servers by turns: the page cache is emptied at each. "
                "Give every server its own place in the list of hosts in the URL of the database"
            )


def unreadable(url: str) -> str | None:
    """Return why a URL cannot be read as host, port and database, None where it can. Pure.

    A password with a slash or an @ gives parts of it the places of these, so no part of the URL is
    repeated but the name of a parameter.
    """
    parts = _parsed(url)
    if parts is None:
        query = url.partition("?")[2]
        names = [] if "@" in query else _PARAMETER.findall(query)
        unknown = next(
            (name for name in names if _parsed(f"postgresql:///?{name}=true") is None), ""
        )
        return f"has a parameter {unknown!r} that libpq does not know" if unknown else _UNREADABLE
    hosts = (parts.get("host") or "").split(",")
    ports = (parts.get("port") or "").split(",")
    fits = (
        all(_HOST.fullmatch(host) for host in hosts)
        and all(not port or (port.isascii() and port.isdigit()) for port in ports)
        and "@" not in parts.get("dbname", "")
    )
    return None if fits else _UNREADABLE


def _parsed(url: str) -> dict[str, str] | None:
    try:
        return dict(parse_dsn(url))
    except (psycopg2.Error, UnicodeError, ValueError):
        return None


def one_url(url: str) -> Hosts:
    """Return a URL as it is: libpq chooses among its hosts."""
    return Hosts([url])


def kept_hosts(url: str, number: int) -> Hosts:
    """Return the hosts of a URL, each by itself, the first one by the number of the process."""
    urls = split_hosts(url)
    first = number % len(urls)
    return Hosts(urls[first:] + urls[:first])


def split_hosts(url: str) -> list[str]:
    """Return a URL for each host of a URL; it as it is where it has one. Pure.

    What libpq cannot read, or would refuse, is left to it.
    """
    try:
        parameters = parse_dsn(url)
    except psycopg2.ProgrammingError:
        return [url]
    lists = {name: parameters[name].split(",") for name in _PLACES if parameters.get(name)}
    count = max((len(values) for values in lists.values()), default=1)
    if count == 1 or any(len(values) not in {1, count} for values in lists.values()):
        return [url]
    # A port alone may stand for all hosts.
    if any(len(values) == 1 for name, values in lists.items() if name != "port"):
        return [url]
    parameters.pop(_SPREADING, None)
    return [
        make_dsn(**parameters | {name: (values * count)[place] for name, values in lists.items()})
        for place in range(count)
    ]


def first_host(number: int = 0) -> int:
    """Return where the worker `number` of this service begins: services begin anywhere."""
    parent = os.getppid() if number else os.getpid()
    return zlib.crc32(f"{socket.gethostname()}/{parent}".encode()) + number
