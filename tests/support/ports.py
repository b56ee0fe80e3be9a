"""Ports for the servers of the tests, that nothing else takes before they listen."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator

# Below the ports that Linux and macOS give to outgoing connections: one of those took a port of
# a server between the choice and the start.
PORTS = range(20_000, 32_768)


def _ports_of_worker() -> Iterator[int]:
    """Every port of this worker of pytest-xdist once, in any order; other workers have others."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = PORTS[worker::workers]
    # Not the generator that pytest-randomly seeds: two calls of pytest would choose the same.
    yield from random.SystemRandom().sample(ports, len(ports))


_ports = _ports_of_worker()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that was not given before."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port left in {PORTS}")
