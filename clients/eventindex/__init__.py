"""The client of EventIndex: which RAW file holds event E of run R?

>>> import eventindex
>>> with eventindex.connect("127.0.0.1:50051") as index:  # doctest: +SKIP
...     index.lookup([(12345, 4917)]).fuids()

Needs grpcio, protobuf and numpy; never imports the services.
"""

from eventindex.admin_results import (
    AccessToken,
    Criterion,
    DeadLetter,
    DeleteProgress,
    DoorStatus,
    RunCheck,
)
from eventindex.catalogue_results import (
    Conflict,
    CosmicCount,
    CosmicCountBy,
    CosmicCounts,
    CosmicEvent,
    Dataset,
    FileContent,
    FileOfRun,
    TdcChannel,
)
from eventindex.client import Client, connect
from eventindex.columns import EventColumns
from eventindex.errors import (
    AccessError,
    DeadlineError,
    EventIndexError,
    ForbiddenError,
    InvalidRequestError,
    LimitError,
    NameTakenError,
    NotFoundError,
    ServerError,
    UnavailableError,
    UnsupportedError,
    WrongStateError,
)
from eventindex.picking import pick
from eventindex.results import Ack, DatasetState, Event, LookupResult, RawFile, Rejection
from eventindex.root_files.pick_report import FileOutcome, PickReport
from eventindex.run_lists import RunList, read_run_list
from eventindex.run_results import EventBin, EventGap, Run, RunGaps
from eventindex.selection import mask_of
from eventindex.selection_results import CountBy, EventCount, EventCounts, Events

__all__ = [
    "AccessError",
    "AccessToken",
    "Ack",
    "Client",
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
    "FileOfRun",
    "FileOutcome",
    "ForbiddenError",
    "InvalidRequestError",
    "LimitError",
    "LookupResult",
    "NameTakenError",
    "NotFoundError",
    "PickReport",
    "RawFile",
    "Rejection",
    "Run",
    "RunCheck",
    "RunGaps",
    "RunList",
    "ServerError",
    "TdcChannel",
    "UnavailableError",
    "UnsupportedError",
    "WrongStateError",
    "connect",
    "mask_of",
    "pick",
    "read_run_list",
]
