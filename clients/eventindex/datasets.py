"""Datasets by number or name, as methods of the client."""

from __future__ import annotations

from collections.abc import Iterator

from eventindex.catalogue_results import Dataset, to_dataset
from eventindex.connection import PAGE_ROWS, Connection
from eventindex.errors import NotFoundError, UnsupportedError
from eventindex.selection import checked_dsid
from eventindex.told import told
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.values import DatasetState

_WIRE_STATE = {
    DatasetState.OPEN: event_pb2.DATASET_STATE_OPEN,
    DatasetState.FROZEN: event_pb2.DATASET_STATE_FROZEN,
    DatasetState.RETIRED: event_pb2.DATASET_STATE_RETIRED,
}


def to_wire_state(state: DatasetState | str) -> event_pb2.DatasetState:
    """Return a state, or its name, as the wire carries it.

    Raises:
        ValueError: UNKNOWN is no state that a dataset can be given or asked for.
    """
    names = {known.name.lower(): wire for known, wire in _WIRE_STATE.items()}
    found = names.get(state) if isinstance(state, str) else _WIRE_STATE.get(state)
    if found is None:
        raise ValueError(f"state is {state!r}, none of {', '.join(names)}")
    return found


class DatasetQueries(Connection):
    """Lists the datasets of the index."""

    def datasets(
        self,
        *,
        state: DatasetState | str | None = None,
        name_contains: str = "",
        order_by: str = "",
        collection: str = "",
        timeout: float | None = None,
    ) -> Iterator[Dataset]:
        """Yield the datasets; pages are fetched as they are needed.

        Args:
            state: datasets in this state only.
            name_contains: a part of the name.
            order_by: "dsid_raw" (default), "name", "events" or "created"; " desc" turns it round.
            collection: datasets of this collection only.
            timeout: seconds for each page.
        """
        request = lookup_pb2.ListDatasetsRequest(
            page_size=PAGE_ROWS,
            state=None if state is None else to_wire_state(state),
            name_contains=name_contains,
            order_by=order_by,
            collection=collection,
        )
        pages = self._pages(lambda q: self._unary(self._index.ListDatasets, q, timeout), request)
        return (to_dataset(message) for page in pages for message in page.datasets)

    def get_dataset(self, dataset: int | str, *, timeout: float | None = None) -> Dataset:
        """Return a dataset by its number or its exact name.

        Raises:
            NotFoundError: it is not in the index.
            ValueError: a number outside 0 to 2^31-1.
        """
        if dataset == "":
            raise NotFoundError(_no_dataset(""))
        if isinstance(dataset, str):
            request = lookup_pb2.GetDatasetRequest(name=dataset)
        else:
            request = lookup_pb2.GetDatasetRequest(dsid_raw=checked_dsid(dataset))
        try:
            return to_dataset(self._unary(self._index.GetDataset, request, timeout).dataset)
        except NotFoundError as error:
            raise NotFoundError(_no_dataset(dataset)) from error
        except UnsupportedError:
            return self._listed(dataset, timeout)

    def _listed(self, dataset: int | str, timeout: float | None) -> Dataset:
        """Return a dataset of a server that has no GetDataset yet."""
        part = dataset if isinstance(dataset, str) else ""
        for known in self.datasets(name_contains=part, timeout=timeout):
            if dataset in (known.dsid_raw, known.name):
                return known
        raise NotFoundError(_no_dataset(dataset))

    def _dsid(self, dataset: int | str | None) -> int | None:
        """Return the number of a dataset; a number stands for itself."""
        if dataset is None:
            return None
        if isinstance(dataset, str):
            return self.get_dataset(dataset).dsid_raw
        return checked_dsid(dataset)


def _no_dataset(name: int | str) -> str:
    return told("DATASET_NAME_NOT_FOUND", "dataset {name} is not in the index", name=f"{name!r}")
