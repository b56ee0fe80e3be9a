"""Answers to a list of pairs as a stream of bytes: JSON, NDJSON or CSV. Pure.

What in the list was no pair is named in the same answer.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from eventindex.results import LookupResult
from rest_gateway.answers import rows
from rest_gateway.lists.negotiate import Form
from rest_gateway.lists.pair_lists import PairError

Blocks = Generator[bytes, None, None]


def answer_blocks(
    results: Iterable[LookupResult],
    form: Form,
    *,
    pairs: int,
    errors: Sequence[PairError],
    olt: bool,
) -> Blocks:
    """Yield the answer in pieces, one a result.

    Args:
        results: the answers, in order.
        form: JSON, NDJSON or CSV.
        pairs: how many pairs there are.
        errors: what in the list was no pair.
        olt: whether the results have `olt_result`.
    """
    if form is Form.JSON:
        return _json(results, pairs, errors)
    if form is Form.NDJSON:
        return _ndjson(results, errors)
    return _csv(results, errors, olt)


def _json(results: Iterable[LookupResult], pairs: int, errors: Sequence[PairError]) -> Blocks:
    yield f'{{"pairs":{pairs},"errors":{rows.compact(list(errors))},"answers":['.encode()
    found = 0
    separator = "\n"
    for result in results:
        found += result.found
        objects = rows.answer_objects(result)
        if objects:
            yield (separator + ",\n".join(objects)).encode()
            separator = ",\n"
    yield f'\n],"found":{found},"not_found":{pairs - found}}}\n'.encode()


def _ndjson(results: Iterable[LookupResult], errors: Sequence[PairError]) -> Blocks:
    for result in results:
        yield "".join([f"{each}\n" for each in rows.answer_objects(result)]).encode()
    for error in errors:
        yield (rows.compact({"error": error}) + "\n").encode()


def _csv(results: Iterable[LookupResult], errors: Sequence[PairError], olt: bool) -> Blocks:
    yield rows.answer_header(olt=olt).encode()
    for result in results:
        yield rows.answer_lines(result).encode()
    yield "".join([rows.error_line(error, olt=olt) for error in errors]).encode()
