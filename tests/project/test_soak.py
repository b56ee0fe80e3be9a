"""The tables that a soak leaves in docs/reliability.md."""

from __future__ import annotations

from tests.faults import soak_table


def row(minute: float, what: str = "", **figures: str) -> dict[str, str]:
    return dict.fromkeys(soak_table.COLUMNS, "7") | {
        "minute": str(minute),
        "what": what,
        **figures,
    }


def test_a_long_run_becomes_a_short_table_with_every_fault_and_the_verdict():
    """First and last full sample, some between; each fault with how often and the longest time."""
    rows = [row(n / 6, stored=str(n)) for n in range(361)]
    rows[30]["what"] = "broker stopped, events stored after 1.5 s"
    rows[90]["what"] = "broker stopped, events stored after 12.0 s; A kill -9, B after 2.0 s"
    rows[360]["stored"] = ""  # the database was away
    text = soak_table.document([*rows, row(60.5, "C, D after 3.0 s; sent 5, lost 0")])
    table, faults, verdict = text.split("\n\n")
    assert table.count("\n") == 2 + soak_table.ROWS_MAX - 1
    assert table.splitlines()[-1].startswith("| 59.8 | 7 | 359 | ")
    assert "| broker stopped | events stored | 2 | 12.0 s |" in faults
    assert "| A kill -9 | B | 1 | 2.0 s |" in faults
    assert "| C | D | 1 | 3.0 s |" in faults
    assert verdict == "The checker in the end: sent 5, lost 0.\n"
