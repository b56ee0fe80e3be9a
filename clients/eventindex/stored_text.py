"""How text is stored: compression, encoding and separator, told by the first bytes or line.

Opens no file.
"""

from __future__ import annotations

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# That of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Excel's own way to say what separates, above the header.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_DAMAGE = (OSError, EOFError, zlib.error, ValueError)


def encoding_of(head: bytes) -> tuple[str, bytes]:
    """Return the encoding of a text and its byte order mark.

    Without a mark it is UTF-16 where every second of the first four bytes is zero, and only these.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, mark
    first = head[: len(head) // 2 * 2][:4]
    for encoding, zeros, others in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if first and not any(first[zeros::2]) and all(first[others::2]):
            return encoding, b""
    return "utf-8", b""


def open_codec(source: Any, head: bytes) -> Any:
    """Return a stream of what `source` has compressed; None where its first bytes say it has not.

    Raises:
        ModuleNotFoundError: it is zst, and pyarrow is not installed.
    """
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=source)
    if head.startswith(_ZSTD):
        if not has_pyarrow():
            raise ModuleNotFoundError(name="pyarrow")
        import pyarrow as pa  # noqa: PLC0415  # may be missing

        return pa.CompressedInputStream(pa.PythonFile(source, "r"), "zstd")
    return None


@contextmanager
def damage_as(kind: Callable[[str], Exception]) -> Iterator[None]:
    """Raise an error of this kind for whatever a codec raises of damaged data."""
    try:
        yield
    except _DAMAGE as error:
        raise kind(f"damaged compressed data: {error}") from error


def has_pyarrow() -> bool:
    """Return whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def pyarrow_is_loaded() -> bool:
    """Return whether this process uses pyarrow anyway: a short list is read before it is loaded."""
    return "pyarrow.compute" in sys.modules


def needs_pyarrow(what: str) -> str:
    """Return the sentence for what cannot be done without pyarrow."""
    return f"{what} needs pyarrow: pip install 'eventindex[parquet]'"
