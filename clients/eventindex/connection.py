"""A connection to the two services: channels, single calls, pages and streams of answers.

Knows how to ask and to ask again; never what is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from functools import cached_property
from operator import attrgetter
from types import TracebackType
from typing import Any, Generic, Literal, NoReturn, Protocol, Self, TypeVar

import grpc

from eventindex import channel as channels
from eventindex.addresses import Found, locate
from eventindex.channel import Tls
from eventindex.columns import SerializedBatch
from eventindex.download import download
from eventindex.errors import from_rpc_error
from eventindex.lookup_messages import LookupCalls
from eventindex.profiles import Profile
from eventindex.silence import Call
from eventindex.stream import StreamLimits
from eventindex.token import Token, TokenSource
from eventindex.v1 import ingest_pb2, lookup_pb2
from eventindex.v1.admin_pb2_grpc import AdminServiceStub
from eventindex.v1.ingest_pb2_grpc import IngestServiceStub
from eventindex.v1.lookup_pb2_grpc import IndexServiceStub
from eventindex.wire_decode import BatchColumns, decode_batch

PAGE_ROWS = 1000
_LIST_EVENTS = "/eventindex.v1.IndexService/ListEvents"
_INGEST_SERVICE = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name


class _PageRequest(Protocol):
    page_token: str


class _Page(Protocol):
    next_page_token: str


Q = TypeVar("Q")
A = TypeVar("A")
PageQ = TypeVar("PageQ", bound=_PageRequest)
PageA = TypeVar("PageA", bound=_Page)


class _of_this_process(Generic[A]):  # noqa: N801  # used as `cached_property` is
    """A cached property that no fork may read.

    Even a stub that is made in a fork asks gRPC, which may hang there.
    """

    def __init__(self, make: Callable[[Any], A]) -> None:
        self._make = make

    def __get__(self, owner: Connection, _: type[Connection]) -> A:
        channels.check_process()
        name = self._make.__name__
        if name not in owner.__dict__:
            owner.__dict__[name] = self._make(owner)
        made: A = owner.__dict__[name]
        return made

    def __set__(self, owner: Connection, value: A) -> None:
        """Have precedence over what is kept under the same name."""
        raise AttributeError(self._make.__name__)


class Connection:
    """Channels to the index service and the ingest service. Threads may share it, processes not.

    A service is looked for when it is first asked: who needs one only is not told of the other.
    """

    def __init__(
        self,
        address: str | None,
        ingest_address: str | None,
        *,
        tls: Tls | None,
        token: Token | None,
        timeout: float,
        retry_seconds_max: float,
        profile: str | None = None,
    ) -> None:
        self._limits = StreamLimits(answer_seconds_max=timeout, retry_seconds_max=retry_seconds_max)
        self._given = address
        self._ingest_given = ingest_address
        self._profile = profile
        self._tls = tls
        self._token = token
        self._channels: list[grpc.Channel] = []
        self._closed = False

    @cached_property
    def _found(self) -> Found:
        return locate("index", self._given, self._profile)

    @cached_property
    def _ingest_found(self) -> Found:
        return locate("ingest", self._ingest_given, self._profile)

    def location(self, service: Literal["index", "ingest"]) -> Found:
        """Return where a service is looked for, and what said so.

        Raises:
            UnavailableError, AddressError, ConfigError: nothing says so, or it cannot be.
        """
        return self._found if service == "index" else self._ingest_found

    @property
    def _address(self) -> str:
        return self._found.address

    @property
    def _ingest_address(self) -> str:
        return self._ingest_found.address

    @_of_this_process
    def _index_channel(self) -> grpc.Channel:
        return self._open(self._address, self._found.profile)

    @_of_this_process
    def _index(self) -> IndexServiceStub:
        return IndexServiceStub(self._index_channel)

    @_of_this_process
    def _list_events(
        self,
    ) -> grpc.UnaryStreamMultiCallable[lookup_pb2.ListEventsRequest, BatchColumns]:
        """ListEvents, its columns read by NumPy."""
        return self._index_channel.unary_stream(
            _LIST_EVENTS,
            request_serializer=lookup_pb2.ListEventsRequest.SerializeToString,
            response_deserializer=decode_batch,
        )

    @_of_this_process
    def _lookups(self) -> LookupCalls:
        return LookupCalls(self._index_channel)

    @_of_this_process
    def _ingest_channel(self) -> grpc.Channel:
        return self._open(self._ingest_address, self._ingest_found.profile)

    @_of_this_process
    def _ingest(self) -> IngestServiceStub:
        return IngestServiceStub(self._ingest_channel)

    @_of_this_process
    def _ingest_events(
        self,
    ) -> grpc.StreamStreamMultiCallable[SerializedBatch, ingest_pb2.IngestAck]:
        """IngestService.Ingest with batches that are serialized already."""
        return self._ingest_channel.stream_stream(
            f"/{_INGEST_SERVICE}/Ingest", attrgetter("data"), ingest_pb2.IngestAck.FromString
        )

    @_of_this_process
    def _admin(self) -> AdminServiceStub:
        return AdminServiceStub(self._ingest_channel)

    def _open(self, address: str, profile: Profile | None) -> grpc.Channel:
        """Open a channel; TLS and token are those that were given, else those of the profile."""
        if self._closed:
            raise ValueError("the client is closed")
        tls, token_file = self._tls, None
        if profile is not None:
            tls = tls or channels.tls_of_profile(profile)
            token_file = profile.token_file
        opened = channels.open_channel(address, tls, TokenSource(self._token, token_file))
        self._channels.append(opened)
        return opened

    def close(self) -> None:
        """Close the connections; calls that still run end with an error."""
        self._closed = True
        if channels.in_a_fork():
            return  # they are the other process's
        for opened in self._channels:
            opened.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a client holds connections and cannot be pickled or copied: call eventindex.connect() "
            "in the process or task that uses it, and send it the address"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stream_limits(
        self, in_flight_max: int, timeout: float | None, retry_seconds_max: float | None
    ) -> StreamLimits:
        channels.check_process()
        default = self._limits
        return StreamLimits(
            in_flight_max,
            default.answer_seconds_max if timeout is None else timeout,
            default.retry_seconds_max if retry_seconds_max is None else retry_seconds_max,
        )

    def _unary(
        self, method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, timeout: float | None
    ) -> A:
        """Ask the index service until there is an answer or the time is over."""
        seconds, deadline = self._deadline(timeout)
        retry = channels.retrying(min(self._limits.retry_seconds_max, seconds))
        return retry(lambda: _attempt(method, request, deadline, self._address))

    def _change(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, A],
        request: Q,
        timeout: float | None,
        *,
        repeatable: bool = True,
    ) -> A:
        """Call the ingest service; only what may be done twice is tried again."""
        seconds, deadline = self._deadline(timeout)
        retry_seconds = min(self._limits.retry_seconds_max, seconds) if repeatable else 0.0
        retry = channels.retrying(retry_seconds)
        return retry(lambda: _attempt(method, request, deadline, self._ingest_address))

    def _deadline(self, timeout: float | None) -> tuple[float, float]:
        channels.check_process()
        seconds = self._limits.answer_seconds_max if timeout is None else timeout
        return seconds, time.monotonic() + seconds

    def _pages(self, ask: Callable[[PageQ], PageA], request: PageQ) -> Iterator[PageA]:
        """Yield the pages of a list, each fetched when it is needed."""
        while True:
            page = ask(request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _download(
        self,
        open_call: Callable[[], Call[A]],
        timeout: float | None,
        *,
        resumes: bool,
        address: str | None = None,
    ) -> Generator[A, None, None]:
        """Yield the answers of one server's stream; see `download`."""
        limits = self._stream_limits(1, timeout, None)
        return download(open_call, limits, address or self._address, resumes=resumes)


def _attempt(
    method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, deadline: float, address: str
) -> A:
    try:
        return method(request, timeout=max(deadline - time.monotonic(), 0.001))
    except grpc.RpcError as error:
        raise from_rpc_error(error, address) from error
