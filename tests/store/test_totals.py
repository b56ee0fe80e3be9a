"""What those who watch the index are told of its collections."""

from __future__ import annotations

from event_store.admin.totals import COLLECTIONS_SHOWN_MAX, OTHERS, InCollection, shown


def test_small_collections_are_told_together():
    """The 50 largest are by name; what the others hold is summed, so that nothing is left out."""
    rows = [(f"c{number}", 1000 - number, 2) for number in range(53)]
    found = shown(rows)
    assert len(found) == COLLECTIONS_SHOWN_MAX + 1
    assert found["c49"] == InCollection(951, 2)
    assert found[OTHERS] == InCollection(950 + 949 + 948, 6)
    assert OTHERS not in shown(rows[:50])
