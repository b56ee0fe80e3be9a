"""What is kept of refused messages: a dead letter for each refused event, or one for all. Pure.

Only of MQTT: senders over gRPC are told.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator

from event_store.model import DeadLetter
from eventindex.told import told
from ingest_service.model import Decoded, Door, Reason, Receipt, Submission, Taken
from service_kit.settings import MESSAGE_BYTES_MAX, REFUSED_ELEMENTS_MAX


def dead_letters(taken: Iterable[Taken], receipts: Iterable[Receipt]) -> list[DeadLetter]:
    """Return the dead letters of messages, in order; `receipts` says what became of each."""
    return [
        letter
        for one, receipt in zip(taken, receipts, strict=True)
        if receipt.rejections and one.submission.door is Door.MQTT
        for letter in _letters(one.submission, one.decoded, receipt)
    ]


def _letters(submission: Submission, decoded: Decoded, receipt: Receipt) -> Iterator[DeadLetter]:
    if len(receipt.rejections) > REFUSED_ELEMENTS_MAX:
        yield _letter(submission, submission.payload(), *_summary(decoded, receipt))
        return
    for position, reason, detail in receipt.rejections:
        yield _letter(submission, decoded.piece(position), reason, detail)


def _summary(decoded: Decoded, receipt: Receipt) -> tuple[Reason, str]:
    """Return the most frequent reason, and how often each was one."""
    reasons = Tally(rejection.reason for rejection in receipt.rejections).most_common()
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons)
    first = receipt.rejections[0]
    return reasons[0][0], (
        told(
            "MANY_REFUSED",
            "{refused} of {offered} events are refused ({counts}), any others are stored; "
            "the first is event {position}: {detail}",
            refused=len(receipt.rejections),
            offered=decoded.offered,
            counts=counts,
            position=first.position,
            detail=first.detail,
        )
    )


def _letter(submission: Submission, payload: bytes, reason: Reason, detail: str) -> DeadLetter:
    return DeadLetter(
        topic=submission.topic,
        payload=payload[:MESSAGE_BYTES_MAX],
        reason=str(reason),
        detail=detail,
        source=submission.source,
        truncated=len(payload) > MESSAGE_BYTES_MAX,
        once=submission.retained,
        request_id=submission.request_id,
    )
