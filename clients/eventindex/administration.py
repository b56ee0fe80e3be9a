"""What changes or checks the index, as methods of the client; answered by the ingest service."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import islice

from eventindex.admin_results import (
    Criterion,
    DeleteProgress,
    FileInfo,
    NotedFiles,
    RunCheck,
    to_criterion,
    to_noted_files,
    to_run_check,
)
from eventindex.catalogue_results import (
    Conflict,
    Dataset,
    to_conflict,
    to_dataset,
)
from eventindex.collection_results import Collection, to_collection
from eventindex.datasets import to_wire_state
from eventindex.errors import NotFoundError
from eventindex.limits import NUMBER_MAX
from eventindex.operations import Operations
from eventindex.selection import Range, bounds, checked_number
from eventindex.silence import Call
from eventindex.v1 import admin_pb2, event_pb2
from eventindex.values import DatasetState

_ID_MAX = 2**64 - 1
NOTED_FILES_MAX = 10_000


class Administration(Operations):
    """Changes collections, datasets, files, conflicts and criteria; verifies the counts."""

    def note_files(
        self,
        files: Iterable[FileInfo],
        *,
        replace: bool = False,
        replaced_by: str = "",
        timeout: float | None = None,
    ) -> Generator[NotedFiles, None, None]:
        """Note names, sizes and checksums of any number of files; yields a result a call.

        What was noted before stays, unless it is replaced. Noting again is harmless.

        Args:
            files: with id, and of name, bytes and checksum what is known.
            replace: put other values in the place of those noted before.
            replaced_by: who does, for the record; with tokens the subject of the token counts.
            timeout: seconds for each 10,000 files.

        Raises:
            InvalidRequestError: a value that cannot be; names it.
        """
        numbered = iter(files)
        while part := list(islice(numbered, NOTED_FILES_MAX)):
            request = admin_pb2.NoteFilesRequest(
                files=[
                    event_pb2.RawFile(
                        fuid_raw=f.fuid_raw, name=f.name, bytes=f.bytes, checksum=f.checksum
                    )
                    for f in part
                ],
                replace=replace,
                replaced_by=replaced_by,
            )
            yield to_noted_files(part, self._unary(self._admin.NoteFiles, request, timeout))

    def update_dataset(
        self,
        dataset: int | str,
        *,
        name: str | None = None,
        state: DatasetState | str | None = None,
        comment: str | None = None,
        timeout: float | None = None,
    ) -> Dataset:
        """Name a dataset, set its state or its comment; returns it as it is now.

        Raises:
            NotFoundError: the dataset is not in the index.
            NameTakenError: another dataset has the name.
            WrongStateError: it is a telescope's, whose name is given.
            InvalidRequestError: the name is empty or too long.
        """
        request = admin_pb2.UpdateDatasetRequest(
            dsid_raw=self._dsid(dataset),
            name=name,
            state=None if state is None else to_wire_state(state),
            comment=comment,
        )
        return to_dataset(self._change(self._admin.UpdateDataset, request, timeout).dataset)

    def delete_dataset(
        self, dataset: int | str, *, timeout: float | None = None
    ) -> Generator[DeleteProgress, None, None]:
        """Remove a dataset's events, and yield the progress after each transaction.

        Nothing happens before the first value is taken. Close the generator to stop; call again
        to go on. The same when the server goes away.

        Raises:
            NotFoundError: the dataset is not in the index.
            WrongStateError: it is open; freeze or retire it first.
            UnavailableError: the server went away in between.
        """
        request = admin_pb2.DeleteDatasetRequest(dsid_raw=self._dsid(dataset))
        messages = self._download(
            lambda: self._admin.DeleteDataset(request),
            timeout,
            resumes=False,
            address=self._ingest_address,
        )
        return (DeleteProgress(m.events_removed, m.events_left) for m in messages)

    def create_collection(
        self, name: str, *, made_from: str = "", comment: str = "", timeout: float | None = None
    ) -> Collection:
        """Make a collection. Is not tried again by itself when the server goes away.

        Args:
            name: 1 to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit.
            made_from: the collection that it is made from.
            comment: what people should know of it.
            timeout: seconds to wait, default as in `connect`.

        Raises:
            NameTakenError: there is one of this name.
            InvalidRequestError: a name that cannot be, or an unknown `made_from`.
            WrongStateError: there are as many as the server takes.
        """
        request = admin_pb2.CreateCollectionRequest(name=name, made_from=made_from, comment=comment)
        answer = self._change(self._admin.CreateCollection, request, timeout, repeatable=False)
        return to_collection(answer.collection)

    def update_collection(
        self,
        name: str,
        *,
        state: DatasetState | str | None = None,
        comment: str | None = None,
        timeout: float | None = None,
    ) -> Collection:
        """Set a collection's state or its comment; returns it as it is now.

        Raises:
            InvalidRequestError: there is no such collection, or nothing to change.
        """
        request = admin_pb2.UpdateCollectionRequest(
            name=name,
            state=None if state is None else to_wire_state(state),
            comment=comment,
        )
        return to_collection(
            self._change(self._admin.UpdateCollection, request, timeout).collection
        )

    def delete_collection(
        self, name: str, *, timeout: float | None = None
    ) -> Generator[DeleteProgress, None, None]:
        """Remove a collection with its events and datasets; yields and resumes as for a dataset.

        Raises:
            InvalidRequestError: there is no such collection.
            WrongStateError: it is "raw", it is open, or another one is made from it.
            UnavailableError: the server went away in between.
        """
        request = admin_pb2.DeleteCollectionRequest(name=name)
        messages = self._download(
            lambda: self._admin.DeleteCollection(request),
            timeout,
            resumes=False,
            address=self._ingest_address,
        )
        return (DeleteProgress(m.events_removed, m.events_left) for m in messages)

    def resolve_conflict(
        self, conflict_id: int, *, replace: bool, resolved_by: str, timeout: float | None = None
    ) -> Conflict:
        """Keep the stored value, or replace it with the offered one; say who decided.

        Where the service asks for tokens, the subject of the caller's is recorded instead.

        Is not tried again by itself when the server goes away.

        Raises:
            NotFoundError: there is no such conflict.
            WrongStateError: it is resolved already.
            InvalidRequestError: nobody is named.
        """
        request = admin_pb2.ResolveConflictRequest(
            conflict_id=checked_number(conflict_id, "conflict_id", _ID_MAX),
            resolution=(
                admin_pb2.CONFLICT_RESOLUTION_REPLACE
                if replace
                else admin_pb2.CONFLICT_RESOLUTION_KEEP
            ),
            resolved_by=resolved_by,
        )
        answer = self._change(self._admin.ResolveConflict, request, timeout, repeatable=False)
        return to_conflict(answer.conflict)

    def criteria(self, *, timeout: float | None = None) -> list[Criterion]:
        """Return the names of the bits of `olt_result`."""
        request = admin_pb2.ListCriteriaRequest()
        answer = self._change(self._admin.ListCriteria, request, timeout)
        return [to_criterion(message) for message in answer.criteria]

    def set_criterion(
        self, bit: int, name: str, *, run_first: int = 0, timeout: float | None = None
    ) -> Criterion:
        """Name a bit of `olt_result`, 0 to 63, from a run on.

        Raises:
            NameTakenError: another bit has the name in some of these runs.
            InvalidRequestError: the name is empty, too long, or a number or mask.
        """
        request = admin_pb2.SetCriterionRequest(
            criterion=admin_pb2.Criterion(
                bit=checked_number(bit, "bit", 63),
                name=name,
                run_first=checked_number(run_first, "run_first", NUMBER_MAX),
            )
        )
        return to_criterion(self._change(self._admin.SetCriterion, request, timeout).criterion)

    def delete_criterion(
        self, bit: int, *, run_first: int | None = None, timeout: float | None = None
    ) -> list[Criterion]:
        """Take all names of a bit of `olt_result` away, or the one from a run on; returns them.

        Is not tried again by itself when the server goes away.

        Raises:
            NotFoundError: the bit has no such name.
        """
        request = admin_pb2.DeleteCriterionRequest(bit=checked_number(bit, "bit", 63))
        if run_first is not None:
            request.run_first = checked_number(run_first, "run_first", NUMBER_MAX)
        answer = self._change(self._admin.DeleteCriterion, request, timeout, repeatable=False)
        return [to_criterion(message) for message in answer.criteria]

    def verify(
        self, *, runs: Range | None = None, timeout: float | None = None
    ) -> Generator[RunCheck, None, None]:
        """Count the events of the pages again, run by run, and name what differs.

        Goes on behind the last run that came when the server goes away.

        Args:
            runs: (first, last), inclusive, either may be None; without it all runs.
            timeout: longest wait for one run, seconds.

        Raises:
            NotFoundError: the run that was asked for is not in the index.
        """
        first, last = bounds(runs, "runs")
        return self._verified(admin_pb2.VerifyRequest(run_first=first, run_last=last), timeout)

    def _verified(
        self, request: admin_pb2.VerifyRequest, timeout: float | None
    ) -> Generator[RunCheck, None, None]:
        """Yield the checks and keep in the request where to go on."""

        def open_call() -> Call[admin_pb2.VerifyResponse]:
            return self._admin.Verify(request)

        address = self._ingest_address
        stream = self._download(open_call, timeout, resumes=True, address=address)
        started = False
        # Of the run that came last: it is counted again when the server went away.
        seen: set[str] = set()
        try:
            for message in stream:
                if message.run_number != request.run_first or not started:
                    seen.clear()
                started = True
                request.run_first = message.run_number
                if message.collection in seen:
                    continue
                seen.add(message.collection)
                yield to_run_check(message)
        except NotFoundError:
            # The last run number has no successor.
            if not started:
                raise
        finally:
            stream.close()
