"""The client: lookups and ingest over gRPC, and all other questions by its bases.

Checks what it sends before anything is sent. Never caches an answer.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import overload

from eventindex.administration import Administration
from eventindex.channel import tls_of
from eventindex.collection_names import RAW, chosen_name, distinct_names, wire_name
from eventindex.columns import SerializedBatch, serialize, to_cosmic_message
from eventindex.completeness import CompletenessQueries
from eventindex.duplicates import DuplicateQueries
from eventindex.event_tables import EventsLike, to_batches
from eventindex.lookup_messages import Question, encode, pairs_max, slices, to_requests
from eventindex.pairs import Pairs, PairsLike, to_numbers, to_pairs
from eventindex.picking import Picking
from eventindex.results import Ack, Event, LookupResult, join, to_ack, to_event, to_result
from eventindex.stream import Exchange
from eventindex.stream_results import StreamResults
from eventindex.token import Token
from eventindex.v1 import ingest_pb2, lookup_pb2


class Client(CompletenessQueries, DuplicateQueries, Administration, Picking):
    """A connection to the index, and to ingest when that is used. Threads may share it.

    Use it as a context manager or call `close`. `connect` makes one. Selections and counts are in
    `event_queries`, lists in `catalogue`, changes in `administration`.
    """

    @overload
    def lookup(
        self,
        pairs: PairsLike,
        *,
        with_olt_result: bool = False,
        collection: str = RAW,
        detector: str | int | None = None,
        with_file_names: bool = False,
        commit_token: str = "",
        timeout: float | None = None,
    ) -> LookupResult: ...

    @overload
    def lookup(
        self,
        pairs: PairsLike,
        *,
        with_olt_result: bool = False,
        collection: list[str] | tuple[str, ...],
        with_file_names: bool = False,
        commit_token: str = "",
        timeout: float | None = None,
    ) -> dict[str, LookupResult]: ...

    def lookup(
        self,
        pairs: PairsLike,
        *,
        with_olt_result: bool = False,
        collection: str | list[str] | tuple[str, ...] = RAW,
        detector: str | int | None = None,
        with_file_names: bool = False,
        commit_token: str = "",
        timeout: float | None = None,
    ) -> LookupResult | dict[str, LookupResult]:
        """Find the RAW files of any number of (run, event) pairs.

        Args:
            pairs: a list of (run, event), an integer array of shape (n, 2), a tuple
                (runs, events) of arrays, or a pandas frame, an Arrow table or a structured array
                with the columns run_number and event_number.
            with_olt_result: ask for the online filter's bits too.
            collection: the collection that is asked, or a list of several: then the result is a
                dictionary with one for each. `collections_of` tells which hold some runs.
            detector: a telescope, in the place of a collection: its own is asked.
            with_file_names: ask for names, sizes, checksums and addresses of the files too.
            commit_token: of an `Ack`: what it acknowledged is found, on a replica too. One that is
                behind is waited for.
            timeout: seconds to wait, default as in `connect`; for each 100,000 pairs where
                there are more, for each 4,000 with names.

        Raises:
            ValueError: a pair that is no pair of numbers from 0 to 2^63-1, or one that is masked
                or missing, before anything is sent; names the index and the value.
            EventIndexError: the server refused, failed, or is away.
        """
        columns = to_pairs(pairs)
        question = Question(with_olt_result, RAW, with_file_names, commit_token=commit_token)
        if isinstance(collection, str) or detector is not None:
            question = question._replace(collection=chosen_name(collection, detector))
            return self._lookup_in(columns, question, timeout)
        return {
            name: self._lookup_in(columns, question._replace(collection=name), timeout)
            for name in distinct_names(collection)
        }

    def _lookup_in(self, columns: Pairs, question: Question, timeout: float | None) -> LookupResult:
        size_max = pairs_max(question.with_file_names)
        if len(columns.runs) <= size_max:
            request = encode(1, columns, question)
            response = self._unary(self._lookups.Lookup, request, timeout)
            return to_result(columns, response, with_olt_result=question.with_olt_result)
        parts = self.lookup_stream(
            slices(columns, size_max),
            with_olt_result=question.with_olt_result,
            collection=question.collection,
            with_file_names=question.with_file_names,
            commit_token=question.commit_token,
            timeout=timeout,
        )
        return join(columns, list(parts))

    def lookup_stream(
        self,
        batches: Iterable[PairsLike],
        *,
        with_olt_result: bool = False,
        collection: str = RAW,
        detector: str | int | None = None,
        with_file_names: bool = False,
        commit_token: str = "",
        batches_in_flight_max: int = 8,
        timeout: float | None = None,
        retry_seconds_max: float | None = None,
    ) -> Generator[LookupResult, None, None]:
        """Look up batches of pairs, one result a batch, in order, while batches are still made.

        The batches are taken from the iterator in another thread, at most
        `batches_in_flight_max` ahead of the results. When the server goes away, the batches
        without an answer are sent again. Close the generator to end early.

        Args:
            batches: an iterable of any length; each batch as in `lookup`, up to 100,000 pairs.
            with_olt_result: ask for the online filter's bits too.
            collection: the collection that is asked.
            detector: a telescope, in the place of a collection.
            with_file_names: ask for what is noted of the files too; then 4,000 pairs in a batch
                always have an answer that fits a message.
            commit_token: as in `lookup`.
            batches_in_flight_max: batches that were read and not yet answered.
            timeout: longest wait for one result, seconds; default as in `connect`.
            retry_seconds_max: how long to try again when the server is away, since the last
                result; default as in `connect`.

        Raises:
            ValueError: a batch with a value that is no pair, after the results before it.
            InvalidRequestError: the server refused a batch.
            UnavailableError: the server is away for too long.
            DeadlineError: no result in time.
        """
        limits = self._stream_limits(batches_in_flight_max, timeout, retry_seconds_max)
        question = Question(
            with_olt_result, chosen_name(collection, detector), with_file_names,
            files_of_stream=True, commit_token=commit_token,
        )  # fmt: skip
        requests = to_requests(batches, question)
        exchange = Exchange(self._lookups.LookupStream, requests, limits, self._address)
        return exchange.answers(StreamResults(with_olt_result).result)

    def get_event(
        self,
        run_number: int,
        event_number: int,
        *,
        collection: str = RAW,
        detector: str | int | None = None,
        with_file_names: bool = False,
        timeout: float | None = None,
    ) -> Event:
        """Return one event with all its fields, and what is noted of its file if asked.

        Raises:
            NotFoundError: it is not in the index.
            ValueError: a number outside 0 to 2^63-1.
        """
        (run,) = to_numbers([run_number], "run_number").tolist()
        (event,) = to_numbers([event_number], "event_number").tolist()
        request = lookup_pb2.GetEventRequest(
            run_number=run,
            event_number=event,
            collection=wire_name(chosen_name(collection, detector)),
            with_file_names=with_file_names,
        )
        return to_event(self._unary(self._index.GetEvent, request, timeout))

    def ingest(
        self,
        batches: EventsLike | Iterable[EventsLike],
        *,
        ignore_extra: bool = False,
        collection: str = RAW,
        batches_in_flight_max: int = 8,
        timeout: float | None = None,
        retry_seconds_max: float | None = None,
    ) -> Generator[Ack, None, None]:
        """Store batches of events; an acknowledgement, one a batch, in order, says: committed.

        When the server goes away, the batches without an acknowledgement are sent again. Those
        that were stored all the same are then counted as duplicates, which is harmless.

        Args:
            batches: `EventColumns`, events that were listed, or tables with a row an event: pandas
                or polars frames, Arrow tables, structured arrays, dictionaries of columns. One of
                these, or an iterable of any number. A table has the columns run_number,
                event_number, dsid_raw, fuid_raw and perhaps olt_result; a long one goes as several
                batches of 100,000. In a dictionary one value may stand for all rows.
            ignore_extra: pass over other columns of tables.
            collection: that the events of tables belong to; other batches say it themselves.
            batches_in_flight_max, timeout, retry_seconds_max: as in `lookup_stream`.

        Raises:
            ValueError: a table without a column, with one that is not known, or a value that
                cannot be; names it.
            EventIndexError: as `lookup_stream`.
        """
        limits = self._stream_limits(batches_in_flight_max, timeout, retry_seconds_max)
        found = to_batches(batches, ignore_extra=ignore_extra, collection=collection)
        requests = ((serialize(number, batch), None) for number, batch in enumerate(found, 1))
        exchange: Exchange[SerializedBatch, ingest_pb2.IngestAck, None] = Exchange(
            self._ingest_events, requests, limits, self._ingest_address
        )
        return exchange.answers(lambda _, message: to_ack(message))

    def ingest_cosmic(
        self,
        batches: Iterable[Sequence[bytes]],
        *,
        detector_id: str = "",
        batches_in_flight_max: int = 8,
        timeout: float | None = None,
        retry_seconds_max: float | None = None,
    ) -> Generator[Ack, None, None]:
        """Store batches of telescope records, JSON as the detectors write it, one an element.

        Args:
            batches: each a sequence of up to 100,000 records.
            detector_id: stands in for a null DetectorId; another DetectorId is refused.
            batches_in_flight_max, timeout, retry_seconds_max: as in `ingest`.
        """
        limits = self._stream_limits(batches_in_flight_max, timeout, retry_seconds_max)
        requests = (
            (to_cosmic_message(number, records, detector_id), None)
            for number, records in enumerate(batches, 1)
        )
        exchange: Exchange[ingest_pb2.CosmicBatch, ingest_pb2.IngestAck, None] = Exchange(
            self._ingest.IngestCosmic, requests, limits, self._ingest_address
        )
        return exchange.answers(lambda _, message: to_ack(message))


def connect(
    address: str | None = None,
    *,
    ingest_address: str | None = None,
    tls: bool = False,
    tls_ca: str | Path | None = None,
    tls_cert: str | Path | None = None,
    tls_key: str | Path | None = None,
    tls_server_name: str | None = None,
    token: Token | None = None,
    profile: str | None = None,
    timeout: float = 30.0,
    retry_seconds_max: float = 60.0,
) -> Client:
    """Return a client. It connects when it is first used.

    Args:
        address: host:port of the index service. Without one: that of the profile,
            EVENTINDEX_INDEX_ADDRESS, that of the profile that EVENTINDEX_PROFILE names, what
            `eventindex up` wrote to ./.eventindex, that of the profile "default", 127.0.0.1:50051.
        ingest_address: host:port of the ingest service, for `ingest` and everything that changes
            the index; found likewise.
        tls: use TLS; any of the following turns it on.
        tls_ca: PEM file with the certificates to trust.
        tls_cert, tls_key: PEM files of the client's own certificate.
        tls_server_name: the name in the server's certificate where it is not the address.
        token: access token, for servers that ask for one, or a function that returns the one of
            now. Without one: EVENTINDEX_TOKEN, then the content of the file that
            EVENTINDEX_TOKEN_FILE names, then that of the profile, read again when it changes;
            then where WLCG tools put it (BEARER_TOKEN, BEARER_TOKEN_FILE, bt_u<uid>).
        profile: a table of ~/.config/eventindex/config.toml, with addresses, TLS and the file of
            the token. TLS and token go with the addresses of a profile only.
        timeout: seconds to wait for an answer.
        retry_seconds_max: how long to try again when a server is away, seconds.
    """
    return Client(
        address,
        ingest_address,
        tls=tls_of(tls, tls_ca, tls_cert, tls_key, tls_server_name),
        token=token,
        profile=profile,
        timeout=timeout,
        retry_seconds_max=retry_seconds_max,
    )
