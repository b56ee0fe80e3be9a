"""The rows of a soak: lines on the screen, and the table of docs/reliability.md."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.faults.table import DOCUMENT

ROWS_MAX = 13
_BEGIN = "<!-- table: make soak -->\n"
_END = "<!-- end of soak -->"
# How a line begins that says how often people were told.
CHAT = "the operators' chat"
_AFTER = " after "

# Name in the file: heading.
COLUMNS = {
    "minute": "minute",
    "acknowledged": "acknowledged",
    "stored": "stored",
    "lookups": "lookups",
    "lookups_failed": "failed",
    "requests": "requests",
    "requests_failed": "failed",
    "ingest_mb": "ingest MB",
    "ingest_fds": "fds",
    "index_mb": "index MB",
    "index_fds": "fds",
    "gateway_mb": "gateway MB",
    "gateway_fds": "fds",
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


def write(samples: Path, alerts: Path) -> None:
    """Put the figures of both files into the document."""
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    told = f"{alert_table(_rows(alerts))}\n\n{document(_rows(samples))}"
    DOCUMENT.write_text(f"{before}{_BEGIN}{told}{_END}{after}")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def alert_table(rows: Iterable[Mapping[str, str]]) -> str:
    """Each fault with the alert that told of it, when it fired and when it ended."""
    heads = ("minute", "fault", "lasted", "alert", "fired after", "ended, after the fault had")
    lines = [_cells(heads), "|---" * len(heads) + "|"]
    for row in rows:
        began, ended = float(row["began"]), float(row["ended"])
        job = f" ({row['job']})" if row["job"] else ""
        lines.append(
            _cells(
                (
                    f"{float(row['minute']):.0f}",
                    row["fault"],
                    _seconds(ended - began),
                    f"`{row['alert']}`{job}",
                    _seconds(float(row["fired"]) - began) if row["fired"] else "never",
                    _seconds(float(row["quiet"]) - ended) if row["quiet"] else "not yet",
                )
            )
        )
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{max(0.0, value):.0f} s" if value < 600 else f"{value / 60:.1f} min"


def document(rows: Sequence[Mapping[str, str]]) -> str:
    """The table, what was done, and the checker's line."""
    samples = rows[:-1]
    full = [row for row in samples if all(row[name] for name in _FIGURES)]
    step = max(1, round((len(full) - 1) / (ROWS_MAX - 1)))
    chosen = [*full[:-1:step], full[-1]]
    table = [_cells(COLUMNS[name] for name in _FIGURES), "|---" * len(_FIGURES) + "|"]
    table += [_cells(_text(row[name]) for name in _FIGURES) for row in chosen]
    said = [what for row in rows for what in row["what"].split("; ") if what]
    # The verdict comes last; what was done last may stand beside it.
    *said, verdict = said
    more = "".join(f"{what[0].upper()}{what[1:]}. " for what in said if what.startswith(CHAT))
    faults = [what for what in said if _AFTER in what]
    return "\n".join(table) + f"\n\n{_faults(faults)}\n\n{more}The checker in the end: {verdict}.\n"


def _faults(faults: Iterable[str]) -> str:
    """How often each was done, and the longest time until things went on."""
    found: dict[str, list[float]] = {}
    for fault in faults:
        name, _, seconds = fault.removesuffix(" s").rpartition(_AFTER)
        found.setdefault(name, []).append(float(seconds))
    rows = [
        _cells((*name.rsplit(", ", 1), str(len(took)), f"{max(took):.1f} s"))
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
