"""Chooses the addresses of the stack: the usual port, or a free one where that is taken.

Never leaves loopback, and never replaces a port that was asked for by name.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable

from local_stack.errors import StackError
from service_kit.grpc_server import PortTakenError, probe_port
from service_kit.settings import is_loopback, split_address

_ATTEMPTS_MAX = 100


class PortChooser:
    """Hands out addresses that nobody listens on, none of them twice.

    A chosen port is bound by a child a moment later. Until `close` or the end of this process a
    claim keeps another stack, started at the same time, from choosing it too.
    """

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self._claims: list[socket.socket] = []
        self._say = say

    def close(self) -> None:
        """Give the claims back."""
        for claim in self._claims:
            claim.close()

    def choose(self, address: str, *, asked_as: str | None = None) -> str:
        """Return the address itself, or its host with a free port.

        Args:
            address: host:port, a loopback address; port 0 means any free one.
            asked_as: the setting that named the address; its port is then not replaced.

        Raises:
            StackError: not a loopback address, or the port that was asked for is taken.
        """
        name = asked_as or "the address"
        if not is_loopback(address):
            raise StackError(f"{name} is {address}: `eventindex up` listens on 127.0.0.1 only")
        _, port = split_address(address)
        if port and self._take(address):
            return address
        if port and asked_as:
            raise StackError(f"{asked_as} is {address}, but another process listens on that port")
        free = self._any_free(address)
        if port:
            self._say(f"port {port} is taken: using {free}")
        return free

    def _any_free(self, address: str) -> str:
        host, _ = split_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(_ATTEMPTS_MAX):
            with socket.socket(family) as probe:
                probe.bind((host, 0))
                port = probe.getsockname()[1]
            candidate = f"{address.rpartition(':')[0]}:{port}"
            if self._take(candidate):
                return candidate
        raise StackError(f"no free port on {host}")

    def _take(self, address: str) -> bool:
        """Return whether nobody listens on the address and no other stack is about to."""
        try:
            probe_port(address)
        except PortTakenError:
            return False
        return self._claim(split_address(address)[1])

    def _claim(self, port: int) -> bool:
        if sys.platform != "linux":
            return True
        # An abstract socket name has one owner, and the kernel frees it when that process dies.
        with contextlib.ExitStack() as stack:
            claim = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            try:
                claim.bind(f"\0eventindex-port-{port}")
            except OSError:
                return False
            stack.pop_all()
        self._claims.append(claim)
        return True
