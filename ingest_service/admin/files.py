"""From requests that note files to checked values. Pure."""

from __future__ import annotations

from typing import NamedTuple

from event_store.model import FileInfo
from eventindex.file_names import problem_of
from eventindex.told import told
from eventindex.v1 import admin_pb2
from ingest_service.admin.plan import line
from ingest_service.decode.fields import describe, parse_fuid
from service_kit.errors import InvalidRequestError
from service_kit.settings import FILES_PER_REQUEST_MAX


class FilesPlan(NamedTuple):
    """Checked files; `replaced_by` is "" where other values stay."""

    files: list[FileInfo]
    replaced_by: str


def plan_files(request: admin_pb2.NoteFilesRequest, caller: str) -> FilesPlan:
    """Check what is to be noted of files.

    Args:
        request: the files.
        caller: the subject of the caller's token, which counts and not what the request claims;
            "" without tokens.

    Raises:
        InvalidRequestError: too many, or a value that cannot be; names the first bad index.
    """
    if len(request.files) > FILES_PER_REQUEST_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_FILES",
                "files has {files} elements, above {limit}",
                files=len(request.files),
                limit=FILES_PER_REQUEST_MAX,
            )
        )
    files = []
    for index, file in enumerate(request.files):
        fuid = parse_fuid(file.fuid_raw)
        if fuid is None:
            raise InvalidRequestError(
                told(
                    "FILE_ID_NOT_A_UUID",
                    "files[{index}].fuid_raw={value} is not a UUID in canonical form",
                    index=index,
                    value=describe(file.fuid_raw),
                )
            )
        problem = problem_of(file.name, file.bytes, file.checksum)
        if problem:
            raise InvalidRequestError(
                told("FILE_INFO_WRONG", "files[{index}].{problem}", index=index, problem=problem)
            )
        if not (file.name or file.bytes or file.checksum):
            raise InvalidRequestError(
                told(
                    "FILE_INFO_EMPTY",
                    "files[{index}] has neither name, bytes nor checksum",
                    index=index,
                )
            )
        files.append(FileInfo(fuid, file.name, file.bytes, file.checksum))
    by = line("replaced_by", caller or request.replaced_by) if request.replace else ""
    return FilesPlan(files, by)
