"""The client of EventIndex: which RAW file holds event E of run R?

>>> import eventindex
>>> with eventindex.connect("127.0.0.1:50051") as index:  # doctest: +SKIP
...     index.lookup([(12345, 4917)]).fuids()

Needs grpcio, protobuf and numpy; never imports the services.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventindex.admin_results import (
        AccessToken,
        Criterion,
        DeadLetter,
        DeleteProgress,
        DoorStatus,
        FileInfo,
        NotedFiles,
        RunCheck,
    )
    from eventindex.catalogue_results import (
        Conflict,
        CosmicCount,
        CosmicCountBy,
        CosmicCounts,
        CosmicEvent,
        Dataset,
        FileOfRun,
        TdcChannel,
    )
    from eventindex.choices import CountBy
    from eventindex.client import Client, connect
    from eventindex.columns import EventColumns
    from eventindex.errors import (
        AccessError,
        AddressError,
        ConfigError,
        DeadlineError,
        EventIndexError,
        ForbiddenError,
        InvalidRequestError,
        LimitError,
        NameTakenError,
        NotFoundError,
        ServerError,
        TokenEndedError,
        UnavailableError,
        UnsupportedError,
        WrongStateError,
    )
    from eventindex.file_results import FileContent, RelatedFile
    from eventindex.picking import pick
    from eventindex.results import LookupResult
    from eventindex.root_files.pick_report import FileOutcome, PickReport
    from eventindex.run_lists import RunList, read_run_list
    from eventindex.run_results import EventBin, EventGap, IndexStatus, Run, RunGaps
    from eventindex.selection import mask_of
    from eventindex.selection_results import EventCount, EventCounts, Events
    from eventindex.values import Ack, DatasetState, Event, RawFile, Rejection

# Imported when they are first used: what is asked for is all that a command pays for.
_HOMES = {
    "eventindex.admin_results": (
        "AccessToken",
        "Criterion",
        "DeadLetter",
        "DeleteProgress",
        "DoorStatus",
        "FileInfo",
        "NotedFiles",
        "RunCheck",
    ),
    "eventindex.catalogue_results": (
        "Conflict",
        "CosmicCount",
        "CosmicCountBy",
        "CosmicCounts",
        "CosmicEvent",
        "Dataset",
        "FileOfRun",
        "TdcChannel",
    ),
    "eventindex.client": (
        "Client",
        "connect",
    ),
    "eventindex.columns": ("EventColumns",),
    "eventindex.errors": (
        "AccessError",
        "AddressError",
        "ConfigError",
        "DeadlineError",
        "EventIndexError",
        "ForbiddenError",
        "InvalidRequestError",
        "LimitError",
        "NameTakenError",
        "NotFoundError",
        "ServerError",
        "TokenEndedError",
        "UnavailableError",
        "UnsupportedError",
        "WrongStateError",
    ),
    "eventindex.file_results": ("FileContent", "RelatedFile"),
    "eventindex.picking": ("pick",),
    "eventindex.results": ("LookupResult",),
    "eventindex.values": (
        "Ack",
        "DatasetState",
        "Event",
        "RawFile",
        "Rejection",
    ),
    "eventindex.root_files.pick_report": (
        "FileOutcome",
        "PickReport",
    ),
    "eventindex.run_lists": (
        "RunList",
        "read_run_list",
    ),
    "eventindex.run_results": (
        "EventBin",
        "EventGap",
        "IndexStatus",
        "Run",
        "RunGaps",
    ),
    "eventindex.selection": ("mask_of",),
    "eventindex.choices": ("CountBy",),
    "eventindex.selection_results": (
        "EventCount",
        "EventCounts",
        "Events",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AccessError",
    "AccessToken",
    "Ack",
    "AddressError",
    "Client",
    "ConfigError",
    "Conflict",
    "CosmicCount",
    "CosmicCountBy",
    "CosmicCounts",
    "CosmicEvent",
    "CountBy",
    "Criterion",
    "Dataset",
    "DatasetState",
    "DeadLetter",
    "DeadlineError",
    "DeleteProgress",
    "DoorStatus",
    "Event",
    "EventBin",
    "EventColumns",
    "EventCount",
    "EventCounts",
    "EventGap",
    "EventIndexError",
    "Events",
    "FileContent",
    "FileInfo",
    "FileOfRun",
    "FileOutcome",
    "ForbiddenError",
    "IndexStatus",
    "InvalidRequestError",
    "LimitError",
    "LookupResult",
    "NameTakenError",
    "NotFoundError",
    "NotedFiles",
    "PickReport",
    "RawFile",
    "Rejection",
    "RelatedFile",
    "Run",
    "RunCheck",
    "RunGaps",
    "RunList",
    "ServerError",
    "TdcChannel",
    "TokenEndedError",
    "UnavailableError",
    "UnsupportedError",
    "WrongStateError",
    "connect",
    "mask_of",
    "pick",
    "read_run_list",
]


def __getattr__(name: str) -> Any:
    """Import what is used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
