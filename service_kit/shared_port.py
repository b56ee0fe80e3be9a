"""A port that several processes listen on, each with a socket of its own (SO_REUSEPORT).

Never listens itself: the kernel hands connections to those that do.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from service_kit.grpc_server import PortTakenError, probe_port, resolve
from service_kit.settings import split_address


@contextlib.contextmanager
def held_port(address: str) -> Iterator[str]:
    """Hold a port while entered, so that no stranger takes it while nobody listens.

    Yields the address with the port that was bound, which for port 0 is a free one.

    Raises:
        PortTakenError: another process listens, or the address cannot be bound here.
    """
    # The bind below succeeds even where another program shares this port, so ask first.
    probe_port(address)
    family, sockaddr = resolve(address)
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        # Do not fail while connections of an earlier service on this port are still closing.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            holder.bind(sockaddr)
        except OSError as error:
            raise PortTakenError.of(address, error) from error
        # Switch it off again, so that no other program can bind the port (seen on Linux 6.18).
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        host, _ = split_address(address)
        port = holder.getsockname()[1]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
