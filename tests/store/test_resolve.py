"""Resolving conflicts: any decisions, in any order, against a dictionary."""

from __future__ import annotations

import numpy as np
import pytest

from event_store.admin import resolve
from event_store.errors import WrongStateError
from event_store.model import Outcome
from event_store.write.writer import Store
from tests.conftest import query
from tests.support.admin import FILES, check_lookups, columns, connect, differences, make_reader

OPEN = (
    "SELECT conflict_id, event_number, stored_fuid_raw::text, stored_olt_result, "
    "offered_fuid_raw::text, offered_olt_result FROM event_conflict WHERE resolution = '' "
    "ORDER BY 1"
)


@pytest.mark.parametrize("seed", range(3))
def test_any_decisions_give_the_dictionary(database_url, seed):
    """Lookups and counts follow each replacement; open conflicts name what is stored now."""
    rng = np.random.default_rng(seed)
    store, connection, reader, model = Store(database_url), connect(database_url), make_reader(), {}
    numbers = [*range(5), *range(8190, 8195), 10**12, *range(10**6, 10**6 + 600)]
    for turn in range(8):
        chosen = np.array(numbers if turn == 0 else rng.choice(numbers[:40], 12, replace=False))
        index, olt = rng.integers(0, 4, len(chosen)), rng.integers(0, 3, len(chosen))
        outcome = store.write(columns(1, chosen, olt, index)).tolist()
        for event, file, bits, got in zip(
            chosen.tolist(), index.tolist(), olt.tolist(), outcome, strict=True
        ):
            value = (FILES[file], bits)
            known = model.setdefault((1, event), value)
            if turn:
                assert got == (Outcome.DUPLICATE if known == value else Outcome.CONFLICT)
        decide(database_url, connection, rng, model)
        assert differences(database_url) == []
        check_lookups(reader, database_url, model, [*model, (1, 7 * 8192)])
    replaced = "SELECT count(*) FROM event_conflict WHERE resolution = 'replaced'"
    assert query(database_url, replaced)[0][0] > 3
    store.close()
    connection.close()


def decide(url, connection, rng, model):
    """Decide some of the open conflicts; each names the stored value of the model."""
    files = {str(file.fuid): file for file in FILES}
    while rows := query(url, OPEN):
        for _, event, fuid, olt, *_ in rows:
            assert model[1, event] == (files[fuid], olt)
        number, event, _, _, fuid, olt = rows[int(rng.integers(len(rows)))]
        choice = rng.random()
        if choice < 0.2:
            return
        if choice < 0.5:
            resolve.keep(connection, number, "anna")
        else:
            resolve.replace(connection, number, "anna", None)
            model[1, event] = (files[fuid], olt)


def test_replacing_in_an_event_that_is_gone(database_url):
    """A conflict whose event is not in the index any more cannot be replaced."""
    store, connection = Store(database_url), connect(database_url)
    store.write(columns(1, [1], 0, 0))
    store.write(columns(1, [1], 0, 1))
    ((number, *_),) = query(database_url, OPEN)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM event_page")
    with pytest.raises(WrongStateError, match="run 1 event 1 is not in the index"):
        resolve.replace(connection, number, "anna", None)
    store.close()
    connection.close()
