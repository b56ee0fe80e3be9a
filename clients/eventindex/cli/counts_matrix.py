"""The overlaps of criteria as a matrix, cut into blocks of columns that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click

from eventindex.cli.shared.listing import output_width
from eventindex.printing import printable
from eventindex.selection_results import EventCount

_GAP = 2

# A bit and its name: a bit that was renamed stands for two criteria.
_Key = tuple[int, str]


def write_matrix(counts: Sequence[EventCount]) -> None:
    """Print how many events have both bits of each pair; the diagonal is the bit alone."""
    cells = _cells(counts)
    keys = sorted({key for pair in cells for key in pair})
    if not keys:
        click.echo("no bit is set in any event")
        return
    labels = [printable(f"{bit} {name}".rstrip()) for bit, name in keys]
    columns = [_column(cells, keys, key) for key in keys]
    room = output_width()
    labels.insert(0, "bit")
    label_width = min(max(map(len, labels)), max(room // 3, 8))
    names = [_shorten(label, label_width) for label in labels]
    for number, block in enumerate(_blocks([len(c[0]) for c in columns], room - label_width)):
        if number:
            click.echo()
        for name, *texts in zip(names, *(columns[i] for i in block), strict=True):
            click.echo(f"{name:<{label_width}}{''.join(texts)}".rstrip())


def _column(cells: dict[tuple[_Key, _Key], int], keys: Sequence[_Key], key: _Key) -> list[str]:
    """Return the title and the cells of a column, all of one width."""
    texts = [str(key[0]), *(_text(cells, row, key) for row in keys)]
    width = max(map(len, texts)) + _GAP
    return [text.rjust(width) for text in texts]


def _shorten(label: str, width: int) -> str:
    return label if len(label) <= width else label[: width - 1] + "…"


def _blocks(widths: Sequence[int], room: int) -> list[range]:
    """Cut the columns into ranges that fit; a column that is too wide stands alone."""
    blocks = []
    first, used = 0, 0
    for index, width in enumerate(widths):
        if index > first and used + width > room:
            blocks.append(range(first, index))
            first, used = index, 0
        used += width
    return [*blocks, range(first, len(widths))]


def _cells(counts: Sequence[EventCount]) -> dict[tuple[_Key, _Key], int]:
    cells = {}
    for count in counts:
        one = (count.olt_bit or 0, count.olt_name)
        other = (count.other_olt_bit or 0, count.other_olt_name)
        cells[one, other] = cells[other, one] = count.events
    return cells


def _text(cells: dict[tuple[_Key, _Key], int], row: _Key, column: _Key) -> str:
    """Return a cell; criteria that never stood side by side have none."""
    events = cells.get((row, column))
    return "-" if events is None else f"{events:,}"
