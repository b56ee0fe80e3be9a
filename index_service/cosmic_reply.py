"""From telescope records to response messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from event_store.model import unsigned
from event_store.telescope.names import TelescopeFile, cosmic_fuid, line_of
from event_store.telescope.read import CosmicRow
from eventindex.v1 import event_pb2, lookup_pb2

# Bytes of the records in one message; a message may have 16 MiB.
_MESSAGE_BYTES_MAX = 4 * 1024 * 1024

T = TypeVar("T")


def event_messages(
    rows: Iterable[CosmicRow], datasets: Mapping[TelescopeFile, int]
) -> Iterator[lookup_pb2.GetCosmicEventsResponse]:
    """Yield records as messages of bounded size."""
    fuids = {file: str(cosmic_fuid(*file)) for file in datasets}
    events = (_event(row, fuids[row.file], datasets[row.file]) for row in rows)
    for part in _parts((event, event.ByteSize()) for event in events):
        yield lookup_pb2.GetCosmicEventsResponse(events=part)


def line_messages(rows: Iterable[CosmicRow]) -> Iterator[lookup_pb2.ReadRawFileResponse]:
    """Yield the lines of a RAW file as messages of bounded size."""
    lines = (line_of(row.payload, repaired=row.repaired) for row in rows)
    for part in _parts((line, len(line.encode())) for line in lines):
        yield lookup_pb2.ReadRawFileResponse(lines=part)


def count_response(
    by: str, counts: Mapping[tuple[Any, ...], int]
) -> lookup_pb2.CountCosmicEventsResponse:
    """Return counts in ascending order of their keys, null first; the total alone has none."""
    response = lookup_pb2.CountCosmicEventsResponse(total=sum(counts.values()))
    if by != "total":
        for key in sorted(counts, key=lambda key: [(value is not None, value) for value in key]):
            response.counts.append(_count(by, key, counts[key]))
    return response


def _count(by: str, key: tuple[Any, ...], events: int) -> lookup_pb2.CosmicCount:
    if by == "run":
        return lookup_pb2.CosmicCount(events=events, run_number=key[0])
    if by == "detector":
        return lookup_pb2.CosmicCount(events=events, detector_id=key[0])
    if by == "block":
        detector, run, block = key
        return lookup_pb2.CosmicCount(
            events=events, detector_id=detector, run_number=run, cosmic_block=block
        )
    count = lookup_pb2.CosmicCount(events=events)
    if key[0] is not None:
        count.hour.FromSeconds(key[0])
    return count


def _event(row: CosmicRow, fuid: str, dsid: int) -> event_pb2.CosmicEvent:
    bits = row.trigger_bits
    return event_pb2.CosmicEvent(
        run_number=row.run_number,
        event_number=row.event_number,
        detector_id=row.detector_id,
        unix_seconds=row.unix_seconds,
        format=row.format,
        cosmic_block=row.cosmic_block,
        trigger_bits=None if bits is None else unsigned(bits),
        tdc={name: _channel(channel or {}) for name, channel in (row.tdc or {}).items()},
        clock_count=row.clock_count,
        trigger_counter=row.trigger_counter,
        epoch=row.epoch,
        counter_clocks=row.counter_clocks,
        event_counter=row.event_counter,
        payload=line_of(row.payload, repaired=row.repaired),
        repaired=row.repaired,
        fuid_raw=fuid,
        dsid_raw=dsid,
        clock_problem=row.clock_problem,
    )


def _channel(channel: Mapping[str, Any]) -> event_pb2.TdcChannel:
    data = channel.get("Data")
    return event_pb2.TdcChannel(
        data=_present(data if isinstance(data, list) else [data]),
        calib=_present(channel.get("Calib") or []),
        calib1=channel.get("Calib1"),
        calib2=channel.get("Calib2"),
    )


def _present(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]


def _parts(items: Iterable[tuple[T, int]]) -> Iterator[list[T]]:
    """Cut items of known size, bytes, into lists that a message holds."""
    part: list[T] = []
    held = 0
    for item, size in items:
        if part and held + size > _MESSAGE_BYTES_MAX:
            yield part
            part, held = [], 0
        part.append(item)
        held += size
    if part:
        yield part
