"""The table of docs/reliability.md, between its markers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.scenario import SCENARIOS, Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN = "<!-- table: make test-faults -->\n"
_END = "<!-- end of table -->"
_HEAD = (
    "| fault | how | times | acknowledged | lost | doubled | went on after | repeat with |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
_NAME = re.compile(r"`python -m tests\.faults (\w+)` \|$")


def lines() -> dict[str, str]:
    """The rows that are in the document, by the names of their scenarios."""
    _, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    body = rest.partition(_END)[0].splitlines()
    return {name[1]: line for line in body if (name := _NAME.search(line))}


def write(rows: Sequence[Row]) -> None:
    """Put rows into the document, in the place of older ones of their scenarios."""
    found = lines() | {row.scenario.name: _line(row) for row in rows}
    body = "".join(f"{found[name]}\n" for name in SCENARIOS if name in found)
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    DOCUMENT.write_text(f"{before}{_BEGIN}{_HEAD}{body}{_END}{after}")


def _line(row: Row) -> str:
    lost = f"{row.verdict.lost}, at most {row.loss_max}" if row.loss_max else row.verdict.lost
    went_on = "" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
    how = f"{row.scenario.how}; {row.note}" if row.note else row.scenario.how
    cells = (
        *(row.scenario.fault, how, f"{row.times:,}", f"{row.verdict.acknowledged:,}"),
        *(lost, row.verdict.doubled, went_on, f"`python -m tests.faults {row.scenario.name}`"),
    )
    return f"| {' | '.join(map(str, cells))} |"
