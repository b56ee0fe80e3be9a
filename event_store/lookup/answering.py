"""Pairs answered from pages that the cache holds. No I/O."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.lookup.batch import LookupBatch, Pairs, PendingOlt, Reply
from event_store.lookup.cache import PageCache
from event_store.model import Int32


def answer_by_view(cache: PageCache[Reply], batch: LookupBatch[Reply]) -> bool:
    """Answer a batch of one run whose pages all lie unpacked; whether that was so."""
    if batch.with_olt or not isinstance(batch.runs, int):
        return False
    stamp = int(batch.run_stamps[0])
    numbers = cache.run_numbers(batch.runs, batch.place.offset, stamp, batch.events)
    if numbers is None:
        return False
    batch.answer(slice(None), *cache.files.answer(numbers))
    return True


def answer_found(
    cache: PageCache[Reply],
    batch: LookupBatch[Reply],
    where: Pairs | slice,
    rows: Int32,
    of: npt.NDArray[np.intp],
) -> PendingOlt | None:
    """Do as `answer_rows` with rows that were in the cache; those asked for often are unpacked."""
    often = cache.often_asked(rows, of)
    cache.found(rows)
    olt = answer_rows(cache, batch, where, rows, of)
    cache.unpack(often)
    if isinstance(batch.runs, int) and isinstance(where, slice) and not len(often):
        cache.view_run(batch.runs, batch.place.offset, int(batch.run_stamps[0]), batch.pages)
    return olt


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
    if cache.packed(rows).any():
        _answer_some_packed(cache, batch, where, rows, of)
    else:
        batch.answer(where, *cache.files.answer(cache.file_numbers(rows, of, batch.slots[where])))
    return PendingOlt(where, rows.take(of), cache.olt_pages(rows)) if batch.with_olt else None


def _answer_some_packed(
    cache: PageCache[Reply],
    batch: LookupBatch[Reply],
    where: Pairs | slice,
    rows: Int32,
    of: npt.NDArray[np.intp],
) -> None:
    """Do as `answer_rows`, where some pages are held as planes."""
    pairs = np.arange(len(of)) if isinstance(where, slice) else where
    by_planes = cache.packed(rows).take(of)
    others = ~by_planes
    if others.any():
        some = pairs[others]
        numbers = cache.file_numbers(rows, of[others], batch.slots[some])
        batch.answer(some, *cache.files.answer(numbers))
    some = pairs[by_planes]
    found, files = cache.packed_files(rows, of[by_planes], batch.slots[some])
    batch.answer(some[found], *cache.files.answer_unnumbered(files))
