"""Jobs: a list of any size is taken, looked up in the background, and its answers fetched later."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import format_sse_event

from eventindex.collection_names import RAW
from eventindex.told import told
from rest_gateway.answers import job_schemas
from rest_gateway.answers.blocks import answer_blocks
from rest_gateway.answers.streams import Stream, json_answer, primed, streamed
from rest_gateway.calls.job_document import job_document
from rest_gateway.calls.job_parameters import JobId, JobQuery, ResultQuery
from rest_gateway.jobs import store as job_store
from rest_gateway.jobs.chunks import collection_of, to_chunks, to_results
from rest_gateway.jobs.store import JobRow
from rest_gateway.lists.negotiate import MEDIA_TYPES, Form, answer_form, body_kind
from rest_gateway.lists.pair_lists import list_columns, read_list
from rest_gateway.lists.spool import ListCheck
from rest_gateway.lists.upload import LIST_BYTES_MAX, ByteLimit, open_list
from rest_gateway.openapi.contract import document, list_body, problems_of, streams
from rest_gateway.parts import API_PREFIX, Parts, PartsDep
from rest_gateway.problems import Problem, too_many, unavailable
from rest_gateway.security import Caller, CallerDep, ChangesDep, StillMay, StillMayDep

router = APIRouter(prefix="/jobs", tags=["jobs"])

_FORMS = tuple(Form)
_PROGRESS_INTERVAL_S = 0.5
_SILENT_PROGRESSES_MAX = 30
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["progress", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


async def _admitted(parts: PartsDep) -> None:
    """Let those pass who may look up, also while the index is away: jobs are in the database.

    Where the gateway asks for no token itself, the index may: then its refusal counts.
    """
    if parts.access is None:
        await anyio.to_thread.run_sync(parts.services.check_access)


AdmittedDep = Annotated[None, Depends(_admitted)]


@router.post(
    "",
    summary="Look up a list of any size in the background",
    status_code=202,
    openapi_extra=list_body(),
    max_body_size=LIST_BYTES_MAX,
    responses={
        202: {
            "model": job_schemas.Job,
            "description": "The list is stored; the job survives restarts.",
            "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
        },
        **problems_of(408, 413, 415),
    },
)
async def create_job(
    request: Request,
    parts: PartsDep,
    query: Annotated[JobQuery, Query()],
    caller: CallerDep,
    _: ChangesDep,
) -> Response:
    """Take a list as `POST /lookup` does. Fetch `Location` until `state` is done.

    Its owner and admins may read and cancel a job. Where the gateway asks for no token, who knows
    its address may: it cannot be guessed.
    """
    kind = body_kind(request.headers.get("content-type"))
    columns = list_columns(query.columns)
    collection = query.chosen or RAW
    await anyio.to_thread.run_sync(parts.services.check, collection)
    settings = parts.settings
    limit = ByteLimit(settings.http_job_bytes_max, "EVENTINDEX_HTTP_JOB_BYTES_MAX")
    check = ListCheck(settings.http_job_pairs_max, "EVENTINDEX_HTTP_JOB_PAIRS_MAX")
    stream = await open_list(request, kind, limit)
    await _check_room(parts, caller.subject)
    chunks = to_chunks(
        read_list(stream, kind, columns, limit.expanded().add),
        check,
        olt=query.olt_result,
        collection=collection,
    )
    job = await _receive(parts, chunks, check, owner=caller.subject, olt=query.olt_result)
    parts.worker.wake()
    body = job_document(job).model_dump_json()
    headers = {"Location": f"{API_PREFIX}/jobs/{job.job_id}", "Cache-Control": "no-store"}
    return Response(body, 202, headers, MEDIA_TYPES[Form.JSON])


async def _check_room(parts: Parts, owner: str) -> None:
    """See that there is room for one more job.

    Raises:
        Problem: 503 where all are too many or too large, 429 where those of the owner are.
    """
    settings = parts.settings
    load = await parts.jobs.run(partial(job_store.load, owner=owner))
    if owner and load.of_owner >= settings.http_jobs_per_subject_max:
        raise too_many("EVENTINDEX_HTTP_JOBS_PER_SUBJECT_MAX")
    if load.waiting >= settings.http_jobs_max:
        raise unavailable(
            f"{settings.http_jobs_max} jobs wait (EVENTINDEX_HTTP_JOBS_MAX)", kind="busy"
        )
    _check_bytes(parts, load.n_bytes)


def _check_bytes(parts: Parts, n_bytes: int) -> None:
    if n_bytes > parts.settings.http_jobs_bytes_max:
        raise unavailable(
            f"the jobs that are kept take {n_bytes:,} bytes (EVENTINDEX_HTTP_JOBS_BYTES_MAX): "
            "cancel some, or wait until they expire",
            kind="full",
        )


async def _receive(
    parts: Parts, chunks: Iterator[bytes], check: ListCheck, *, owner: str, olt: bool
) -> JobRow:
    """Store a list as it comes; what is not complete is removed."""
    jobs = parts.jobs
    job_id = await jobs.run(partial(job_store.create, owner=owner, with_olt_result=olt))
    try:
        count = 0
        while chunk := await anyio.to_thread.run_sync(next, chunks, b""):
            store = partial(job_store.add_chunk, job_id=job_id, chunk_no=count, request=chunk)
            _check_bytes(parts, await jobs.run(store))
            count += 1
        enqueue = partial(
            job_store.enqueue,
            job_id=job_id,
            pairs=check.pairs,
            chunks=count,
            errors=check.errors,
            lifetime_s=parts.settings.http_job_lifetime_s,
        )
        await jobs.run(enqueue)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await jobs.run(partial(job_store.cancel, job_id=job_id))
        raise
    return await _find(parts, job_id, None)


@router.get(
    "/{job_id}",
    summary="The progress of a job",
    responses={**document(job_schemas.Job, "The job as it is now."), **problems_of(404)},
)
async def get_job(
    request: Request, parts: PartsDep, job_id: JobId, caller: CallerDep, _: AdmittedDep
) -> Response:
    """Say how far a job is and where its result will be."""
    return json_answer(request, job_document(await _find(parts, job_id, caller)))


@router.get(
    "/{job_id}/result",
    summary="The answers to the list of a job",
    responses={
        **streams(
            _FORMS,
            "As the answer to POST /lookup; Parquet names no errors, the job does.",
            json={"$ref": "#/components/schemas/LookupAnswer"},
        ),
        **problems_of(404, 406, 409),
    },
)
async def get_result(
    request: Request,
    parts: PartsDep,
    job_id: JobId,
    query: Annotated[ResultQuery, Query()],
    caller: CallerDep,
    _: AdmittedDep,
) -> Response:
    """Give the answers in the order of the list, once the job is done, until it expires."""
    form = answer_form(request.headers.get("accept"), query.format, _FORMS)
    job = await _find(parts, job_id, caller)
    if job.state != "done":
        detail = job.failure or f"{job.pairs_done} of {job.pairs} pairs are looked up"
        raise Problem(
            409,
            "not-done",
            told("JOB_NOT_DONE", "the job is {state}: {detail}", state=job.state, detail=detail),
        )
    return await anyio.to_thread.run_sync(_result, parts, job, form)


def _result(parts: Parts, job: JobRow, form: Form) -> Response:
    job_id = uuid.UUID(job.job_id)

    def read(chunk_no: int) -> tuple[bytes, bytes] | None:
        return parts.jobs.wait(partial(job_store.read_chunk, job_id=job_id, chunk_no=chunk_no))

    results = primed(to_results(read, job.chunks))
    first = read(0)
    collection = RAW if first is None else collection_of(first[0])
    olt = job.with_olt_result
    blocks = answer_blocks(
        results,
        form,
        pairs=job.pairs,
        errors=job.errors,
        olt=olt,
        unknown_runs=partial(parts.services.unknown_runs, collection=collection),
    )
    return streamed(blocks, MEDIA_TYPES[form], filename=f"job-{job.job_id}.{form}")


@router.get(
    "/{job_id}/events",
    summary="The progress of a job as server-sent events",
    responses={
        200: {
            "description": "An event `progress` whenever there is some, `end` when the job is "
            "done, failed or gone; its data is the job (`end` of a gone one: null).",
            "content": {"text/event-stream": {"schema": _EVENT}},
        },
        **problems_of(404),
    },
)
async def follow_job(
    parts: PartsDep, job_id: JobId, caller: CallerDep, still_may: StillMayDep, _: AdmittedDep
) -> Response:
    """Send the job whenever it has changed, until it is done."""
    await _find(parts, job_id, caller)
    return Stream(
        _progress(parts, job_id, still_may),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _progress(parts: Parts, job_id: uuid.UUID, still_may: StillMay) -> AsyncIterator[bytes]:
    last, silent = "", 0
    while not parts.stopping.is_set() and await still_may():
        job = await parts.jobs.run(partial(job_store.find, job_id=job_id))
        data = "null" if job is None else job_document(job).model_dump_json()
        if job is None or job.state != "queued":
            yield format_sse_event(data_str=data, event="end")
            return
        if data != last:
            last, silent = data, 0
            yield format_sse_event(data_str=data, event="progress")
        elif (silent := silent + 1) % _SILENT_PROGRESSES_MAX == 0:
            yield format_sse_event(comment="still there")
        with anyio.move_on_after(_PROGRESS_INTERVAL_S):
            await parts.stopping.wait()


@router.delete(
    "/{job_id}",
    summary="Cancel a job and remove its result",
    status_code=204,
    responses={204: {"description": "It is gone."}, **problems_of(404)},
)
async def cancel_job(parts: PartsDep, job_id: JobId, caller: CallerDep, _: AdmittedDep) -> Response:
    """End a job, whatever its state, and remove its list and its answers."""
    await _find(parts, job_id, caller)
    if not await parts.jobs.run(partial(job_store.cancel, job_id=job_id)):
        raise _gone(job_id)
    return Response(status_code=204)


async def _find(parts: Parts, job_id: uuid.UUID, caller: Caller | None) -> JobRow:
    """Return a job; one of somebody else is not there for the caller, None sees all."""
    job = await parts.jobs.run(partial(job_store.find, job_id=job_id))
    if job is None or not (caller is None or caller.may_see(job.owner)):
        raise _gone(job_id)
    return job


def _gone(job_id: uuid.UUID) -> Problem:
    return Problem(
        404,
        "not-found",
        told("JOB_NOT_FOUND", "there is no job {id}: unknown, cancelled or expired", id=job_id),
    )
