"""`POST /api/v1/lookup`: a list of pairs in, their RAW files out, in flat memory."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.collection_names import RAW
from eventindex.lookup_messages import NAMED_PAIRS_MAX, slices
from eventindex.results import LookupResult
from rest_gateway.answers.blocks import answer_blocks
from rest_gateway.answers.streams import streamed
from rest_gateway.calls.parameters import InCollection
from rest_gateway.lists.negotiate import MEDIA_TYPES, Form, answer_form, body_kind
from rest_gateway.lists.pair_lists import list_columns, read_list
from rest_gateway.lists.spool import ListCheck, PairSpool
from rest_gateway.lists.upload import LIST_BYTES_MAX, ByteLimit, open_list
from rest_gateway.openapi.contract import columns_field, list_body, problems_of, streams
from rest_gateway.parts import Parts, PartsDep

router = APIRouter(tags=["lookup"])


class LookupQuery(InCollection):
    """How to answer a list."""

    olt_result: bool = Field(False, description="Answer the online filter's bits too.")
    with_file_names: bool = Field(
        False, description="Answer name, bytes, checksum and url of the files too."
    )
    columns: str | None = columns_field()
    format: Literal["json", "ndjson", "csv", "parquet", "arrow"] | None = Field(
        None, description="The form of the answer, instead of Accept."
    )


_FORMS = tuple(Form)
# A service that restarts in the middle of an answer is waited for.
_AWAY_IN_BETWEEN_S_MAX = 30.0


@router.post(
    "/lookup",
    summary="Find the RAW files of a list of events",
    openapi_extra=list_body(),
    max_body_size=LIST_BYTES_MAX,
    responses={
        **streams(
            _FORMS,
            "The answers in the order of the list, and what in it was no pair.",
            json={"$ref": "#/components/schemas/LookupAnswer"},
        ),
        **problems_of(406, 408, 413, 415),
    },
)
async def lookup(
    request: Request,
    parts: PartsDep,
    query: Annotated[LookupQuery, Query()],
) -> Response:
    """Answer every pair of the list; a pair that is not in the index is an answer with nulls.

    Lines that are no pairs are named in `errors` (CSV: in the last lines, in the column `error`;
    Parquet and Arrow: in the metadata of the schema) and the others are answered. Up to 1,000 such
    lines; more, or a list without any pair, are 400. The answer begins when the whole list has
    come. Where nothing was found in the first 50,000 pairs and other collections hold their runs,
    `EventIndex-Other-Collections` names these, each percent-encoded.
    """
    answer = answer_form(request.headers.get("accept"), query.format, _FORMS)
    kind = body_kind(request.headers.get("content-type"))
    columns = list_columns(query.columns)
    await anyio.to_thread.run_sync(parts.services.check)
    settings = parts.settings
    limit = ByteLimit(settings.http_lookup_bytes_max, "EVENTINDEX_HTTP_LOOKUP_BYTES_MAX")
    check = ListCheck(settings.http_lookup_pairs_max, "EVENTINDEX_HTTP_LOOKUP_PAIRS_MAX")
    stream = await open_list(request, kind, limit)
    spool = PairSpool()
    try:
        await anyio.to_thread.run_sync(
            lambda: spool.fill(read_list(stream, kind, columns, limit.expanded().add), check)
        )
        return await anyio.to_thread.run_sync(partial(_answer, parts, spool, check, answer, query))
    except BaseException:
        spool.close()
        raise


def _answer(
    parts: Parts, spool: PairSpool, check: ListCheck, form: Form, query: LookupQuery
) -> Response:
    """Return the answer, once the index gave the first part of it; runs in a thread."""
    olt, names = query.olt_result, query.with_file_names
    collection = query.chosen or RAW
    batches = spool.batches()
    if names:
        batches = (part for batch in batches for part in slices(batch, NAMED_PAIRS_MAX))
    results, others = _with_others(
        parts.services.lookup_stream(
            batches,
            with_olt_result=olt,
            with_file_names=names,
            collection=collection,
            retry_seconds_max=_AWAY_IN_BETWEEN_S_MAX,
        )
    )
    blocks = answer_blocks(
        results,
        form,
        pairs=check.pairs,
        errors=check.errors,
        olt=olt,
        names=names,
        unknown_runs=partial(parts.services.unknown_runs, collection=collection),
    )
    headers: dict[str, Any] = {
        "EventIndex-Pairs": str(check.pairs),
        "EventIndex-Bad-Lines": str(len(check.errors)),
    }
    if others:
        headers["EventIndex-Other-Collections"] = ",".join(quote(name, safe="") for name in others)
    return streamed(blocks, MEDIA_TYPES[form], headers=headers)


def _with_others(
    results: Generator[LookupResult, None, None],
) -> tuple[Generator[LookupResult, None, None], tuple[str, ...]]:
    """Return results, of which the first has come, and the other collections that it names."""
    first = next(results, None)
    if first is None:
        return results, ()

    def all_of_them() -> Generator[LookupResult, None, None]:
        with closing(results):
            yield first
            yield from results

    return all_of_them(), first.other_collections
