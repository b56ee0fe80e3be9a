"""Answers to a list of pairs, and events, as blocks of bytes in any form. Pure.

What in the list was no pair is named in the same answer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterable, Sequence

from eventindex import text_rows as rows
from eventindex.errors import EventIndexError
from eventindex.results import LookupResult
from eventindex.selection_results import Events
from rest_gateway.answers.tables import answer_tables, event_tables
from rest_gateway.lists.block import PairError
from rest_gateway.lists.negotiate import TABLE_FORMS, Form

Blocks = Generator[bytes, None, None]

# Runs of pairs that were not found of which is asked whether the index has them.
RUNS_ASKED_MAX = 1000


def answer_blocks(
    results: Iterable[LookupResult],
    form: Form,
    *,
    pairs: int,
    errors: Sequence[PairError],
    olt: bool,
    names: bool = False,
    unknown_runs: Callable[[Iterable[int]], list[int]],
) -> Blocks:
    """Yield the answer in pieces, one a result.

    Args:
        results: the answers, in order.
        form: any; tables have what was no pair in their metadata.
        pairs: how many pairs there are.
        errors: what in the list was no pair.
        olt: whether the results have `olt_result`.
        names: whether what is noted of the files is told too.
        unknown_runs: tells which of some runs the index does not have.
    """
    if form in TABLE_FORMS:
        return answer_tables(results, form, errors=errors, olt=olt, names=names)
    if form is Form.JSON:
        return _json(results, pairs, errors, names, unknown_runs)
    if form is Form.NDJSON:
        return _ndjson(results, errors, names)
    return _csv(results, errors, olt, names)


def _json(
    results: Iterable[LookupResult],
    pairs: int,
    errors: Sequence[PairError],
    names: bool,
    unknown_runs: Callable[[Iterable[int]], list[int]],
) -> Blocks:
    yield f'{{"pairs":{pairs},"errors":{rows.compact(list(errors))},"answers":['.encode()
    objects_of = rows.AnswerObjects(before=",\n", end="", names=names)
    found = 0
    lacking: set[int] = set()
    others: dict[str, None] = {}
    first = True
    for result in results:
        found += result.found
        others |= dict.fromkeys(result.other_collections)
        if result.not_found and len(lacking) < RUNS_ASKED_MAX:
            lacking.update(result.run_numbers[result.missing()].tolist())
        if objects := objects_of(result):
            yield objects.removeprefix(b",") if first else objects
            first = False
    unknown: list[int] | None = []
    if lacking:
        try:
            unknown = unknown_runs(sorted(lacking)[:RUNS_ASKED_MAX])
        except EventIndexError:
            unknown = None  # the answers stand without it
    elsewhere = rows.compact([] if found else list(others))
    yield (
        f'\n],"found":{found},"not_found":{pairs - found},'
        f'"unknown_runs":{rows.compact(unknown)},"other_collections":{elsewhere}}}\n'
    ).encode()


def _ndjson(results: Iterable[LookupResult], errors: Sequence[PairError], names: bool) -> Blocks:
    objects_of = rows.AnswerObjects(names=names)
    for result in results:
        yield objects_of(result)
    for error in errors:
        yield (rows.compact({"error": error}) + "\n").encode()


def _csv(
    results: Iterable[LookupResult], errors: Sequence[PairError], olt: bool, names: bool
) -> Blocks:
    """Yield the answers with a last column `error`, which the lines of bad pairs alone fill."""
    fields = rows.answer_fields(olt=olt, names=names)
    yield (",".join([*fields, "error"]) + "\n").encode()
    lines_of = rows.AnswerLines(end=",\n", names=names)
    for result in results:
        yield lines_of(result)
    bad = io.StringIO()
    writer = csv.writer(bad, lineterminator="\n")
    for error in errors:
        place = f"line {error['line']}" if "line" in error else error["pointer"]
        text = f"{place}: {error['detail']}: {error['value']}"
        writer.writerow([*[""] * len(fields), text])
    yield bad.getvalue().encode()


def event_blocks(batches: Iterable[Events], form: Form, *, names: bool = False) -> Blocks:
    """Yield events, a block for each batch; with what is noted of their files."""
    if form in TABLE_FORMS:
        yield from event_tables(batches, form, names=names)
        return
    if form is Form.CSV:
        yield rows.event_header(names=names).encode()
    for batch in batches:
        csv_text = form is Form.CSV
        text = rows.event_lines(batch, names=names) if csv_text else rows.event_objects(batch)
        yield text.encode()
