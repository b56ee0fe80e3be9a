"""How many connections each address has, over all servers of the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from service_kit.hosts import Network, is_in, neighbourhood
from service_kit.settings_gateway import HTTP_CONNECTIONS_PER_ADDRESS_MAX

_taken: Counter[str] = Counter()


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return whose connection it is, as connections are counted."""
    peer = transport.get_extra_info("peername")
    return neighbourhood(peer[0] if isinstance(peer, tuple) else "")


class Connections:
    """The count, with proxies that may have any number."""

    def __init__(self, proxies: tuple[Network, ...] = ()) -> None:
        self._proxies = proxies

    def take(self, address: str) -> bool:
        """Count one; whether the address may have it. Each is given back."""
        _taken[address] += 1
        many = _taken[address] > HTTP_CONNECTIONS_PER_ADDRESS_MAX
        return not many or is_in(address, self._proxies)

    def give_back(self, address: str) -> None:
        """Forget one."""
        _taken[address] -= 1
        if not _taken[address]:
            del _taken[address]

    @contextlib.contextmanager
    def place(self, transport: asyncio.BaseTransport) -> Iterator[bool]:
        """Have one for some time; yields whether the address may have it."""
        address = address_of(transport)
        try:
            yield self.take(address)
        finally:
            self.give_back(address)
