"""One long exchange of requests and answers that outlives the calls it is made of.

Requests go out while answers come in, a bounded number ahead of their answers. When the server
goes away a new call is opened and the unanswered requests are sent again, so every request is
answered once and in order. Never knows what the messages mean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeAlias, TypeVar

from eventindex.channel import check_process, in_a_fork, retrying
from eventindex.errors import AccessError, TokenEndedError, UnavailableError
from eventindex.exchange_ledger import Ledger, Numbered
from eventindex.silence import Call, SilenceWatch

Q = TypeVar("Q", bound=Numbered)
A = TypeVar("A", bound=Numbered)
C = TypeVar("C")
R = TypeVar("R")


OpenCall: TypeAlias = Callable[[Iterator[Q]], Call[A]]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of an exchange.

    Attributes:
        batches_in_flight_max: requests that were read and not yet answered.
        answer_seconds_max: longest wait for one answer.
        retry_seconds_max: how long a server that is away is tried again, since the last answer.
    """

    batches_in_flight_max: int = 8
    answer_seconds_max: float = 30.0
    retry_seconds_max: float = 60.0

    def __post_init__(self) -> None:
        if self.batches_in_flight_max < 1:
            raise ValueError(f"batches_in_flight_max is {self.batches_in_flight_max}, below 1")
        if self.answer_seconds_max <= 0:
            raise ValueError(f"timeout is {self.answer_seconds_max}, not above 0 seconds")
        if self.retry_seconds_max < 0:
            raise ValueError(f"retry_seconds_max is {self.retry_seconds_max}, below 0")


class _Step(Enum):
    """What the sender of a call does next."""

    SEND = auto()
    READ = auto()
    END = auto()


class Exchange(Generic[Q, A, C]):
    """Sends the requests of an iterator, each with a context that comes back with its answer.

    gRPC reads requests in a thread of its own, one a call. Of these only the newest call's sends;
    any of them may be the one that waits for the input, and what it reads then is sent by the
    newest.
    """

    def __init__(
        self,
        open_call: OpenCall[Q, A],
        requests: Iterator[tuple[Q, C]],
        limits: StreamLimits,
        address: str,
    ) -> None:
        self._open_call = open_call
        self._input = requests
        self._limits = limits
        self._address = address
        self._changed = threading.Condition()
        self._ledger: Ledger[Q, C] = Ledger(address, limits.batches_in_flight_max)
        self._call_number = 0
        self._call: Call[A] | None = None
        self._reading = False
        self._input_error: BaseException | None = None
        # The newest call was opened for a newer token, which nothing has answered to yet.
        self._renewed = False
        self._closed = threading.Event()
        self._watch: SilenceWatch[A] = SilenceWatch(
            limits.answer_seconds_max, address, is_due=lambda: self._ledger.sent > 0
        )

    def answers(self, convert: Callable[[C, A], R]) -> Generator[R, None, None]:
        """Yield convert(context, answer) for every request, in order.

        Raises:
            EventIndexError: the server refused a request, is away for too long, or is silent.
            RuntimeError: this is a fork of the process that began.
            BaseException: what the input iterator raised, after the answers to what came before.
        """
        retry = retrying(self._limits.retry_seconds_max)
        try:
            while True:
                answer = self._next_answer() or retry(self._reopen)
                if answer is None:
                    break
                yield convert(*answer)
        finally:
            self._close()
        if self._input_error is not None:
            raise self._input_error

    def _next_answer(self) -> tuple[C, A] | None:
        """Return the next answer of the open call; nothing when it must be opened (again)."""
        check_process()
        if self._call is None:
            return None
        try:
            return self._receive(self._call)
        except (UnavailableError, TokenEndedError):
            return None

    def _reopen(self) -> tuple[C, A] | None:
        """Open a call and return its first answer; nothing when all requests are answered."""
        with self._changed:
            if self._ledger.complete:
                return None
            self._call_number += 1
            self._ledger.restart()
            self._changed.notify_all()
            number = self._call_number
        call = self._open_call(self._requests(number))
        self._call = call
        try:
            return self._receive(call)
        except TokenEndedError:
            return self._reopen()

    def _receive(self, call: Call[A]) -> tuple[C, A] | None:
        try:
            answer = self._watch.receive(call)
        except TokenEndedError as error:
            if self._renewed:
                raise AccessError(str(error)) from error
            self._renewed = True
            raise
        self._renewed = False
        if answer is None:
            self._ledger.check_end()
            return None
        with self._changed:
            context = self._ledger.match(answer)
            self._changed.notify_all()
        return context, answer

    def _requests(self, number: int) -> Iterator[Q]:
        """Yield the requests of a call until it is over; runs in gRPC's thread of that call."""
        while True:
            with self._changed:
                while (step := self._step(number)) is None:
                    self._changed.wait()
                if step is _Step.END:
                    return
                if step is _Step.SEND:
                    if self._ledger.sent == 0:
                        self._watch.restart()
                    request = self._ledger.next_request()
                else:
                    self._reading = True
            if step is _Step.SEND:
                yield request
            else:
                self._read()

    def _step(self, number: int) -> _Step | None:
        if self._closed.is_set() or number != self._call_number:
            return _Step.END
        if self._ledger.may_send:
            return _Step.SEND
        if self._ledger.input_done:
            return _Step.END
        if not self._reading and self._ledger.may_read:
            return _Step.READ
        return None

    def _read(self) -> None:
        """Take one request from the input, outside the lock: it may wait for a long time."""
        item: tuple[Q, C] | None = None
        problem: BaseException | None = None
        try:
            item = next(self._input, None)
        except BaseException as error:  # noqa: BLE001  # raised again in the reader's thread
            problem = error
        with self._changed:
            self._reading = False
            self._input_error = problem
            self._ledger.add(item)
            self._changed.notify_all()

    def _close(self) -> None:
        if in_a_fork():
            return  # a thread of the other process may hold the lock
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
        self._watch.close()
