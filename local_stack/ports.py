"""Chooses the addresses of the stack: ports of the last start, the usual ones, the next ones up.

Never leaves loopback, and never replaces a port that was asked for by name.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Collection, Mapping

from local_stack.errors import StackError
from service_kit.grpc_server import PortTakenError, probe_port
from service_kit.settings import is_loopback, split_address

_ATTEMPTS_MAX = 100
_PORT_MAX = 65_535


class PortChooser:
    """Hands out addresses that nobody listens on, none of them twice.

    A chosen port is bound by a child a moment later. Until `close` or the end of this process a
    claim keeps another stack, started at the same time, from choosing it too.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda _: None,
        *,
        last: Mapping[int, int] | None = None,
        usual: Collection[int] = (),
    ) -> None:
        """`last`: what stood in for a usual port at the last start; `usual`: no stand-in is one."""
        self._claims: list[socket.socket] = []
        self._say = say
        self._last = last or {}
        self._usual = frozenset(usual)
        self.chosen: dict[int, int] = {}

    def close(self) -> None:
        """Give the claims back."""
        for claim in self._claims:
            claim.close()

    def choose(self, address: str, *, asked_as: str | None = None) -> str:
        """Return the address, its port replaced where it is taken, by that of the last start first.

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
        if not port:
            return self._any_free(address)
        if asked_as:
            if self._take(address):
                return address
            raise StackError(f"{asked_as} is {address}, but another process listens on that port")
        found = self._first_free(address, port)
        self.chosen[port] = split_address(found)[1]
        return found

    def _first_free(self, address: str, port: int) -> str:
        host = address.rpartition(":")[0]
        last = self._last.get(port)
        if last and self._take(f"{host}:{last}"):
            return f"{host}:{last}"  # said at the start that it was found
        if self._take(address):
            return address
        above = range(port + 1, min(port + _ATTEMPTS_MAX, _PORT_MAX) + 1)
        candidates = (f"{host}:{number}" for number in above if number not in self._usual)
        found = next(filter(self._take, candidates), None) or self._any_free(address)
        self._say(f"port {port} is taken: using {found}")
        return found

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
