"""Pairs answered from pages that the cache holds. No I/O."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.lookup.batch import LookupBatch, Pairs, PendingOlt, Reply
from event_store.lookup.cache import PageCache
from event_store.model import Int32


def answer_rows(
    cache: PageCache[Reply],
    batch: LookupBatch[Reply],
    where: Pairs | slice,
    rows: Int32,
    of: npt.NDArray[np.intp],
) -> PendingOlt | None:
    """Answer the pairs at `where`, each from its row `rows[of]` of the cache.

    Returns:
        What `batch.answer_olt` answers when others may use the cache again.
    """
    files, places = cache.files.answer(cache.file_numbers(rows, of, batch.slots[where]))
    batch.answer(where, files, places)
    return PendingOlt(where, rows.take(of), cache.olt_pages(rows)) if batch.with_olt else None
