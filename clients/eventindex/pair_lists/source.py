"""What a list of pairs is stored in: its compression, its encoding, text or a table.

Told by the first bytes, never by a name. Everything is undone while it is read; nothing is kept.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from enum import Enum
from io import RawIOBase
from typing import Any, Protocol

from eventindex.pair_lists.columns import PairListError
from eventindex.stored_text import damage_as, encoding_of, needs_pyarrow, open_codec

# At least four bytes a line: a block has fewer pairs than a message takes.
BLOCK_BYTES = 256 * 1024
_HEAD_BYTES = 16

_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or a workbook of a spreadsheet"),
    (b"BZh91AY&SY", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"root\x00", "a ROOT file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"FEA1", "an old Feather file"),
    (b"Obj\x01", "an Avro file"),
    (b"%PDF-", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "a workbook of a spreadsheet"),
)
_READ = "a list is text, Parquet or Arrow, as it is or as .gz or .zst"
# Above this share of NUL bytes it is binary, even where some lines read as pairs.
_NUL_SHARE_MAX = 0.25

Grown = Callable[[int], None]


class Kind(Enum):
    """What a list is, without its compression; the values are for messages."""

    TEXT = "text"
    PARQUET = "Parquet"
    ARROW_FILE = "Arrow"
    ARROW_STREAM = "an Arrow stream"


class Readable(Protocol):
    """A file to read on; `read1` gives what is there, nothing at the end."""

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes as soon as there are some."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""


def open_source(stream: Any, grown: Grown | None = None) -> tuple[Readable, Kind]:
    """Return a list without its compression and its encoding, and what it is.

    Raises:
        PairListError: a file of another kind, or pyarrow is needed and is not installed.
    """
    source, head = expanded(stream, grown)
    kind = _kind(head)
    if kind is not Kind.TEXT:
        return source, kind
    encoding, mark = encoding_of(head)
    if encoding == "utf-8":
        if trouble := _foreign(head):
            raise PairListError(trouble)
        source.skip(len(mark))
        return source, kind
    source.skip(len(mark))
    return _Decoded(source, encoding), kind


def expanded(stream: Any, grown: Grown | None = None) -> tuple[Ahead, bytes]:
    """Return a stream without its compression, and its first bytes.

    Raises:
        PairListError: it is zst, and pyarrow is not installed; while reading: damaged data.
    """
    source = Ahead(stream)
    head = source.head(_HEAD_BYTES)
    try:
        codec = open_codec(source, head)
    except ModuleNotFoundError as error:
        raise PairListError(needs_pyarrow("a .zst list")) from error
    if codec is None:
        return source, head
    source = Ahead(_Expanded(codec, grown))
    return source, source.head(_HEAD_BYTES)


def binary_trouble(text: bytes, *, any_pair: bool) -> str | None:
    """Return why a block of text is none; None where its bad lines may be told one by one."""
    nuls = text.count(b"\0")
    if not nuls or (any_pair and nuls <= _NUL_SHARE_MAX * len(text)):
        return None
    return f"binary data, not a list: {_READ}"


class Ahead:
    """A stream whose first bytes may be looked at."""

    closed = False

    def __init__(self, stream: Any) -> None:
        # All binary files of Python have read1; BinaryIO does not declare it.
        self._read1: Callable[[int], bytes] = stream.read1
        self._kept = b""

    def head(self, size: int) -> bytes:
        """Return the first bytes; fewer where the stream, or a first line of text, ends before."""
        while len(self._kept) < size and not _is_line(self._kept):
            piece = self._read1(BLOCK_BYTES)
            if not piece:
                break
            self._kept += piece
        return self._kept[:size]

    def skip(self, size: int) -> None:
        """Leave out some of the first bytes."""
        self._kept = self._kept[size:]

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes as soon as there are some."""
        if not self._kept:
            return self._read1(BLOCK_BYTES if size < 0 else size)
        size = len(self._kept) if size < 0 else size
        piece, self._kept = self._kept[:size], self._kept[size:]
        return piece

    def read(self, size: int = -1, /) -> bytes:
        """Do the same; those who need more ask again."""
        return self.read1(size)

    def close(self) -> None:
        """Leave the stream open: whoever opened it closes it."""


class Raw(RawIOBase):
    """What was opened, for those of Python's readers that take nothing less than a whole file."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 is the end."""
        if not self._rest:
            self._rest = self._source.read1(BLOCK_BYTES)
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    _rest = b""


class _Expanded:
    """A stream of a codec: its damage is an error of the list, and its size is told."""

    def __init__(self, stream: Any, grown: Grown | None) -> None:
        self._stream = stream
        self._grown = grown

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes as soon as there are some."""
        with damage_as(PairListError):
            piece: bytes = self._stream.read1(size)
        if self._grown is not None:
            self._grown(len(piece))
        return piece


class _Decoded:
    """Text of another encoding as UTF-8; what is none becomes U+FFFD, which is in no pair."""

    def __init__(self, source: Readable, encoding: str) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._ended = False

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next text as soon as there is some."""
        text = ""
        while not text and not self._ended:
            piece = self._source.read1(size)
            self._ended = not piece
            text = self._decoder.decode(piece, final=self._ended)
        return text.encode(errors="replace")

    def read(self, size: int = -1, /) -> bytes:
        """Do the same."""
        return self.read1(size)


def _kind(head: bytes) -> Kind:
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    if head.startswith(b"ARROW1"):
        return Kind.ARROW_FILE
    return Kind.ARROW_STREAM if head.startswith(b"\xff\xff\xff\xff") else Kind.TEXT


def _foreign(head: bytes) -> str | None:
    """Return why the beginning is that of a file of another kind; None where it is not."""
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return f"{name}, not a list: {_READ}"
    return None


def _is_line(head: bytes) -> bool:
    """Return whether there is a line of plain text: nothing else begins so."""
    line = head.splitlines(keepends=True)[0] if head else b""
    return line.endswith((b"\n", b"\r")) and line.isascii() and not line.strip(b"\r\n").count(b"\0")
