"""From requests for lists to checked filters and pages. Pure: no I/O, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from event_store.model import DatasetState
from event_store.select.lists import CONFLICT_ORDER, DATASET_ORDERS, FILE_ORDERS
from event_store.select.paging import PageOf
from event_store.select.run_list import RUN_ORDERS
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from index_service import page_token
from service_kit import checks
from service_kit.errors import InvalidRequestError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

PAGE_SIZE_MAX = 10_000
PAGE_SIZE_DEFAULT = 1000
# Ids that a message names.
_FILES_NAMED = 2

_ListRequest: TypeAlias = (
    lookup_pb2.ListRunsRequest
    | lookup_pb2.ListDatasetsRequest
    | lookup_pb2.ListFilesRequest
    | lookup_pb2.ListConflictsRequest
)


class RunsPlan(NamedTuple):
    """A checked listing of runs; `run` is the run that was asked for by number."""

    page: PageOf
    runs: checks.Range
    run: int | None
    detector_id: str | None
    numbers: tuple[int, ...]


class DatasetsPlan(NamedTuple):
    """A checked listing of datasets."""

    page: PageOf
    state: int | None
    name_contains: str


class FilesPlan(NamedTuple):
    """A checked listing of RAW files."""

    page: PageOf
    run: int | None
    dsid: int | None
    name_pattern: str


class ConflictsPlan(NamedTuple):
    """A checked listing of conflicts."""

    page: PageOf
    run: int | None
    with_resolved: bool


def plan_runs(request: lookup_pb2.ListRunsRequest) -> RunsPlan:
    """Check a listing of runs.

    Raises:
        InvalidRequestError: a page size, token, order, range or detector that cannot be.
    """
    runs = checks.number_range(request, "run")
    detector = None
    if request.HasField("detector_id"):
        detector = checks.text("detector_id", request.detector_id)
    return RunsPlan(
        _page(request, *_order(request.order_by, RUN_ORDERS)),
        runs,
        runs.first if runs.one else None,
        detector,
        _numbers(request),
    )


def _numbers(request: lookup_pb2.ListRunsRequest) -> tuple[int, ...]:
    if len(request.run_numbers) > PAGE_SIZE_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_RUN_NUMBERS",
                "run_numbers has {count} runs, above {limit}",
                count=f"{len(request.run_numbers):,}",
                limit=f"{PAGE_SIZE_MAX:,}",
            )
        )
    return tuple(checks.number("run_numbers", number) for number in request.run_numbers)


def plan_datasets(request: lookup_pb2.ListDatasetsRequest) -> DatasetsPlan:
    """Check a listing of datasets.

    Raises:
        InvalidRequestError: a page size, token, order, state or name that cannot be.
    """
    state = None
    if request.HasField("state"):
        state = int(request.state)
        if state not in set(DatasetState):
            known = ", ".join(f"{one.value} ({one.name})" for one in DatasetState)
            raise InvalidRequestError(
                told(
                    "NOT_A_STATE", "state={state} is none of {choices}", state=state, choices=known
                )
            )
    return DatasetsPlan(
        _page(request, *_order(request.order_by, DATASET_ORDERS)),
        state,
        checks.text("name_contains", request.name_contains),
    )


def plan_dataset(request: lookup_pb2.GetDatasetRequest) -> tuple[int | None, str | None]:
    """Check a question for one dataset; returns its number or its name.

    Raises:
        InvalidRequestError: neither, or one that cannot be.
    """
    if request.HasField("dsid_raw"):
        return checks.dsid(request.dsid_raw), None
    if not request.name:
        raise InvalidRequestError(told("DATASET_UNNAMED", "dsid_raw or name must be given"))
    return None, checks.text("name", request.name)


def plan_files(request: lookup_pb2.ListFilesRequest) -> FilesPlan:
    """Check a listing of RAW files.

    Raises:
        InvalidRequestError: a page size, token, order, run or dataset that cannot be.
    """
    return FilesPlan(
        _page(request, *_order(request.order_by, FILE_ORDERS)),
        _run_number(request),
        checks.dsid(request.dsid_raw) if request.HasField("dsid_raw") else None,
        checks.text("name_pattern", request.name_pattern),
    )


def plan_file_name(request: lookup_pb2.GetFileRequest) -> str | None:
    """Check a question for one file; returns its name, None where its id is given.

    Raises:
        InvalidRequestError: both are given, or a name that cannot be.
    """
    if not request.name:
        return None
    if request.fuid_raw:
        raise InvalidRequestError(
            told(
                "FILE_AND_NAME",
                "fuid_raw={file} and name={name}: give one",
                file=repr(request.fuid_raw[:60]),
                name=repr(request.name[:60]),
            )
        )
    return checks.text("name", request.name)


def plan_conflicts(request: lookup_pb2.ListConflictsRequest) -> ConflictsPlan:
    """Check a listing of conflicts.

    Raises:
        InvalidRequestError: a page size, token or run that cannot be.
    """
    return ConflictsPlan(
        _page(request, CONFLICT_ORDER, descending=False),
        _run_number(request),
        request.with_resolved,
    )


def plan_collections(request: lookup_pb2.ListCollectionsRequest) -> Sequence[int]:
    """Check a question for collections; returns the runs, of which each should hold one.

    Raises:
        InvalidRequestError: too many runs, or a number out of range.
    """
    if len(request.run_numbers) > PAIRS_PER_MESSAGE_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_ELEMENTS_OF",
                "{field} has {count} elements: the limit is {limit}",
                field="run_numbers",
                count=len(request.run_numbers),
                limit=PAIRS_PER_MESSAGE_MAX,
            )
        )
    return [
        checks.number(f"run_numbers[{index}]", run) for index, run in enumerate(request.run_numbers)
    ]


def _run_number(
    request: lookup_pb2.ListFilesRequest | lookup_pb2.ListConflictsRequest,
) -> int | None:
    if not request.HasField("run_number"):
        return None
    return checks.number("run_number", request.run_number)


def _order(order_by: str, orders: Mapping[str, Sequence[str]]) -> tuple[Sequence[str], bool]:
    """Return the columns of an order, the first of `orders` by default, and whether it descends."""
    name, _, direction = (order_by or next(iter(orders))).partition(" ")
    if name not in orders or direction not in {"", "desc"} or order_by.endswith(" "):
        raise InvalidRequestError(
            told(
                "NOT_AN_ORDER",
                "order_by={order} is none of {choices}, nor one with ' desc'",
                order=repr(order_by[:60]),
                choices=", ".join(orders),
            )
        )
    return orders[name], direction == "desc"


def _page(request: _ListRequest, columns: Sequence[str], descending: bool) -> PageOf:
    return PageOf(
        columns,
        descending,
        page_token.decode(request, request.page_token, columns),
        checks.at_most("page_size", request.page_size, PAGE_SIZE_MAX) or PAGE_SIZE_DEFAULT,
    )


def several_files(name: str, fuids: Sequence[str]) -> InvalidRequestError:
    """Return the error of a name that is not one file's."""
    more = ["…"] if len(fuids) > _FILES_NAMED else []
    return InvalidRequestError(
        told(
            "NAME_OF_SEVERAL_FILES",
            "name={name} is the name of several files: ask for one of fuid_raw={choices}",
            name=repr(name),
            choices=", ".join([*fuids[:_FILES_NAMED], *more]),
        )
    )


def too_many_runs(fuid: object, runs_max: int) -> InvalidRequestError:
    """Return the error of a file of more runs than one answer holds."""
    return InvalidRequestError(
        told(
            "FILE_OF_MANY_RUNS",
            "fuid_raw={file} has events in more than {limit} runs: use ListFiles",
            file=fuid,
            limit=f"{runs_max:,}",
        )
    )


def too_many_events(fuid: str, events: str) -> InvalidRequestError:
    """Return the error of a file of more events than one answer holds."""
    return InvalidRequestError(
        told(
            "FILE_OF_MANY_EVENTS",
            "fuid_raw={file} has {events} events, with_events answers up to {limit}: "
            "use ListEvents with the same fuid_raw",
            file=fuid,
            events=events,
            limit=f"{PAIRS_PER_MESSAGE_MAX:,}",
        )
    )
