"""Numbers of options that lie in a range, told in words: in the help and when one does not.

Knows no command. Pure.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import click

N = TypeVar("N", int, float)
# What a usage line can show of a range; longer ones are told when a number is out of it.
_SHOWN_MAX = 10_000
_POWERS = {2**bits - 1: f"2^{bits}-1" for bits in (31, 32, 63, 64)} | {2**62: "2^62"}


class _Range(click.ParamType, Generic[N]):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A number from `least` to `most`; with `above` the least is not one itself."""

    def __init__(
        self, kind: type[N], least: N, most: N | None = None, *, above: bool = False
    ) -> None:
        self.name = "number"
        self._kind: type[N] = kind
        self._least: N = least
        self._most: N | None = most
        self._above = above

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return what stands for the number in the help: its range, where that is short."""
        del param, ctx
        if self._most is None or self._most > _SHOWN_MAX:
            return "NUMBER"
        return f"{self._least}-{self._most}"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> N:
        """Return the number.

        Raises:
            click.BadParameter: it is none, or out of the range; says the range.
        """
        try:
            found = value if isinstance(value, self._kind) else self._kind(str(value))
        except ValueError:
            self.fail(f"{str(value)[:60]!r} is not a {self._words}", param, ctx)
        too_small = found <= self._least if self._above else found < self._least
        too_large = self._most is not None and found > self._most
        if too_small or too_large or not math.isfinite(found):
            self.fail(f"{str(value)[:60]} is not a {self._words}", param, ctx)
        return found

    @property
    def _words(self) -> str:
        noun = "whole number" if self._kind is int else "number"
        if self._most is not None:
            return f"{noun} from {self._least} to {_POWERS.get(int(self._most), self._most)}"
        return f"{noun} above {self._least}" if self._above else f"{noun} from {self._least} on"


def whole(least: int, most: int | None = None) -> click.ParamType:  # type: ignore[type-arg]  # as above
    """Return the type of whole numbers of a range."""
    return _Range(int, least, most)


def decimal(least: float, most: float | None = None, *, above: bool = False) -> click.ParamType:  # type: ignore[type-arg]  # as above
    """Return the type of decimal numbers of a range."""
    return _Range(float, least, most, above=above)
