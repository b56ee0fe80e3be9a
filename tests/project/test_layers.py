"""The layers of the project, as `.importlinter` lists them."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

CONTRACTS = Path(__file__).parents[2] / ".importlinter"


def test_an_import_goes_down_and_never_in_a_circle(capsys: pytest.CaptureFixture[str]) -> None:
    """No package imports one above or beside it, and what is pure reaches no driver."""
    code = lint_imports(config_filename=str(CONTRACTS), no_cache=True)
    assert code == EXIT_STATUS_SUCCESS, capsys.readouterr().out
