"""A page that contradicts itself is DATA_LOSS to every method that reads it, and is counted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest

from event_store.admin import collections
from event_store.database.connection import Connection, StoreOptions
from event_store.model import RawFile
from event_store.write.writer import Store
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import execute
from tests.support.processes import Service
from tests.support.store import columns

FILES = [RawFile(uuid.UUID(int=number), 1) for number in (1, 2, 3)]
AOD_FILES = [RawFile(uuid.UUID(int=number), 100) for number in (11, 12, 13)]
# Run 7 has a dense page, run 8 a sparse one; `aod` has both too, and keeps them whole.
EVENTS = {7: 600, 8: 20}
DATA_LOSS = grpc.StatusCode.DATA_LOSS
# What is wrong with a page, by what of it has to be read to see it.
OF_SLOTS = {
    "fewer events": "n_events = n_events - 1",
    "no events": "n_events = 0",
    "a slot twice": "slots = CASE WHEN run_number = 8 THEN slots[1:19] || slots[1] END, "
    "n_events = n_events - (run_number = 7)::integer",
    "a slot beyond": "slots = CASE WHEN run_number = 8 THEN slots[1:19] || 8192::smallint END, "
    "n_events = n_events - (run_number = 7)::integer",
}
OF_FILES = {
    "longer planes": "file_planes = file_planes || '\\x00'",
    "a dataset more": "dsids = dsids || 1",
    "a file beyond": "file_planes = substring(file_planes FROM 1 FOR "
    "(run_number = 7)::integer * 1024) || decode(repeat('ff', octet_length(file_planes) - "
    "(run_number = 7)::integer * 1024), 'hex')",
}
OF_CRITERIA = {"longer planes of criteria": "olt_planes = olt_planes || '\\x0000'"}

Ask = Callable[[lookup_pb2_grpc.IndexServiceStub, int], Any]


def chosen(run: int, **more: Any) -> lookup_pb2.EventSelection:
    return lookup_pb2.EventSelection(run_first=run, run_last=run, **more)


def counted(by: int, **more: Any) -> Ask:
    """A count that the catalogue cannot answer, because of a range of events."""
    return lambda stub, run: stub.CountEvents(
        lookup_pb2.CountEventsRequest(selection=chosen(run, event_last=9000, **more), by=by)
    )


def looked_up(**more: Any) -> Ask:
    return lambda stub, run: stub.Lookup(
        lookup_pb2.LookupRequest(run_numbers=[run], event_numbers=[1, 2], **more)
    )


# Methods that read pages, by what they read beside the slots.
SLOTS: dict[str, Ask] = {
    "CountEvents": counted(lookup_pb2.COUNT_BY_RUN),
    "CountEvents, also in": counted(lookup_pb2.COUNT_BY_RUN, collection="aod", also_in=["raw"]),
    "CountEvents, not in": counted(lookup_pb2.COUNT_BY_RUN, collection="aod", not_in=["raw"]),
    "OverlapCollections": lambda stub, run: stub.OverlapCollections(
        lookup_pb2.OverlapCollectionsRequest(
            collections=["raw", "aod"], run_first=run, run_last=run
        )
    ),
    "RunGaps": lambda stub, run: stub.RunGaps(lookup_pb2.RunGapsRequest(run_number=run)),
}
WITH_FILES: dict[str, Ask] = {
    "Lookup": looked_up(),
    "GetEvent": lambda stub, run: stub.GetEvent(
        lookup_pb2.GetEventRequest(run_number=run, event_number=1)
    ),
    "LookupStream": lambda stub, run: list(
        stub.LookupStream(iter([lookup_pb2.LookupRequest(run_numbers=[run], event_numbers=[1])]))
    ),
    "ListEvents": lambda stub, run: list(
        stub.ListEvents(lookup_pb2.ListEventsRequest(selection=chosen(run)))
    ),
    "CountEvents by file": counted(lookup_pb2.COUNT_BY_FILE),
    "CountEvents by dataset": counted(lookup_pb2.COUNT_BY_DATASET),
}
WITH_CRITERIA: dict[str, Ask] = {
    "Lookup with olt_result": looked_up(with_olt_result=True),
    "CountEvents by bit": counted(lookup_pb2.COUNT_BY_OLT_BIT),
    "CountEvents by pair of bits": counted(lookup_pb2.COUNT_BY_OLT_BIT_PAIR),
    "CountEvents, bits of another": counted(
        lookup_pb2.COUNT_BY_OLT_BIT, collection="aod", olt_from="raw"
    ),
}


@pytest.fixture(scope="module")
def damaged(postgres, _template) -> Iterator[tuple[str, Service]]:
    """A service that has read none of the pages yet, and its database."""
    execute(postgres.url(), f"CREATE DATABASE damaged TEMPLATE {_template}")
    url = postgres.url("damaged")
    with closing(Connection(url, StoreOptions(), autocommit=True, name="test")) as connection:
        number = collections.create(connection, "aod", "", "", 9).collection_id
    store = Store(url)
    for run, n in EVENTS.items():
        batch = columns(run, range(n), np.arange(n) % 3, FILES)
        store.write(replace(batch, olt=np.full(n, 5, np.uint64)))
        store.write(replace(columns(run, range(n), np.arange(n) % 3, AOD_FILES), collection=number))
    store.close()
    execute(url, "CREATE TABLE whole AS SELECT * FROM event_page")
    service = Service("index_service", database_url=url, index_workers=1)
    service.start()
    yield url, service
    service.close()
    execute(postgres.url(), "DROP DATABASE damaged WITH (FORCE)")


def code_of(ask: Ask, stub: lookup_pb2_grpc.IndexServiceStub, run: int) -> grpc.StatusCode:
    try:
        ask(stub, run)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("run", EVENTS)
def test_a_page_that_contradicts_itself_is_data_loss_everywhere(damaged, run) -> None:
    """Lookups, lists, counts and questions across collections alike; each answer is counted."""
    url, service = damaged
    kinds = (
        (OF_SLOTS, SLOTS | WITH_FILES | WITH_CRITERIA),
        (OF_FILES, WITH_FILES),
        (OF_CRITERIA, WITH_CRITERIA),
    )
    before, asked = service.metric("eventindex_corrupt_page_answers_total"), 0
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        for changes, asks in kinds:
            for change, sql in changes.items():
                execute(url, f"UPDATE event_page SET {sql} WHERE collection_id = 0")
                found = {name: code_of(ask, stub, run) for name, ask in asks.items()}
                asked += len(found)
                execute(
                    url,
                    "UPDATE event_page p SET n_events = w.n_events, slots = w.slots, "
                    "dsids = w.dsids, file_planes = w.file_planes, olt_planes = w.olt_planes "
                    "FROM whole w WHERE (p.run_number, p.collection_id, p.page_no) = "
                    "(w.run_number, w.collection_id, w.page_no)",
                )
                wrong = {name: code for name, code in found.items() if code is not DATA_LOSS}
                assert not wrong, (change, wrong)
        # The page is whole again.
        asks = SLOTS | WITH_FILES | WITH_CRITERIA
        assert {code_of(ask, stub, run) for ask in asks.values()} == {grpc.StatusCode.OK}
    assert service.metric("eventindex_corrupt_page_answers_total") == before + asked
