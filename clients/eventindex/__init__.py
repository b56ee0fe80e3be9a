"""The client of EventIndex: which RAW file holds event E of run R?

>>> import eventindex
>>> with eventindex.connect("127.0.0.1:50051") as index:  # doctest: +SKIP
...     index.lookup([(12345, 4917)]).fuids()

Needs grpcio, protobuf and numpy; never imports the services.
"""

from eventindex.client import Client, connect
from eventindex.columns import EventColumns
from eventindex.errors import (
    AccessError,
    DeadlineError,
    EventIndexError,
    InvalidRequestError,
    LimitError,
    NotFoundError,
    ServerError,
    UnavailableError,
    UnsupportedError,
)
from eventindex.results import Ack, DatasetState, Event, LookupResult, RawFile, Rejection, Run

__all__ = [
    "AccessError",
    "Ack",
    "Client",
    "DatasetState",
    "DeadlineError",
    "Event",
    "EventColumns",
    "EventIndexError",
    "InvalidRequestError",
    "LimitError",
    "LookupResult",
    "NotFoundError",
    "RawFile",
    "Rejection",
    "Run",
    "ServerError",
    "UnavailableError",
    "UnsupportedError",
    "connect",
]
