"""The rows of a soak: lines on the screen, and the table of docs/reliability.md."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.faults.table import DOCUMENT

ROWS_MAX = 13
_BEGIN = "<!-- table: make soak -->\n"
_END = "<!-- end of soak -->"

# Name in the file: heading.
COLUMNS = {
    "minute": "minute",
    "acknowledged": "acknowledged",
    "stored": "stored",
    "lookups": "lookups",
    "lookups_failed": "failed",
    "ingest_mb": "ingest MB",
    "ingest_fds": "fds",
    "index_mb": "index MB",
    "index_fds": "fds",
    "broker_mb": "broker MB",
    "broker_fds": "fds",
    "postgres_mb": "PostgreSQL MB",
    "postgres_fds": "fds",
    "connections": "connections",
    "event_page_mb": "event_page MB",
    "other_tables_mb": "other tables MB",
    "what": "what",
}
_FIGURES = [name for name in COLUMNS if name != "what"]


def head() -> str:
    """The headings of `line`."""
    return " ".join(f"{COLUMNS[name]:>{_width(name)}}" for name in _FIGURES)


def line(row: Mapping[str, object]) -> str:
    """A row for the screen."""
    figures = " ".join(f"{_text(row.get(name)):>{_width(name)}}" for name in _FIGURES)
    return f"{figures}  {row['what']}"


def write(path: Path) -> None:
    """Put the figures of a file into the document."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    DOCUMENT.write_text(f"{before}{_BEGIN}{document(rows)}{_END}{after}")


def document(rows: Sequence[Mapping[str, str]]) -> str:
    """The table, what was done, and the checker's line."""
    *samples, last = rows
    full = [row for row in samples if all(row[name] for name in _FIGURES)]
    step = max(1, round((len(full) - 1) / (ROWS_MAX - 1)))
    chosen = [*full[:-1:step], full[-1]]
    table = [_cells(COLUMNS[name] for name in _FIGURES), "|---" * len(_FIGURES) + "|"]
    table += [_cells(_text(row[name]) for name in _FIGURES) for row in chosen]
    faults = [fault for row in rows[:-1] for fault in row["what"].split("; ") if fault]
    # What was done last may stand beside the verdict, if no sample came between.
    *more, verdict = last["what"].split("; ")
    return (
        "\n".join(table) + f"\n\n{_faults(faults + more)}\n\nThe checker in the end: {verdict}.\n"
    )


def _faults(faults: Iterable[str]) -> str:
    """How often each was done, and the longest time until things went on."""
    found: dict[str, list[float]] = {}
    for fault in faults:
        name, _, seconds = fault.removesuffix(" s").rpartition(" after ")
        found.setdefault(name, []).append(float(seconds))
    rows = [
        _cells((*name.split(", ", 1), str(len(took)), f"{max(took):.1f} s"))
        for name, took in sorted(found.items())
    ]
    return "\n".join(
        ("| fault | went on when | times | after at most |", "|---|---|---|---|", *rows)
    )


def _cells(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


def _width(name: str) -> int:
    return max(len(COLUMNS[name]), 6)


def _text(value: object) -> str:
    if value in {None, ""}:
        return ""
    number = float(str(value))
    return f"{number:,.0f}" if number >= 1_000 or number.is_integer() else f"{number:.1f}"
