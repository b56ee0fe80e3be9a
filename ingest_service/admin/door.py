"""The methods of AdminService: each reads as request, plan, database, reply.

The database work runs in threads of its own, beside the writer's.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

from event_store.admin import (
    actions,
    criteria,
    datasets,
    delete,
    file_infos,
    resolve,
    tokens,
    verify,
)
from event_store.database.threads import DatabaseThreads
from event_store.errors import NotFoundError, WrongStateError
from event_store.model import CosmicRecord
from event_store.telescope.names import telescope_of
from eventindex.told import told
from eventindex.v1 import admin_pb2
from ingest_service.admin import lists_plan, reply
from ingest_service.admin import plan as admin_plan
from ingest_service.admin.collections import CollectionMethods
from ingest_service.admin.files import plan_files
from ingest_service.admin.replay import Replayer
from ingest_service.admin.tokens import create_token
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.decode.cosmic import decode_records
from service_kit import checks
from service_kit.auth import caller_subject
from service_kit.messages import conflict_message, dataset_message
from service_kit.settings import MESSAGE_BYTES_MAX, Settings

log = logging.getLogger(__name__)

SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]


class AdminDoor(CollectionMethods):
    """Changes the state of the index beside ingest."""

    def __init__(
        self,
        settings: Settings,
        threads: DatabaseThreads,
        replayer: Replayer,
        status: Callable[[], admin_pb2.IngestStatusResponse],
        files_refused: Callable[[int], None],
    ) -> None:
        """`status` tells what has come in, `files_refused` is told of files that were refused."""
        self._files_refused = files_refused
        super().__init__(threads, settings.collections_max)
        self._replayer = replayer
        self._status = status
        self._clocks = clocks_of(settings)
        self._token_lifetime_max_s = settings.token_lifetime_max_s

    async def UpdateDataset(
        self, request: admin_pb2.UpdateDatasetRequest
    ) -> admin_pb2.UpdateDatasetResponse:
        """Name a dataset, set its state or its comment."""
        change = admin_plan.plan_dataset(request)
        row = await self._threads.run(partial(datasets.update_dataset, change=change))
        return admin_pb2.UpdateDatasetResponse(dataset=dataset_message(row))

    async def DeleteDataset(
        self, request: admin_pb2.DeleteDatasetRequest
    ) -> AsyncIterator[admin_pb2.DeleteDatasetResponse]:
        """Remove a dataset's events; a message at once, after each transaction and at the end."""
        dsid = checks.dsid(request.dsid_raw)
        deletion = await self._threads.run(partial(delete.begin, dsid=dsid))
        removed = 0
        yield admin_pb2.DeleteDatasetResponse(events_left=deletion.events)
        for run_number in deletion.runs:
            step = partial(delete.delete_some, deletion=deletion, run_number=run_number)
            while events := await self._threads.run(step):
                removed += events
                yield admin_pb2.DeleteDatasetResponse(
                    events_removed=removed, events_left=max(0, deletion.events - removed)
                )
        while await self._threads.run(partial(delete.delete_records, deletion=deletion)):
            pass
        left = await self._threads.run(partial(delete.events_left, dsid=dsid))
        yield admin_pb2.DeleteDatasetResponse(events_removed=removed, events_left=left)

    async def ResolveConflict(
        self, request: admin_pb2.ResolveConflictRequest
    ) -> admin_pb2.ResolveConflictResponse:
        """Keep the stored value or replace it with the offered one."""
        number, by = admin_plan.plan_resolution(request, caller_subject())
        if request.resolution == admin_pb2.CONFLICT_RESOLUTION_KEEP:
            work = partial(resolve.keep, conflict_id=number, resolved_by=by)
        else:
            offer = await self._threads.run(partial(resolve.read_offer, conflict_id=number))
            record = await asyncio.to_thread(self._record, *offer)
            work = partial(resolve.replace, conflict_id=number, resolved_by=by, record=record)
        row = await self._threads.run(work, repeatable=False)
        return admin_pb2.ResolveConflictResponse(conflict=conflict_message(row))

    async def ListCriteria(
        self,
        request: admin_pb2.ListCriteriaRequest,  # noqa: ARG002  # there is nothing in it
    ) -> admin_pb2.ListCriteriaResponse:
        """Return all names of bits, in order of bit and run."""
        rows = await self._threads.run(criteria.list_criteria)
        return admin_pb2.ListCriteriaResponse(criteria=map(reply.criterion_message, rows))

    async def SetCriterion(
        self, request: admin_pb2.SetCriterionRequest
    ) -> admin_pb2.SetCriterionResponse:
        """Name a bit from a run on."""
        criterion = admin_plan.plan_criterion(request)
        await self._threads.run(partial(criteria.set_criterion, criterion=criterion))
        return admin_pb2.SetCriterionResponse(criterion=reply.criterion_message(criterion))

    async def DeleteCriterion(
        self, request: admin_pb2.DeleteCriterionRequest
    ) -> admin_pb2.DeleteCriterionResponse:
        """Take names of a bit away."""
        bit, first_run = admin_plan.plan_criterion_gone(request)
        work = partial(criteria.delete_criterion, bit=bit, first_run=first_run)
        rows = await self._threads.run(work, repeatable=False)
        return admin_pb2.DeleteCriterionResponse(criteria=map(reply.criterion_message, rows))

    async def ListDeadLetters(
        self, request: admin_pb2.ListDeadLettersRequest
    ) -> admin_pb2.ListDeadLettersResponse:
        """Return a page of dead letters without their payloads, the newest first."""
        plan = lists_plan.plan_letters(request)
        rows = await self._threads.run(
            partial(
                datasets.list_dead_letters,
                before=plan.before,
                reason=plan.reason,
                topic=plan.topic,
                limit=plan.limit + 1,
            )
        )
        return reply.letters_response(plan, rows)

    async def GetDeadLetter(
        self, request: admin_pb2.GetDeadLetterRequest
    ) -> admin_pb2.GetDeadLetterResponse:
        """Return a dead letter with its payload."""
        row = await self._letter(request.dead_letter_id)
        return admin_pb2.GetDeadLetterResponse(dead_letter=reply.letter_message(row))

    async def ReplayDeadLetter(
        self, request: admin_pb2.ReplayDeadLetterRequest
    ) -> admin_pb2.ReplayDeadLetterResponse:
        """Send a dead letter through the pipeline; it goes when nothing of it is refused."""
        letter = await self._letter(request.dead_letter_id)
        if letter.truncated:
            raise WrongStateError(
                told(
                    "DEAD_LETTER_CUT",
                    "dead letter {id} was cut at the message limit: send the original in "
                    "smaller messages",
                    id=letter.dead_letter_id,
                )
            )
        outcome = await self._replayer.replay(letter)
        if not outcome.rejected:
            await self._threads.run(
                partial(datasets.delete_dead_letter, dead_letter_id=letter.dead_letter_id)
            )
        return admin_pb2.ReplayDeadLetterResponse(outcome=outcome)

    async def DiscardDeadLetter(
        self, request: admin_pb2.DiscardDeadLetterRequest
    ) -> admin_pb2.DiscardDeadLetterResponse:
        """Remove a dead letter."""
        number = checks.number("dead_letter_id", request.dead_letter_id)
        work = partial(datasets.delete_dead_letter, dead_letter_id=number)
        if not await self._threads.run(work, repeatable=False):
            raise NotFoundError(
                told("DEAD_LETTER_NOT_FOUND", "dead letter {id} does not exist", id=number)
            )
        return admin_pb2.DiscardDeadLetterResponse()

    async def Verify(
        self, request: admin_pb2.VerifyRequest
    ) -> AsyncIterator[admin_pb2.VerifyResponse]:
        """Count the events of each run again; one message a run and collection, ascending."""
        runs = checks.number_range(request, "run")
        stopped = threading.Event()
        run = await self._next_run(runs.first, runs.last)
        if run is None and runs.first == runs.last:
            raise NotFoundError(
                told("RUN_NOT_FOUND", "run {run} is not in the index", run=runs.first)
            )
        try:
            while run is not None:
                found = partial(verify.collections_of_run, run_number=run)
                for number, name in await self._threads.run(found):
                    work = partial(
                        verify.verify_run,
                        run_number=run,
                        stopped=stopped.is_set,
                        collection=number,
                    )
                    yield reply.verified_message(await self._threads.run(work), name)
                run = await self._next_run(run + 1, runs.last)
        finally:
            stopped.set()

    async def CreateToken(
        self, request: admin_pb2.CreateTokenRequest
    ) -> admin_pb2.CreateTokenResponse:
        """Make a token; the answer alone holds its secret."""
        plan = admin_plan.plan_token(request, self._token_lifetime_max_s)
        work = partial(create_token, plan=plan, created_by=caller_subject())
        made = await self._threads.run(work, repeatable=False)
        log.info("token %s of %r: made by %r", made.token.token_id, plan.subject, caller_subject())
        return made

    async def ListTokens(
        self,
        request: admin_pb2.ListTokensRequest,  # noqa: ARG002  # there is nothing in it
    ) -> admin_pb2.ListTokensResponse:
        """Return the newest tokens, the newest first."""
        rows = await self._threads.run(tokens.list_tokens)
        return admin_pb2.ListTokensResponse(tokens=map(reply.token_message, rows))

    async def RevokeToken(
        self, request: admin_pb2.RevokeTokenRequest
    ) -> admin_pb2.RevokeTokenResponse:
        """Make a token invalid; the services forget it within `token_cache_s`."""
        token_id = admin_plan.plan_token_id(request.token_id)
        token = await self._threads.run(partial(tokens.revoke, token_id=token_id))
        log.info("token %d of %r: revoked by %r", token_id, token.subject, caller_subject())
        return admin_pb2.RevokeTokenResponse(token=reply.token_message(token))

    async def NoteFiles(self, request: admin_pb2.NoteFilesRequest) -> admin_pb2.NoteFilesResponse:
        """Note names, sizes and checksums of files."""
        plan = plan_files(request, caller_subject())
        found = await self._threads.run(
            partial(file_infos.note_files, offers=plan.files, replaced_by=plan.replaced_by)
        )
        self._files_refused(len(found.refused))
        if found.replaced:
            log.info("what was noted of %d files: replaced by %r", found.replaced, plan.replaced_by)
        return reply.noted_files_message(found)

    async def ListAdminActions(
        self, request: admin_pb2.ListAdminActionsRequest
    ) -> admin_pb2.ListAdminActionsResponse:
        """Return a page of what was changed by whom, the newest first."""
        plan = lists_plan.plan_actions(request)
        values = {**plan._asdict(), "limit": plan.limit + 1}
        rows = await self._threads.run(partial(actions.list_actions, **values))
        return reply.actions_response(plan, rows)

    async def IngestStatus(
        self,
        request: admin_pb2.IngestStatusRequest,  # noqa: ARG002  # there is nothing in it
    ) -> admin_pb2.IngestStatusResponse:
        """Return what has come in since the service started."""
        return self._status()

    async def _next_run(self, first: int, last: int) -> int | None:
        if first > last:
            return None
        return await self._threads.run(partial(verify.next_run, run_first=first, run_last=last))

    async def _letter(self, dead_letter_id: int) -> datasets.LetterRow:
        number = checks.number("dead_letter_id", dead_letter_id)
        return await self._threads.run(partial(datasets.get_dead_letter, dead_letter_id=number))

    def _record(self, offered: str, dataset_name: str) -> CosmicRecord | None:
        """Return an offered telescope record, decoded; its detector is that of its dataset."""
        if not offered:
            return None
        telescope = telescope_of(dataset_name)
        detector = "" if telescope is None else telescope.detector_id
        # As canonical JSON a record may be longer than it came.
        decoded = decode_records([offered.encode()], detector, self._clocks, MESSAGE_BYTES_MAX)
        if decoded.rejections:
            raise WrongStateError(
                told(
                    "OFFERED_CANNOT_BE_STORED",
                    "the offered record cannot be stored: {detail}",
                    detail=decoded.rejections[0].detail,
                )
            )
        return decoded.cosmic[0]
