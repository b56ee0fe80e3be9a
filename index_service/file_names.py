"""Names and addresses of the files of an answer, where they were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from event_store.database.connection import Connection
from event_store.lookup.file_names import FileNames, KnownFile
from event_store.select.lists import DatasetNames, dataset_names
from eventindex.told import told
from eventindex.v1 import event_pb2, lookup_pb2
from service_kit.errors import InvalidRequestError
from service_kit.file_urls import FileUrl
from service_kit.settings import MESSAGE_BYTES_MAX, Settings

_UNKNOWN = KnownFile()
_NO_DATASET = DatasetNames("", "")
# What else is in a message: 100,000 pairs with their columns.
_ROOM_BYTES = 4 * 1024 * 1024


class Names:
    """Fills in what is noted of files, and their addresses."""

    def __init__(self, settings: Settings) -> None:
        self._known = FileNames(settings.file_names_bytes_max)
        self._url = FileUrl(settings.file_url)

    @property
    def needs_run(self) -> bool:
        """Whether an address holds a run."""
        return self._url.needs_run

    def fill(
        self,
        connection: Connection,
        files: Sequence[event_pb2.RawFile],
        runs: Iterable[int | None] | None = None,
    ) -> None:
        """Fill names, sizes, checksums and addresses.

        Args:
            connection: asked for what is not remembered.
            files: messages with id and dataset.
            runs: a run of each file.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        known = self._known.read(connection, {file.fuid_raw for file in files})
        datasets: dict[int, DatasetNames] = {}
        if self._url.needs_dataset:
            with connection.cursor() as cursor:
                datasets = dataset_names(cursor, {file.dsid_raw for file in files})
        for file, run in zip(files, runs or [None] * len(files), strict=True):
            info = known.get(file.fuid_raw, _UNKNOWN)
            file.name, file.bytes, file.checksum = info
            file.url = self._url.of(
                fuid=file.fuid_raw,
                name=info.name,
                run=run,
                **datasets.get(file.dsid_raw, _NO_DATASET)._asdict(),
            )

    def encoded(
        self, connection: Connection, files: Iterable[bytes], runs: Iterable[int | None] | None
    ) -> list[bytes]:
        """Return the files of a LookupResponse, each an encoded field, with their names.

        Raises:
            InvalidRequestError: they do not fit into a message.
            StoreUnavailableError: the database does not answer.
        """
        response = lookup_pb2.LookupResponse.FromString(b"".join(files))
        self.fill(connection, response.files, runs)
        size = response.ByteSize()
        if size > MESSAGE_BYTES_MAX - _ROOM_BYTES:
            raise InvalidRequestError(
                told(
                    "NAMES_TOO_LONG",
                    "the names of {files} files take {bytes} bytes, more than a message holds: "
                    "ask for fewer pairs at once",
                    files=f"{len(response.files):,}",
                    bytes=f"{size:,}",
                )
            )
        # An answer without files is one of no fields: nothing was found.
        return [response.SerializeToString()] if response.files else []
