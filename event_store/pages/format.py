"""The page format: the events of 8,192 consecutive event numbers as bit planes.

A page is a bit-sliced index (O'Neil and Quass, 1997). A *plane* is one bit for each position,
least significant bit first, as PostgreSQL's `get_bit` and NumPy's `packbits(bitorder="little")`
read it.

* Dense page (512 events and more): position = slot. `file_planes` is the presence plane, then a
  plane for each bit of the index into `fuids`.
* Sparse page: position = rank in `slots`. `file_planes` is the index planes alone.

`olt_planes` has a plane for each bit of `olt_result`, up to the highest bit set in the page.

Pure: no I/O, no knowledge of runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from event_store.errors import CorruptPageError
from event_store.model import Int32, UInt64

SLOT_BITS = 13
SLOTS_PER_PAGE = 1 << SLOT_BITS
SLOT_MASK = SLOTS_PER_PAGE - 1
DENSE_EVENTS_MIN = 512
_DENSE_PLANE_BYTES = SLOTS_PER_PAGE // 8
OLT_PLANES_MAX = 64

UInt16 = npt.NDArray[np.uint16]
Fuids = npt.NDArray[np.void]  # dtype V16, one RAW file id an element

FUID_DTYPE = np.dtype("V16")
NO_FUIDS: Fuids = np.empty(0, FUID_DTYPE)
NO_DSIDS: Int32 = np.empty(0, np.int32)
_BITS = (np.uint8(1) << np.arange(8, dtype=np.uint8))[:, np.newaxis]


@dataclass(frozen=True, slots=True)
class PageEvents:
    """The events of a page, unpacked: n events of k files.

    Attributes:
        slots: uint16, shape (n,), ascending, no repeats.
        file_index: uint16, shape (n,), index into `fuids`.
        olt: uint64, shape (n,).
        fuids: V16, shape (k,), the RAW file ids; every one is used.
        dsids: int32, shape (k,), the dataset of each file.
    """

    slots: UInt16
    file_index: UInt16
    olt: UInt64
    fuids: Fuids
    dsids: Int32


@dataclass(frozen=True, slots=True)
class PackedPage:
    """A page as it is stored: the columns of a row of `event_page`.

    `slots` is uint16 of shape (n_events,) for a sparse page, None for a dense one. `olt_planes`
    may be left out by a reader that does not need it.
    """

    n_events: int
    slots: UInt16 | None
    fuids: Fuids
    dsids: Int32
    file_planes: bytes
    olt_planes: bytes = b""


def pack(page: PageEvents) -> PackedPage:
    """Pack the events of a page into planes."""
    n = len(page.slots)
    index_planes = (len(page.fuids) - 1).bit_length() if n else 0
    top = int(page.olt.max()) if n else 0
    if n < DENSE_EVENTS_MIN:
        return PackedPage(
            n,
            page.slots,
            page.fuids,
            page.dsids,
            _pack_planes(page.file_index, index_planes),
            _pack_planes(narrow(page.olt, top), top.bit_length()),
        )
    at = page.slots.astype(np.intp)
    # The presence plane comes first: it is the lowest bit of the index's value.
    file = (page.file_index << np.uint16(1)) | np.uint16(1)
    return PackedPage(
        n,
        None,
        page.fuids,
        page.dsids,
        _pack_planes(_spread(narrow(file, (2 << index_planes) - 1), at), 1 + index_planes),
        _pack_planes(_spread(narrow(page.olt, top), at), top.bit_length()),
    )


def pack_lone(slot: UInt16, olt: int, fuid: Fuids, dsid: Int32) -> PackedPage:
    """Pack a page of one event: arrays of shape (1,). As `pack`, in a tenth of the time."""
    planes = bytes((olt >> bit) & 1 for bit in range(olt.bit_length()))
    return PackedPage(1, slot, fuid, dsid, b"", planes)


def unpack(page: PackedPage) -> PageEvents:
    """Unpack a stored page.

    Raises:
        CorruptPageError: the planes do not fit the number of events or files.
    """
    slots = page_slots(page)
    index = unpack_file_index(page)
    olt = unpack_olt(page)
    if page.slots is None:
        index, olt = index[slots], olt[slots]
    return PageEvents(slots, index.astype(np.uint16), olt, page.fuids, page.dsids)


def page_slots(page: PackedPage) -> UInt16:
    """Return the slots that hold an event: uint16, shape (n_events,), ascending.

    Raises:
        CorruptPageError: the presence plane does not hold `n_events` bits.
    """
    slots = page.slots if page.slots is not None else np.flatnonzero(presence_bits(page))
    if len(slots) != page.n_events:
        raise CorruptPageError(f"page has {len(slots)} slots for n_events={page.n_events}")
    return slots.astype(np.uint16)


def presence_bits(page: PackedPage) -> npt.NDArray[np.uint8]:
    """Return the presence plane of a dense page, unpacked: 0 or 1, uint8, shape (8192,)."""
    return np.unpackbits(_dense_presence(page), bitorder="little")


def unpack_file_index(page: PackedPage) -> npt.NDArray[np.uint8] | UInt16:
    """Return the index into `fuids` at each position; uint8 where the page has up to 256 files.

    Shape (8192,) for a dense page (0 where there is no event), (n_events,) for a sparse one.

    Raises:
        CorruptPageError: `file_planes` has another length than the number of files asks for.
    """
    planes = (len(page.fuids) - 1).bit_length() if len(page.fuids) else 0
    dtype = np.uint8 if planes <= 8 else np.uint16
    buffer = page.file_planes
    if page.slots is None:
        buffer = buffer[_DENSE_PLANE_BYTES:]
    positions = _positions(page)
    if len(buffer) != planes * ((positions + 7) // 8):
        raise CorruptPageError(
            f"file_planes has {len(page.file_planes)} bytes for {len(page.fuids)} files"
        )
    return _unpack_planes(buffer, positions, np.dtype(dtype))


def file_places(page: PackedPage) -> npt.NDArray[np.uint8] | UInt16:
    """Return for each slot of a dense page its file's place in `fuids` from 1; 0 without an event.

    Shape (8192,), uint8 where the page has up to 255 files.

    Raises:
        CorruptPageError: the planes contradict `n_events` or the number of files.
    """
    files = len(page.fuids)
    planes = 1 + ((files - 1).bit_length() if files else 0)
    if len(page.file_planes) != planes * _DENSE_PLANE_BYTES:
        raise CorruptPageError(f"file_planes has {len(page.file_planes)} bytes for {files} files")
    packed = np.frombuffer(page.file_planes, np.uint8).reshape(planes, _DENSE_PLANE_BYTES)
    present, *bits = np.unpackbits(packed, axis=1, bitorder="little")
    events = int(np.count_nonzero(present))
    if events != page.n_events:
        raise CorruptPageError(f"page has {events} slots for n_events={page.n_events}")
    # One more than the index: 255 files and 0 fill a byte.
    dtype = np.uint8 if files <= np.iinfo(np.uint8).max else np.uint16
    index: npt.NDArray[Any] = np.zeros(SLOTS_PER_PAGE, dtype)
    for bit, plane in enumerate(bits):
        index |= (plane & present).astype(dtype, copy=False) << dtype(bit)
    if events and index.max() >= files:
        raise CorruptPageError(f"page has a file index of {int(index.max())} of {files} files")
    index += present
    return index


def unpack_olt(page: PackedPage) -> UInt64:
    """Return `olt_result` at each position: uint64, shape (8192,) dense or (n_events,) sparse.

    Raises:
        CorruptPageError: `olt_planes` is not a whole number of planes, up to 64.
    """
    positions = _positions(page)
    check_olt_planes(page.olt_planes, (positions + 7) // 8)
    return _unpack_planes(page.olt_planes, positions, np.dtype(np.uint64))


def check_olt_planes(planes: bytes, width: int) -> None:
    """See that these are whole planes of a width, 64 at most; raises CorruptPageError."""
    if len(planes) > OLT_PLANES_MAX * width or len(planes) % max(width, 1):
        raise CorruptPageError(f"olt_planes has {len(planes)} bytes, a plane {width}")


def presence_plane(page: PackedPage) -> npt.NDArray[np.uint8]:
    """Return one bit for each position that holds an event: uint8, shape (1024,) or (⌈n/8⌉,)."""
    if page.slots is None:
        return _dense_presence(page)
    return np.packbits(np.ones(page.n_events, bool), bitorder="little")


def _dense_presence(page: PackedPage) -> npt.NDArray[np.uint8]:
    """Return the presence plane as it is stored.

    Raises:
        CorruptPageError: there are not as many bytes.
    """
    if len(page.file_planes) < _DENSE_PLANE_BYTES:
        raise CorruptPageError(f"file_planes has {len(page.file_planes)} bytes in a dense page")
    return np.frombuffer(page.file_planes, np.uint8, _DENSE_PLANE_BYTES)


def index_plane_rows(page: PackedPage) -> npt.NDArray[np.uint8]:
    """Return the planes of the index into `fuids`: uint8, shape (planes, bytes of a plane)."""
    skip = _DENSE_PLANE_BYTES if page.slots is None else 0
    return _rows(page.file_planes[skip:], _positions(page))


def olt_plane_rows(page: PackedPage) -> npt.NDArray[np.uint8]:
    """Return the planes of `olt_result`: uint8, shape (planes, bytes of a plane).

    Raises:
        CorruptPageError: it is no whole number of planes, up to 64.
    """
    positions = _positions(page)
    check_olt_planes(page.olt_planes, (positions + 7) // 8)
    return _rows(page.olt_planes, positions)


def values_at(planes: npt.NDArray[np.uint8], at: npt.NDArray[np.integer[Any]]) -> UInt64:
    """Return the values that planes hold at some positions: uint64, shape (len(at),)."""
    bits = (planes[:, at >> 3] >> (at & 7).astype(np.uint8)) & np.uint8(1)
    shifts = np.arange(len(planes), dtype=np.uint64)[:, np.newaxis]
    values: UInt64 = np.bitwise_or.reduce(bits.astype(np.uint64) << shifts, axis=0)
    return values


def narrow(values: UInt64 | UInt16, top: int) -> npt.NDArray[np.unsignedinteger]:
    """Return the same values in the smallest unsigned type that holds `top`."""
    return values.astype(np.min_scalar_type(top), copy=False)


def _rows(buffer: bytes, positions: int) -> npt.NDArray[np.uint8]:
    width = max(1, (positions + 7) // 8)
    if len(buffer) % width:
        raise CorruptPageError(f"planes of {len(buffer)} bytes, a plane has {width}")
    return np.frombuffer(buffer, np.uint8).reshape(-1, width)


def _positions(page: PackedPage) -> int:
    return SLOTS_PER_PAGE if page.slots is None else page.n_events


def _pack_planes(values: npt.NDArray[np.unsignedinteger], planes: int) -> bytes:
    if planes == 0:
        return b""
    # Byte by byte: `packbits` takes what is not 0 for 1, so that nothing needs to be shifted.
    columns = values.astype(values.dtype.newbyteorder("<"), copy=False).view(np.uint8)
    packed = []
    for place in range((planes + 7) // 8):
        column = np.ascontiguousarray(columns[place :: values.itemsize])
        bits = column & _BITS[: planes - 8 * place]
        packed.append(np.packbits(bits, axis=1, bitorder="little").tobytes())
    return b"".join(packed)


def _spread(
    values: npt.NDArray[np.unsignedinteger], slots: npt.NDArray[np.intp]
) -> npt.NDArray[np.unsignedinteger]:
    """Return the values at their slots of a whole page, 0 elsewhere."""
    spread = np.zeros(SLOTS_PER_PAGE, values.dtype)
    spread[slots] = values
    return spread


def _unpack_planes(
    buffer: bytes, positions: int, dtype: np.dtype[np.unsignedinteger]
) -> npt.NDArray[np.unsignedinteger]:
    values = np.zeros(positions, dtype)
    if positions == 0 or not buffer:
        return values
    packed = np.frombuffer(buffer, np.uint8).reshape(-1, (positions + 7) // 8)
    for bit, plane in enumerate(packed):
        bits = np.unpackbits(plane, count=positions, bitorder="little")
        values |= bits.astype(dtype, copy=False) << dtype.type(bit)
    return values
