"""One stream of answers to one request, opened again from where it stopped.

Never knows what the answers mean: who opens the call says where it begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

import grpc

from eventindex.channel import check_process, in_a_fork, retrying
from eventindex.errors import DeadlineError, UnavailableError, from_rpc_error
from eventindex.stream import Call, StreamLimits

A = TypeVar("A")


def download(
    open_call: Callable[[], Call[A]], limits: StreamLimits, address: str, *, resumes: bool
) -> Generator[A, None, None]:
    """Yield the answers of a stream until it ends in good order.

    Args:
        open_call: opens the call; where `resumes`, behind the last answer that was yielded.
        limits: longest wait for one answer, and how long a server that is away is tried again.
        address: the server, for messages.
        resumes: open the call again when it breaks between answers. Otherwise it is opened again
            only as long as nothing has come.

    Raises:
        EventIndexError: the server refused, failed, is away for too long, or is silent.
    """
    stream = _Stream(open_call, limits, address)
    retry = retrying(limits.retry_seconds_max)
    started = False
    try:
        while True:
            try:
                answer = stream.receive()
            except UnavailableError:
                if started and not resumes:
                    raise
                answer = retry(stream.reopen)
            if answer is None:
                return
            started = True
            yield answer
    finally:
        stream.close()


class _Stream(Generic[A]):
    """An open call and a thread that ends it when it is silent for too long.

    gRPC's own deadline covers a whole call, and a stream may last for hours.
    """

    def __init__(
        self, open_call: Callable[[], Call[A]], limits: StreamLimits, address: str
    ) -> None:
        self._open_call = open_call
        self._seconds_max = limits.answer_seconds_max
        self._address = address
        self._call: Call[A] | None = None
        self._waiting_since: float | None = None
        self._silent = False
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="eventindex-watch", daemon=True).start()

    def reopen(self) -> A | None:
        self._call = None
        return self.receive()

    def receive(self) -> A | None:
        """Return the next answer; nothing at the end."""
        check_process()
        if self._call is None:
            self._call = self._open_call()
        self._waiting_since = time.monotonic()
        try:
            return next(iter(self._call), None)
        except grpc.RpcError as error:
            if self._silent:
                raise DeadlineError(
                    f"{self._address}: no answer within {self._seconds_max:g} s"
                ) from error
            raise from_rpc_error(error, self._address) from error
        finally:
            self._waiting_since = None

    def close(self) -> None:
        if in_a_fork():
            return
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    def _watch(self) -> None:
        waited = 0.0
        while not self._closed.wait(max(self._seconds_max - waited, 0.01)):
            since, call = self._waiting_since, self._call
            waited = time.monotonic() - since if since is not None else 0.0
            if waited >= self._seconds_max and call is not None:
                self._silent = True
                call.cancel()
                return
