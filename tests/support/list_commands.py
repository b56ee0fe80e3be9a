"""What the tests of lists by command share: rows and tables that a command prints."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.support.command import run

ROOT = Path(__file__).parents[2]
COSMIC_FILE = "73744aa2-1289-5d17-94c5-eba3ad17c43b"


def rows(*arguments: str) -> list[dict[str, str]]:
    """The CSV rows that a command prints."""
    result = run(*arguments, "--format", "csv")
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def table(*arguments: str) -> list[list[str]]:
    """The words of the lines that a command prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return [line.split() for line in result.stdout.splitlines()]
