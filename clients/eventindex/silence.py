"""Answers of an open call, one after the other, none of which may be waited for too long.

gRPC's own deadline covers a whole call, and a stream may last for days.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import grpc

from eventindex.channel import in_a_fork
from eventindex.errors import DeadlineError, from_rpc_error

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Call(Protocol[A_co]):
    """The answers of one gRPC call."""

    def __iter__(self) -> Iterator[A_co]: ...

    def cancel(self) -> bool:
        """End the call."""


class SilenceWatch(Generic[A]):
    """Receives the answers of one call at a time; a thread ends the call that is silent."""

    def __init__(
        self, seconds_max: float, address: str, *, is_due: Callable[[], bool] = lambda: True
    ) -> None:
        """Prepare the watch.

        Args:
            seconds_max: longest wait for one answer.
            address: the server, for messages.
            is_due: whether there is something that the server has to answer.
        """
        self._seconds_max = seconds_max
        self._address = address
        self._is_due = is_due
        self._call: Call[A] | None = None
        self._since: float | None = None
        self._silent = False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def receive(self, call: Call[A]) -> A | None:
        """Return the next answer of a call; nothing at its end.

        Raises:
            EventIndexError: the call failed, or is silent.
        """
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="eventindex-watch", daemon=True
            )
            self._thread.start()
        self._call, self._since = call, time.monotonic()
        try:
            return next(iter(call), None)
        except grpc.RpcError as error:
            if self._silent:
                raise DeadlineError(
                    f"{self._address}: no answer within {self._seconds_max:g} s"
                ) from error
            raise from_rpc_error(error, self._address) from error
        finally:
            self._since = None

    def restart(self) -> None:
        """Let the wait that is going on begin now: the server has got something to answer."""
        if self._since is not None:
            self._since = time.monotonic()

    def close(self) -> None:
        """End the thread and the call."""
        if in_a_fork():
            return
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    def _watch(self) -> None:
        silent = 0.0
        while not self._closed.wait(max(self._seconds_max - silent, 0.01)):
            since, call = self._since, self._call
            silent = time.monotonic() - since if since is not None and self._is_due() else 0.0
            if silent >= self._seconds_max and call is not None:
                self._silent = True
                call.cancel()
                return
