"""The books of a stream of numbered requests: what was read, sent and answered. Pure.

A call that breaks is followed by another one, and what has no answer is sent again; so every
request is answered once and in order. Threads and event loops keep the same books.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from eventindex.errors import ServerError, UnavailableError


class Numbered(Protocol):
    """A request or an answer with its number."""

    @property
    def batch_id(self) -> int: ...  # noqa: D102  # named as in the contract


Q = TypeVar("Q", bound=Numbered)
C = TypeVar("C")


class Ledger(Generic[Q, C]):
    """Requests without an answer, each with a context that comes back with its answer.

    Attributes:
        sent: how many of them the newest call has sent.
        input_done: whether all requests were read.
    """

    def __init__(self, address: str, in_flight_max: int) -> None:
        self.sent = 0
        self.input_done = False
        self._address = address
        self._in_flight_max = in_flight_max
        self._unanswered: deque[tuple[Q, C]] = deque()

    @property
    def complete(self) -> bool:
        """Whether every request is answered and no more will come."""
        return self.input_done and not self._unanswered

    @property
    def may_send(self) -> bool:
        """Whether there is a request that the newest call has not sent."""
        return self.sent < len(self._unanswered)

    @property
    def may_read(self) -> bool:
        """Whether another request may be read ahead."""
        return not self.input_done and len(self._unanswered) < self._in_flight_max

    def restart(self) -> None:
        """Begin a new call: all that has no answer is to be sent again."""
        self.sent = 0

    def add(self, item: tuple[Q, C] | None) -> None:
        """Take a request that was read; nothing stands for the end of the input."""
        if item is None:
            self.input_done = True
        else:
            self._unanswered.append(item)

    def next_request(self) -> Q:
        """Return the next request to send, and count it as sent."""
        request = self._unanswered[self.sent][0]
        self.sent += 1
        return request

    def match(self, answer: Numbered) -> C:
        """Return the context of the request that an answer is to.

        Raises:
            ServerError: it is not the answer to the oldest request.
        """
        if not self.sent or self._unanswered[0][0].batch_id != answer.batch_id:
            raise ServerError(f"{self._address}: batch {answer.batch_id} answered out of turn")
        _, context = self._unanswered.popleft()
        self.sent -= 1
        return context

    def check_end(self) -> None:
        """Hold the end of a call against what is open.

        Raises:
            UnavailableError: a server that stops may end a stream in good order before the last
                answer.
        """
        if not self.complete:
            raise UnavailableError(f"{self._address}: the stream ended before its last answer")
