"""Names, sizes and checksums of files, remembered up to a number of bytes.

What is noted of a file may be replaced; a number is raised whenever it is. One query asks for that
number and for the files that are not remembered; where the number is another one, all that is
remembered is forgotten. So an answer never has a name that was replaced before the request arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import NamedTuple

from event_store.database.connection import Connection

# Of an entry beside its texts, about: the id, its place in the table, the heads of the objects.
_ENTRY_BYTES = 400

_QUERY = (
    "SELECT v.version, f.fuid::text, f.name, coalesce(f.bytes, 0), f.checksum "
    "FROM file_info_version v LEFT JOIN file_info f ON f.fuid = ANY (%s::uuid[])"
)


class KnownFile(NamedTuple):
    """What is noted of a file; "" and 0 are not known."""

    name: str = ""
    bytes: int = 0
    checksum: str = ""


class FileNames:
    """What is noted of files. Threads may share it, each with a connection of its own."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._known: dict[str, KnownFile] = {}
        self._bytes = 0
        # The server and its number that `_known` was read at.
        self._at: tuple[str, int] = ("", -1)

    def read(self, connection: Connection, fuids: Collection[str]) -> Mapping[str, KnownFile]:
        """Return what is noted of files, by the canonical text of their ids.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        if not fuids:
            return {}
        with self._lock:
            at = self._at
            known = {fuid: self._known[fuid] for fuid in fuids if fuid in self._known}
        now, found = self._ask(connection, [fuid for fuid in fuids if fuid not in known])
        if known and now != at:
            known = {}
            now, found = self._ask(connection, list(fuids))
        self._remember(now, found)
        return known | found

    def _ask(
        self, connection: Connection, fuids: Collection[str]
    ) -> tuple[tuple[str, int], dict[str, KnownFile]]:
        with connection.cursor() as cursor:
            cursor.execute(_QUERY, (list(fuids),))
            rows = cursor.fetchall()
            server = connection.server
        found = {fuid: KnownFile(*values) for _, fuid, *values in rows if fuid is not None}
        return (server, rows[0][0] if rows else -1), found

    def _remember(self, now: tuple[str, int], found: Mapping[str, KnownFile]) -> None:
        with self._lock:
            size = sum(_ENTRY_BYTES + len(f.name) + len(f.checksum) for f in found.values())
            if self._at != now or self._bytes + size > self._bytes_max:
                self._known.clear()
                self._bytes, self._at = 0, now
            if size <= self._bytes_max:
                self._bytes += size
                self._known.update(found)
