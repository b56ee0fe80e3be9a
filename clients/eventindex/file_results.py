"""What the index says of one RAW file, as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from eventindex.catalogue_results import to_file_of_run
from eventindex.selection_results import Events
from eventindex.values import RawFile, to_file

if TYPE_CHECKING:
    from eventindex.catalogue_results import FileOfRun
    from eventindex.v1 import lookup_pb2


class RelatedFile(NamedTuple):
    """A file of another collection that holds `events` events of the one that was asked for."""

    file: RawFile
    collection: str
    events: int


class FileContent(NamedTuple):
    """A RAW file's runs and, if asked for, its events, and where they came from and went.

    `parents` and `children` are by collection, the nearest first, then by falling events.
    """

    runs: list[FileOfRun]
    events: list[Events]
    parents: Sequence[RelatedFile] = ()
    children: Sequence[RelatedFile] = ()


def to_file_content(message: lookup_pb2.GetFileResponse) -> FileContent:
    """Return what a response says of a file."""
    return FileContent(
        [to_file_of_run(run) for run in message.runs],
        [Events(batch) for batch in message.events],
        [_related(file) for file in message.parents],
        [_related(file) for file in message.children],
    )


def _related(message: lookup_pb2.RelatedFile) -> RelatedFile:
    return RelatedFile(to_file(message.file), message.collection, message.events)
