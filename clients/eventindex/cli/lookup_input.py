"""What `eventindex lookup` and `pick` are asked about: pairs of arguments, or a list.

Reads; asks and prints nothing but the lines that are no pairs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import click

from eventindex.cli.shared.common import note, open_input
from eventindex.pair_lists.text import BadLine, Columns, PairListError, read_pairs
from eventindex.pairs import Pairs
from eventindex.run_lists import RunList

_BAD_LINES_SHOWN = 20
# run:event, or more columns, as edmPickEvents takes them.
_PAIR = re.compile(r"[0-9]+(?:[:,/][0-9]+)+", re.ASCII)


class Source:
    """Batches of pairs from a stream; keeps the first lines that are none."""

    def __init__(
        self, stream: BinaryIO, columns: Columns | None, run_list: RunList | None = None
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._run_list = run_list
        self.left_out = 0
        self._bad: list[BadLine] = []
        self._trouble = ""
        self.bad_count = 0

    @property
    def complete(self) -> bool:
        """Return whether the whole list was pairs."""
        return not self.bad_count and not self._trouble

    def batches(self) -> Iterator[Pairs]:
        """Yield the batches; runs in the client's thread. What was read before damage counts."""
        try:
            for block in read_pairs(self._stream, self._columns):
                self.bad_count += len(block.bad_lines)
                room = _BAD_LINES_SHOWN - len(self._bad)
                self._bad += block.bad_lines[:room]
                pairs = self._of_the_runs(block.pairs)
                if len(pairs.runs):
                    yield pairs
        except PairListError as error:
            self._trouble = str(error)

    def _of_the_runs(self, pairs: Pairs) -> Pairs:
        if self._run_list is None:
            return pairs
        good = self._run_list.mask(pairs.runs)
        self.left_out += int((~good).sum())
        return Pairs(pairs.runs[good], pairs.events[good])

    def summary(self) -> str:
        """Return how many lines were no pairs, to be said behind what was found; "" where none."""
        if not self.bad_count:
            return ""
        if self.bad_count == 1:
            return "; 1 line is not a pair"
        return f"; {self.bad_count:,} lines are not pairs"

    def report(self) -> None:
        """Print the lines that were no pairs, and why the list was not read to its end."""
        for line in self._bad:
            note(f"eventindex: {line}")
        if self.bad_count > len(self._bad):
            note(f"eventindex: and {self.bad_count - len(self._bad):,} more such lines")
        if any(line.field == "columns" for line in self._bad):
            note("eventindex: say which columns are the run and the event: --columns run,-,event")
        if self._trouble:
            name = getattr(self._stream, "name", None)
            note(f"eventindex: {name if isinstance(name, str) else 'the list'}: {self._trouble}")


def open_pairs(arguments: tuple[str, ...]) -> AbstractContextManager[BinaryIO]:
    """Open the list that the arguments of a command stand for."""
    if len(arguments) == 2 and all(text.isascii() and text.isdigit() for text in arguments):
        return BytesIO(" ".join(arguments).encode() + b"\n")
    if arguments and all(map(_PAIR.fullmatch, arguments)) and not Path(arguments[0]).exists():
        return BytesIO("".join(f"{pair}\n" for pair in arguments).encode())
    if len(arguments) > 1:
        raise click.UsageError("give one FILE, or events as RUN:EVENT RUN:EVENT ..., or RUN EVENT")
    if arguments and arguments[0].isdigit() and not Path(arguments[0]).exists():
        raise click.UsageError(f"there is no file {arguments[0]} (for one event give RUN:EVENT)")
    if not arguments and sys.stdin.isatty():
        note("Reading pairs from the terminal; end with Ctrl-D.")
    return open_input(arguments[0] if arguments else "-")
