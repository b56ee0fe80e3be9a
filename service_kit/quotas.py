"""How much one caller may have at once, and how much all requests that wait may weigh.

Never waits: what is above a bound is refused, and may be tried again. For one event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventindex.told import told
from service_kit import calls
from service_kit.errors import TooMuchError
from service_kit.hosts import neighbourhood
from service_kit.places import Places
from service_kit.settings import Settings


class Quotas:
    """The bounds of one serving process."""

    def __init__(self, settings: Settings) -> None:
        self._bytes_max = settings.request_bytes_max
        self._bytes = 0
        self._calls_max = settings.calls_per_subject_max
        self._places = Places(self._calls_max)

    @contextmanager
    def call(self, subject: str) -> Iterator[None]:
        """Let a call go on; without a subject it counts for the address that it comes from.

        Raises:
            TooMuchError: the caller has as many as one may.
        """
        with self._places.place(subject or f"from {_address(calls.peer())}") as place:
            if not place:
                raise TooMuchError(
                    told(
                        "CALLER_TOO_BUSY",
                        "one caller may have {limit} calls at once "
                        "(EVENTINDEX_CALLS_PER_SUBJECT_MAX); try again in a moment",
                        limit=self._calls_max,
                    )
                )
            yield

    def take(self, size_bytes: int) -> None:
        """Count a request that was read.

        Raises:
            TooMuchError: with it too many bytes wait for their answers; it is not counted.
        """
        # One that comes alone is answered, whatever the bound.
        if self._bytes and self._bytes + size_bytes > self._bytes_max:
            raise TooMuchError(
                told(
                    "TOO_MANY_BYTES_WAIT",
                    "requests of {bytes} bytes wait for their answers "
                    "(EVENTINDEX_REQUEST_BYTES_MAX); try again in a moment",
                    bytes=f"{self._bytes:,}",
                )
            )
        self._bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Note that a request is answered, or given up."""
        self._bytes -= size_bytes

    @contextmanager
    def request(self, size_bytes: int) -> Iterator[None]:
        """Count a request for as long as it is worked for; raises the same as `take`."""
        self.take(size_bytes)
        try:
            yield
        finally:
            self.give_back(size_bytes)


def _address(peer: str) -> str:
    """Return the address of a peer as gRPC writes it: `ipv4:192.0.2.1:5000`, `ipv6:[::1]:5000`."""
    kind, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else peer
    return neighbourhood(host.removeprefix("%5B").removesuffix("%5D"))
