"""The columns of many messages as one batch for the store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from event_store.model import CosmicRecord, EventColumns, RawFile
from event_store.write.cosmic_datasets import CosmicDataset
from ingest_service.model import AnyFile, CosmicFile, Decoded

_Scalar = TypeVar("_Scalar", bound=np.generic)
# The number of a dataset that has none: its events are not stored.
_NO_DATASET = -1


class _Column:
    """Collects arrays and short lists without making an array of each list."""

    def __init__(self) -> None:
        self._chunks: list[npt.NDArray[np.generic] | list[int]] = []

    def add(self, values: npt.NDArray[np.generic] | list[int]) -> None:
        if not isinstance(values, list):
            self._chunks.append(values)
        elif self._chunks and isinstance(self._chunks[-1], list):
            self._chunks[-1] += values
        else:
            self._chunks.append(list(values))

    def array(self, dtype: type[_Scalar]) -> npt.NDArray[_Scalar]:
        arrays = [np.asarray(chunk, dtype=dtype) for chunk in self._chunks]
        return np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)


def dataset_names(items: Iterable[Decoded]) -> list[str]:
    """Return the names of telescope datasets whose numbers are needed, each once."""
    return list(
        dict.fromkeys(
            file.dataset_name
            for item in items
            if item.cosmic
            for file in item.files
            if isinstance(file, CosmicFile)
        )
    )


def join(
    items: Sequence[Decoded], sources: Sequence[str], datasets: Mapping[str, CosmicDataset]
) -> EventColumns:
    """Return one batch of the events of all items, in order; files and sources are distinct.

    Args:
        items: decoded messages.
        sources: who sent each of them.
        datasets: those of `dataset_names`; a name may be missing.
    """
    runs, events, olt, files = _Column(), _Column(), _Column(), _Column()
    file_numbers: dict[RawFile, int] = {}
    source_numbers: dict[str, int] = {}
    cosmic: dict[int, CosmicRecord] = {}
    start = 0
    for item in items:
        runs.add(item.runs)
        events.add(item.events)
        olt.add(item.olt)
        files.add(_renumber(item, file_numbers, datasets))
        for index, record in item.cosmic.items():
            cosmic[start + index] = record
        start += len(item.runs)
    numbers = [source_numbers.setdefault(name, len(source_numbers)) for name in sources]
    return EventColumns(
        runs=runs.array(np.int64),
        events=events.array(np.int64),
        olt=olt.array(np.uint64),
        file_index=files.array(np.int32),
        files=list(file_numbers),
        source_index=np.repeat(
            np.array(numbers, dtype=np.int32), [len(item.runs) for item in items]
        ),
        sources=list(source_numbers),
        cosmic=cosmic,
    )


def _renumber(
    item: Decoded, numbers: dict[RawFile, int], datasets: Mapping[str, CosmicDataset]
) -> npt.NDArray[np.generic] | list[int]:
    mapping = [
        numbers.setdefault(_with_number(file, datasets), len(numbers)) for file in item.files
    ]
    if isinstance(item.file_index, list):
        return [mapping[index] for index in item.file_index]
    return np.array(mapping, dtype=np.int32)[item.file_index]


def _with_number(file: AnyFile, datasets: Mapping[str, CosmicDataset]) -> RawFile:
    if isinstance(file, CosmicFile):
        known = datasets.get(file.dataset_name)
        return RawFile(file.fuid, _NO_DATASET if known is None else known.dsid)
    return file
