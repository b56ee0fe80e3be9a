"""Questions across collections against sets of events in Python."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from event_store.admin import collections
from event_store.model import RawFile
from event_store.select import overlap as overlaps
from event_store.select.overlap import Overlap
from event_store.select.scan import Scan
from event_store.select.selection import Selection, select, take
from event_store.write.writer import Store
from tests.conftest import execute
from tests.support.admin import FILES, columns, connect

# Sparse pages, dense ones, and some that only one collection has.
spans = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.one_of(st.integers(0, 40), st.integers(8000, 8400), st.integers(10**6, 10**6 + 9)),
        st.sampled_from([1, 2, 7, 300, 600, 9000]),
        st.integers(1, 3),
    ),
    max_size=5,
)


def events_of(spans) -> set[tuple[int, int]]:
    return {
        (run, event)
        for run, first, count, step in spans
        for event in range(first, first + count * step, step)
    }


def olt_of(event: int, collection: int) -> int:
    return (event * 7 + collection) % 5


@pytest.fixture
def names(database_url):
    """The numbers of 'raw' and two more collections."""
    connection = connect(database_url)
    found = [0, *(collections.create(connection, n, "", "", 9).collection_id for n in ("b", "c"))]
    connection.close()
    return found


def fill(url, numbers, contents):
    execute(url, "TRUNCATE run, event_page, raw_file, event_conflict")
    store = Store(url)
    for number, content in zip(numbers, contents, strict=True):
        files = [RawFile(file.fuid, 90 + number) for file in FILES]
        for run in {run for run, _ in content}:
            events = np.array(sorted(event for r, event in content if r == run))
            olt = [olt_of(event, number) for event in events.tolist()]
            batch = columns(run, events, olt, events % 3, files)
            store.write(replace(batch, collection=number))
    store.close()


def listed(connection, selection) -> dict[tuple[int, int], int]:
    """The events of a selection, as the services list them, with their olt_result."""
    scan, found = Scan(selection, with_olt=True, with_files=True), {}
    while pages := scan.read(connection):
        for run, page_no, page in pages:
            assert page.n_events > 0
            chosen = take(page, page_no, select(page, page_no, selection))
            pairs = ((run, event) for event in chosen.events.tolist())
            assert (chosen.file_index < len(page.fuids)).all()
            files = page.fuids[chosen.file_index].tolist()
            assert files == [FILES[event % 3].fuid.bytes for event in chosen.events.tolist()]
            found |= dict(zip(pairs, chosen.olt.tolist(), strict=True))
    return found


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(contents=st.lists(spans.map(events_of), min_size=3, max_size=3))
def test_overlaps_and_selections_are_those_of_sets(database_url, names, contents):
    """Matrices, events that are also or not elsewhere, and another collection's bits are exact."""
    fill(database_url, names, contents)
    with closing(connect(database_url, autocommit=True)) as connection:
        check(connection, names, contents)


def check(connection, names, contents):
    """Compare everything that is asked across collections with sets."""
    overlaps.PAGES_PER_STATEMENT_MAX = 2
    overlap, total = Overlap(names, 1, 3), np.zeros((3, 3), int)
    while found := overlap.read(connection):
        for run, matrix in found:
            assert run in (1, 2, 3)
            total += matrix
    assert total.tolist() == [[len(a & b) for b in contents] for a in contents]

    raw, b, c = contents
    expected = {pair: olt_of(pair[1], 0) for pair in raw}

    def ask(**given):
        return listed(connection, Selection(**given))

    assert ask() == expected
    assert ask(also_in=(names[1],)).keys() == raw & b
    assert ask(not_in=(names[1],)).keys() == raw - b
    assert ask(also_in=(names[1],), not_in=(names[2],)).keys() == (raw & b) - c
    assert ask(also_in=(names[1],), olt_all=2) == {
        pair: olt for pair, olt in expected.items() if pair in b and olt & 2
    }
    bits = {pair: olt_of(pair[1], names[1]) if pair in b else 0 for pair in raw}
    assert ask(olt_from=names[1]) == bits
    assert ask(olt_from=names[1], olt_any=3, not_in=(names[2],)) == {
        pair: olt for pair, olt in bits.items() if olt & 3 and pair not in c
    }
