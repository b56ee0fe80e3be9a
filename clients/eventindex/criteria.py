"""Criteria as people name them: by bit, by mask or by name, the same way everywhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from eventindex.errors import InvalidRequestError, NotFoundError
from eventindex.limits import OLT_MAX
from eventindex.told import told

MASKS = ("olt_all", "olt_any", "olt_none")
BIT_MAX = 63
_TEXT_MAX = 60

# A mask, or criteria: one text with commas, or several of texts and numbers of bits.
Criteria: TypeAlias = int | str | Iterable[int | str]


def mask_of_criteria(given: Criteria, bits: Mapping[str, AbstractSet[int]]) -> int:
    """Return the mask of criteria: "3" and 3 are bit 3, "0x5" a mask, anything else a name.

    Args:
        given: one text with commas between, or several; an integer alone is a mask already.
        bits: the bits that each name is or was of.

    Raises:
        ValueError: a bit above 63, or a mask that is none.
        InvalidRequestError: a name that several bits had.
        NotFoundError: no criterion has the name.
    """
    if isinstance(given, int):
        return given
    texts = given.split(",") if isinstance(given, str) else given
    mask = 0
    for text in texts:
        mask |= _one(str(text).strip(), bits)
    return mask


def names_in(given: Criteria) -> bool:
    """Return whether a name is among the criteria: only then it matters which there are."""
    if isinstance(given, int):
        return False
    texts = given.split(",") if isinstance(given, str) else given
    return any(not _is_number(str(text).strip()) for text in texts)


def _is_number(text: str) -> bool:
    return text[:2].lower() == "0x" or (text.isascii() and text.isdigit())


def _one(text: str, bits: Mapping[str, AbstractSet[int]]) -> int:
    if not text:
        raise ValueError(
            told("CRITERION_EMPTY", "a criterion is empty: give a bit, a mask as 0x… or a name")
        )
    if text[:2].lower() == "0x":
        return _hexadecimal(text)
    if text.isascii() and text.isdigit():
        if len(text) > 20 or int(text) > BIT_MAX:
            raise ValueError(
                told(
                    "BIT_ABOVE",
                    "bit {bit} is above 63; a mask is written 0x…",
                    bit=text[:_TEXT_MAX],
                )
            )
        return 1 << int(text)
    found = bits.get(text)
    if not found:
        raise NotFoundError(
            told(
                "CRITERION_NOT_FOUND", "no criterion is named {name}", name=f"{text[:_TEXT_MAX]!r}"
            )
        )
    if len(found) > 1:
        numbers = ", ".join(map(str, sorted(found)))
        raise InvalidRequestError(
            told(
                "CRITERION_OF_MANY_BITS",
                "{name} has been the name of bits {bits}: give a number",
                name=f"{text!r}",
                bits=numbers,
            )
        )
    return 1 << next(iter(found))


def _hexadecimal(text: str) -> int:
    try:
        mask = int(text, 16)
    except ValueError:
        mask = 0
    if not 0 < mask <= OLT_MAX:
        raise ValueError(
            told(
                "NOT_A_MASK",
                "{mask} is not a mask of 64 bits with a bit set",
                mask=text[:_TEXT_MAX],
            )
        )
    return mask
