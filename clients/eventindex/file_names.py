"""What a file may be called, and what its size and checksum may be: one rule, pure."""

from __future__ import annotations

import re

from eventindex.limits import CHECKSUM_CHARACTERS_MAX, NAME_BYTES_MAX

BYTES_MAX = 2**63 - 1
_SHOWN_MAX = 60
_CHECKSUM = re.compile(r"[\x21-\x7e]{1,256}")
# Control characters break lines of lists, surrogates cannot be written.
_BAD_IN_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def problem_of(name: str, size_bytes: int, checksum: str) -> str | None:
    """Return what is wrong with the values of a file, in words; None when nothing is.

    Args:
        name: "" is not known.
        size_bytes: 0 is not known.
        checksum: "" is not known.
    """
    return name_problem(name) or bytes_problem(size_bytes) or checksum_problem(checksum)


def name_problem(name: str) -> str | None:
    """Return what is wrong with a name, None when nothing is."""
    # Encoded leniently: a surrogate is told as what it is below.
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > NAME_BYTES_MAX:
        return f"name is {_shown(name)}, {size} bytes in UTF-8, above {NAME_BYTES_MAX}"
    if _BAD_IN_NAME.search(name):
        return f"name is {_shown(name)}, with a character that no name has"
    if name != name.strip():
        return f"name is {_shown(name)}, with blanks around it"
    # An address is made of it, which jobs open.
    if ".." in name.split("/"):
        return f"name is {_shown(name)}, with a part '..'"
    return None


def bytes_problem(size_bytes: int) -> str | None:
    """Return what is wrong with a size, None when nothing is."""
    if not 0 <= size_bytes <= BYTES_MAX:
        return f"bytes is {size_bytes}, not from 0 to {BYTES_MAX}"
    return None


def checksum_problem(checksum: str) -> str | None:
    """Return what is wrong with a checksum, None when nothing is."""
    if checksum and not _CHECKSUM.fullmatch(checksum):
        return (
            f"checksum is {_shown(checksum)}, not 1 to {CHECKSUM_CHARACTERS_MAX} printable ASCII "
            "characters"
        )
    return None


def _shown(text: str) -> str:
    return ascii(text) if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]!a}…"
