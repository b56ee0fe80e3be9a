"""The edge to the two services: the client, with the caller's token on each call.

Adds to the client the single pages that the REST API links to. Never decides who may do what:
the services do, by the token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import grpc

from eventindex import channel as channels
from eventindex.admin_results import to_dead_letter
from eventindex.catalogue_results import (
    to_conflict,
    to_dataset,
    to_file_of_run,
)
from eventindex.channel import Tls
from eventindex.client import Client
from eventindex.collection_names import RAW
from eventindex.errors import AccessError, EventIndexError, NotFoundError
from eventindex.profiles import Profile
from eventindex.run_results import Run, to_run
from eventindex.token import CallToken, Metadata, Token, TokenFile, TokenSource, checked
from eventindex.token_channel import MetadataChannel
from eventindex.told import told
from eventindex.v1 import admin_pb2, lookup_pb2
from service_kit import calls
from service_kit.errors import WrongSettingError
from service_kit.settings import Settings

log = logging.getLogger(__name__)

# Longest wait for an answer, and for a service that is away.
ANSWER_S_MAX = 30.0
AWAY_S_MAX = 2.0
# Longest wait for the index where only its verdict on the caller is asked for.
_ADMISSION_S_MAX = 1.0

T = TypeVar("T")
C = TypeVar("C", bound=Client)

# The `Authorization` header of the request that is being answered; threads inherit it.
authorization: ContextVar[str] = ContextVar("authorization", default="")


class Page(NamedTuple):
    """One page of a list, and the token of the next; "" behind the last."""

    rows: list[Any]
    next_page_token: str


class Services(Client):
    """The client of requests: calls carry the caller's `Authorization`. Threads share it."""

    def _open(self, address: str, _: Profile | None = None) -> grpc.Channel:
        # Without the process' own token: a request without one is anonymous.
        channel = MetadataChannel(channels.open_channel(address, self._tls), _callers_authorization)
        self._channels.append(channel)
        return channel

    def check(self, collection: str = RAW) -> None:
        """See that the index answers this caller: an empty lookup.

        Raises:
            AccessError: the caller may not look up.
            InvalidRequestError: there is no such collection.
            UnavailableError: the index is away.
        """
        self.lookup([], collection=collection)

    def check_access(self) -> None:
        """See that the index does not refuse this caller; one that is away or broken refuses none.

        Raises:
            AccessError: the caller may not look up.
        """
        try:
            self.lookup([], timeout=_ADMISSION_S_MAX)
        except AccessError:
            raise
        except EventIndexError as error:
            log.debug("the index: %s", error)

    def runs_page(self, request: lookup_pb2.ListRunsRequest) -> Page:
        """Return one page of runs."""
        page = self._unary(self._index.ListRuns, request, None)
        return _page(to_run, page.runs, page.next_page_token)

    def run(self, number: int, collection: str = "") -> Run:
        """Return one run of a collection.

        Raises:
            NotFoundError: it is not in the index.
        """
        request = lookup_pb2.ListRunsRequest(
            run_first=number, run_last=number, collection=collection
        )
        rows = self.runs_page(request).rows
        if not rows:
            raise NotFoundError(told("RUN_NOT_FOUND", "run {run} is not in the index", run=number))
        run: Run = rows[0]
        return run

    def datasets_page(self, request: lookup_pb2.ListDatasetsRequest) -> Page:
        """Return one page of datasets."""
        page = self._unary(self._index.ListDatasets, request, None)
        return _page(to_dataset, page.datasets, page.next_page_token)

    def files_page(self, request: lookup_pb2.ListFilesRequest) -> Page:
        """Return one page of files of runs."""
        page = self._unary(self._index.ListFiles, request, None)
        return _page(to_file_of_run, page.files, page.next_page_token)

    def conflicts_page(self, request: lookup_pb2.ListConflictsRequest) -> Page:
        """Return one page of conflicts."""
        page = self._unary(self._index.ListConflicts, request, None)
        return _page(to_conflict, page.conflicts, page.next_page_token)

    def dead_letters_page(self, request: admin_pb2.ListDeadLettersRequest) -> Page:
        """Return one page of dead letters."""
        page = self._change(self._admin.ListDeadLetters, request, None)
        return _page(to_dead_letter, page.dead_letters, page.next_page_token)


def connect_services(kind: type[C], settings: Settings) -> C:
    """Return a client as the settings say; it speaks plaintext unless a CA is named.

    Raises:
        WrongSettingError: the token cannot be read, or what is there cannot be one.
    """
    tls = None
    if settings.http_services_tls_ca is not None:
        tls = Tls(settings.http_services_tls_ca, settings.tls_cert, settings.tls_key)
    return kind(
        settings.index_address,
        settings.ingest_address,
        tls=tls,
        token=_own_token(settings),
        timeout=ANSWER_S_MAX,
        retry_seconds_max=AWAY_S_MAX,
    )


def _own_token(settings: Settings) -> Token | None:
    """Return the token of this process; its file is read again when it changes."""
    secret = settings.token.get_secret_value()
    variable = "EVENTINDEX_TOKEN" if secret else "EVENTINDEX_TOKEN_FILE"
    try:
        if secret or settings.token_file is None:
            return checked(secret) or None
        file = TokenFile(settings.token_file)
        return file.text if file.text() else None
    except (OSError, AccessError) as error:
        raise WrongSettingError(f"{variable}: {error}") from None


def _page(convert: Callable[[Any], T], messages: Iterable[Any], token: str) -> Page:
    return Page([convert(message) for message in messages], token)


class JobServices(Client):
    """The client of jobs and of probes: calls carry the token of this process, where it has one."""

    def _open(self, address: str, _: Profile | None = None) -> grpc.Channel:
        # The token is that of the settings; `service` checked at start that the connection is safe.
        token = CallToken(
            TokenSource(self._token), address, encrypted=False, plaintext_allowed=True
        )
        channel = MetadataChannel(
            channels.open_channel(address, self._tls),
            lambda: (*(token.metadata() if self._token else ()), *calls.metadata()),
        )
        self._channels.append(channel)
        return channel

    @cached_property
    def _lookup(self) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        return self._index_channel.unary_unary("/eventindex.v1.IndexService/Lookup")

    def lookup_bytes(self, request: bytes, *, timeout: float) -> bytes:
        """Answer a serialized LookupRequest with a serialized LookupResponse."""
        return self._unary(self._lookup, request, timeout)


def _callers_authorization() -> Metadata:
    header = authorization.get()
    return (*((("authorization", header),) if header else ()), *calls.metadata())
