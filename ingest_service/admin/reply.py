"""From rows to the messages of AdminService. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from event_store.admin.actions import ActionRow
from event_store.admin.datasets import LetterRow
from event_store.admin.file_infos import NotedFiles
from event_store.admin.tokens import AccessToken
from event_store.admin.verify import Verified
from event_store.select.criteria import Criterion
from eventindex.told import reason_of
from eventindex.v1 import admin_pb2, event_pb2
from ingest_service.admin.lists_plan import ActionsPlan, LettersPlan, actions_token, letters_token
from ingest_service.detectors import Detector
from service_kit.settings import MESSAGE_BYTES_MAX

# Topics and sentences may be long: a page of letters ends where they fill half a message.
_PAGE_BYTES_MAX = MESSAGE_BYTES_MAX // 2
# Room for the other fields of a letter whose payload fills a message.
_PAYLOAD_BYTES_MAX = MESSAGE_BYTES_MAX - 1024 * 1024


def detector_message(detector: Detector) -> admin_pb2.DetectorStatus:
    """Return a detector that was heard."""
    message = admin_pb2.DetectorStatus(
        detector_id=detector.detector_id,
        longest_silence_seconds=round(detector.longest_silence_s, 3),
        silent=detector.silent,
    )
    message.last_heard.FromMilliseconds(int(detector.last_heard * 1000))
    return message


def criterion_message(criterion: Criterion) -> admin_pb2.Criterion:
    """Return the name of a bit."""
    return admin_pb2.Criterion(
        bit=criterion.bit, name=criterion.name, run_first=criterion.first_run
    )


def actions_response(
    plan: ActionsPlan, rows: Sequence[ActionRow]
) -> admin_pb2.ListAdminActionsResponse:
    """Return a page of actions; `rows` holds one more than the page where there are more."""
    response, size = admin_pb2.ListAdminActionsResponse(), 0
    for row in rows[: plan.limit]:
        message = admin_pb2.AdminAction(**row._asdict())
        size += message.ByteSize()
        if response.actions and size > _PAGE_BYTES_MAX:
            break
        response.actions.append(message)
    if len(response.actions) < len(rows):
        response.next_page_token = actions_token(response.actions[-1].action_id)
    return response


def letters_response(
    plan: LettersPlan, rows: Sequence[LetterRow]
) -> admin_pb2.ListDeadLettersResponse:
    """Return a page of dead letters; `rows` holds one more than the page where there are more."""
    response, size = admin_pb2.ListDeadLettersResponse(), 0
    for row in rows[: plan.limit]:
        message = letter_message(row)
        size += message.ByteSize()
        if response.dead_letters and size > _PAGE_BYTES_MAX:
            break
        response.dead_letters.append(message)
    if len(response.dead_letters) < len(rows):
        response.next_page_token = letters_token(response.dead_letters[-1].dead_letter_id)
    return response


def letter_message(row: LetterRow) -> admin_pb2.DeadLetter:
    """Return a dead letter; a payload that does not fit into a message beside it is cut."""
    reason, parameters = reason_of(row.detail)
    letter = admin_pb2.DeadLetter(
        dead_letter_id=row.dead_letter_id,
        topic=row.topic,
        payload=row.payload[:_PAYLOAD_BYTES_MAX],
        payload_bytes=row.payload_bytes,
        truncated=row.truncated,
        reason=row.reason,
        detail=row.detail,
        source=row.source,
        detail_reason=reason,
        detail_parameters=parameters,
        request_id=row.request_id,
    )
    letter.received.FromDatetime(row.received)
    return letter


def verified_message(verified: Verified, collection: str) -> admin_pb2.VerifyResponse:
    """Return a run of a collection that was counted again."""
    return admin_pb2.VerifyResponse(
        run_number=verified.run_number,
        events=verified.events,
        differences=verified.differences,
        collection=collection,
    )


def token_message(token: AccessToken) -> admin_pb2.Token:
    """Return a token, without its secret."""
    message = admin_pb2.Token(
        token_id=str(token.token_id),
        subject=token.subject,
        scopes=token.scopes,
        revoked=token.revoked is not None,
        created_by=token.created_by,
    )
    message.created.FromDatetime(token.created)
    message.expires.FromDatetime(token.expires)
    if token.last_used is not None:
        message.last_used.FromDatetime(token.last_used)
    return message


def noted_files_message(found: NotedFiles) -> admin_pb2.NoteFilesResponse:
    """Return what became of files that were to be noted."""
    return admin_pb2.NoteFilesResponse(
        noted=found.noted,
        unchanged=found.unchanged,
        replaced=found.replaced,
        refused=[
            admin_pb2.RefusedFile(
                index=index,
                noted=event_pb2.RawFile(
                    fuid_raw=str(info.fuid),
                    name=info.name,
                    bytes=info.bytes,
                    checksum=info.checksum,
                ),
            )
            for index, info in found.refused.items()
        ],
    )
