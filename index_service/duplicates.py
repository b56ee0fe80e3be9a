"""ListDuplicates: datasets that hold the same events, within a collection and between several."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.model import RAW_NAME
from event_store.select.collections import collection_number
from event_store.select.duplicates import BetweenCollections, Pair, Shared, WithinCollection
from event_store.select.existence import require_dataset
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from index_service.events_plan import plan_names
from index_service.overlap import COLLECTIONS_MAX
from service_kit import checks
from service_kit.errors import InvalidRequestError

PAIRS_MAX = 1_000_000
_PAIRS_PER_RESPONSE = 10_000


class Duplicates:
    """The method of IndexService that looks for events of two datasets."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def ListDuplicates(
        self, request: lookup_pb2.ListDuplicatesRequest
    ) -> AsyncIterator[lookup_pb2.ListDuplicatesResponse]:
        """Yield the shared events, if asked for, and the pairs of datasets that share them."""
        names = plan_names("collections", request.collections, COLLECTIONS_MAX) or [RAW_NAME]
        runs = checks.number_range(request, "run")
        wanted = plan_datasets(request.datasets)
        numbers = await self._threads.run(partial(_numbers, names=names, dsids=wanted))
        name_of = dict(zip(numbers, names, strict=True))
        found: Counter[Pair] = Counter()
        scans: list[WithinCollection | BetweenCollections] = [
            *(WithinCollection(number, runs.first, runs.last) for number in numbers),
            *([BetweenCollections(numbers, runs.first, runs.last)] if len(numbers) > 1 else []),
        ]
        for scan in scans:
            while (shared := await self._threads.run(scan.read)) is not None:
                for part in shared:
                    if not wanted <= {part.pair.dsid, part.pair.other_dsid}:
                        continue
                    found[part.pair] += len(part.events)
                    if request.with_events:
                        yield _event_response(part, name_of)
                _check_size(len(found))
        pairs = sorted(found, key=partial(_place, numbers=numbers))
        for start in range(0, len(pairs), _PAIRS_PER_RESPONSE):
            part_of_all = pairs[start : start + _PAIRS_PER_RESPONSE]
            yield lookup_pb2.ListDuplicatesResponse(
                pairs=[_message(pair, name_of, found[pair]) for pair in part_of_all]
            )


def plan_datasets(dsids: Sequence[int]) -> set[int]:
    """Check the datasets that pairs should have. Pure.

    Raises:
        InvalidRequestError: more than two, the same twice, or a number out of range.
    """
    wanted = {checks.dsid(dsid) for dsid in dsids}
    if len(dsids) > 2:
        raise InvalidRequestError(
            told(
                "NOT_A_PAIR_OF_DATASETS",
                "datasets has {count} elements: a pair has two",
                count=len(dsids),
            )
        )
    if len(wanted) < len(dsids):
        raise InvalidRequestError(
            told("DATASET_TWICE", "datasets[1]={dataset} is there twice", dataset=dsids[1])
        )
    return wanted


def _numbers(connection: Connection, names: Sequence[str], dsids: set[int]) -> list[int]:
    with connection.cursor() as cursor:
        for dsid in dsids:
            require_dataset(cursor, dsid)
        return [collection_number(cursor, name) for name in names]


def _event_response(part: Shared, name_of: Mapping[int, str]) -> lookup_pb2.ListDuplicatesResponse:
    """Return the events of a part: what a statement reads of one run, so that it fits a message."""
    events = part.events.tolist()
    return lookup_pb2.ListDuplicatesResponse(
        events=lookup_pb2.DuplicateEvents(
            pair=_message(part.pair, name_of, len(events)),
            run_number=part.run_number,
            event_numbers=events,
        )
    )


def _message(pair: Pair, name_of: Mapping[int, str], events: int) -> lookup_pb2.DatasetPair:
    return lookup_pb2.DatasetPair(
        collection=name_of[pair.collection],
        dsid_raw=pair.dsid,
        other_collection=name_of[pair.other_collection],
        other_dsid_raw=pair.other_dsid,
        events=events,
    )


def _place(pair: Pair, numbers: Sequence[int]) -> tuple[int, int, int, int]:
    """Return where a pair stands: by collections as they were named, then by datasets."""
    one, other = numbers.index(pair.collection), numbers.index(pair.other_collection)
    return one, other, pair.dsid, pair.other_dsid


def _check_size(pairs: int) -> None:
    if pairs > PAIRS_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_DATASET_PAIRS",
                "there are more than {limit} pairs of datasets: narrow the range of runs",
                limit=f"{PAIRS_MAX:,}",
            )
        )
