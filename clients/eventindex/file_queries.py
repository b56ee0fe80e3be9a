"""RAW files, as methods of the client: lists, and one with its events and its relations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eventindex.catalogue_results import FileOfRun, to_file_of_run
from eventindex.collection_names import chosen_name
from eventindex.connection import PAGE_ROWS
from eventindex.datasets import DatasetQueries
from eventindex.file_results import FileContent, to_file_content
from eventindex.limits import NUMBER_MAX
from eventindex.selection import checked_fuid, checked_number
from eventindex.v1 import lookup_pb2


class FileQueries(DatasetQueries):
    """Lists and describes RAW files."""

    def files(
        self,
        *,
        run: int | None = None,
        dataset: int | str | None = None,
        name: str = "",
        with_file_names: bool = False,
        order_by: str = "",
        collection: str = "",
        detector: str | int | None = None,
        timeout: float | None = None,
    ) -> Iterator[FileOfRun]:
        """Yield the RAW files, one for each run that they hold events of.

        Args:
            run: files of one run only.
            dataset: files of one dataset only, by number or name.
            name: files with such a name only: * is any text, ? one character.
            with_file_names: ask for what is noted of the files too.
            order_by: "run_number" (default), "fuid_raw" or "events"; " desc" turns it round.
            collection: the collection that holds them; without it that of the dataset, or "raw".
            detector: a telescope, in its place.
            timeout: seconds for each page.

        Raises:
            NotFoundError: the run or dataset is not in the index.
        """
        request = lookup_pb2.ListFilesRequest(
            page_size=PAGE_ROWS,
            run_number=None if run is None else checked_number(run, "run", NUMBER_MAX),
            dsid_raw=self._dsid(dataset),
            order_by=order_by,
            collection=chosen_name(collection, detector),
            name_pattern=name,
            with_file_names=with_file_names,
        )
        pages = self._pages(lambda q: self._unary(self._index.ListFiles, q, timeout), request)
        return (to_file_of_run(message) for page in pages for message in page.files)

    def get_file(
        self,
        fuid_raw: str | None = None,
        *,
        name: str = "",
        with_events: bool = False,
        with_file_names: bool = False,
        with_parents: bool = False,
        with_children: bool = False,
        related_collections: Sequence[str] = (),
        timeout: float | None = None,
    ) -> FileContent:
        """Return a RAW file's runs and, if asked for, its events, parents and children.

        The events come in one message; those of a file that is too large for it come from
        `list_events(file=...)`.

        Args:
            fuid_raw: its id.
            name: its whole name, in place of the id.
            with_events: ask for its events too.
            with_file_names: ask for what is noted of it too.
            with_parents: ask for the files that its events came from, in the collections that its
                own was made from, step by step.
            with_children: ask for the files that its events went into, in the collections that
                were made from its own.
            related_collections: in these alone, at any number of steps.
            timeout: seconds to wait.

        Raises:
            NotFoundError: the index has no event of this file, or no file has the name.
            InvalidRequestError: several files have the name; names some.
            ValueError: the file id is no UUID, or neither or both of id and name are given.
        """
        if (fuid_raw is None) == (not name):
            raise ValueError("give fuid_raw or name")
        request = lookup_pb2.GetFileRequest(
            fuid_raw=None if fuid_raw is None else checked_fuid(fuid_raw),
            name=name,
            with_events=with_events,
            with_file_names=with_file_names,
            with_parents=with_parents,
            with_children=with_children,
            related_collections=related_collections,
        )
        return to_file_content(self._unary(self._index.GetFile, request, timeout))
