"""Names, sizes and checksums of files, noted by hand or from another catalogue."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from event_store.database.connection import Connection
from event_store.model import FileInfo
from event_store.write import file_infos


@dataclass(slots=True)
class NotedFiles:
    """What became of offers; `refused` holds what is noted of them, by their index."""

    noted: int = 0
    unchanged: int = 0
    replaced: int = 0
    refused: dict[int, FileInfo] = field(default_factory=dict)


def note_files(
    connection: Connection, offers: Sequence[FileInfo], *, replaced_by: str = ""
) -> NotedFiles:
    """Note values of files; `replaced_by` lets them take the place of others, and is recorded.

    Each statement's worth of files is a transaction; doing it again is harmless.

    Raises:
        StoreUnavailableError: try again.
    """
    result = NotedFiles()
    before: dict[uuid.UUID, FileInfo] = {}
    after: dict[uuid.UUID, FileInfo] = {}
    replaced: set[uuid.UUID] = set()
    for piece in file_infos.info_pieces(offers):
        with connection.cursor() as cursor:
            before |= file_infos.noted(cursor, [info.fuid for info in piece])
            if replaced_by:
                replaced |= file_infos.replace(cursor, piece, replaced_by)
            after |= file_infos.note(cursor, piece)
    counted: set[uuid.UUID] = set()
    for index, offer in enumerate(offers):
        now = after[offer.fuid]
        if file_infos.contradicts(offer, now):
            result.refused[index] = now
        elif offer.fuid in counted or now == before.get(offer.fuid):
            result.unchanged += 1
        elif offer.fuid in replaced:
            result.replaced += 1
        else:
            result.noted += 1
        counted.add(offer.fuid)
    return result
