"""The table of docs/reliability.md, between its markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.faults.bench import Row

BEGIN = "<!-- table: make test-faults -->"
END = "<!-- end of table -->"
_HEAD = (
    "| fault | how | times | acknowledged | lost | doubled | went on after | repeat with |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def line(row: Row) -> str:
    """A row as Markdown."""
    lost = f"{row.verdict.lost} (at most {row.loss_max})" if row.loss_max else row.verdict.lost
    went_on = "" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
    how = f"{row.scenario.how}; {row.note}" if row.note else row.scenario.how
    cells = (
        *(row.scenario.fault, how, row.times, f"{row.verdict.acknowledged:,}"),
        *(lost, row.verdict.doubled, went_on, f"`python -m tests.faults {row.scenario.name}`"),
    )
    return f"| {' | '.join(map(str, cells))} |\n"


def write(path: Path, rows: Sequence[Row]) -> None:
    """Put the rows between the markers of a document."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{_HEAD}{''.join(map(line, rows))}{END}{after}")
