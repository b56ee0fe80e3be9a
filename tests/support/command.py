"""What the tests of the command line share: the command in this process, the data."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from eventindex.cli import main

DATA = Path(__file__).parents[1] / "data"
CSV_HEADER = "run_number,event_number,olt_result,dsid_raw,fuid_raw\n"


def run(*arguments: object, text: str | bytes | None = None) -> Result:
    """The outcome of a command in this process."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=text)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
