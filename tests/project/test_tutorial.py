"""The tutorial and its example run as they stand, on a real file and real services."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.root import NANOAOD, read_branches

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures("in_own_directory", "services")
def test_the_tutorial_and_its_example_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """What the tutorial shows is what one gets: commands, code, plots."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    Path("tests").symlink_to(ROOT / "tests")
    text = (ROOT / "docs/tutorial.md").read_text("utf-8")
    for command, output in re.findall(r"\n\$ eventindex (.+)\n((?:[^`$].*\n)*)```", text):
        assert run(*shlex.split(command)).stderr.endswith(output)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "docs/tutorial.md", "exec"), names)
    names["index"].close()
    shown = capsys.readouterr().out
    triggered = int(read_branches(NANOAOD, "HLT_IsoMu20")["HLT_IsoMu20"].sum())
    assert f"{triggered} of {triggered} found, in 1 file" in shown
    assert f"{triggered} entries in picked.root, 0 not in the index" in shown
    assert Path("mass.png").stat().st_size > 1000
    rows = [f"{run},{event}\n" for run, event in names["frame"].to_numpy().tolist()]
    Path("list.csv").write_text("".join(rows))
    example = [ROOT / "examples/dimuon_mass.py", "list.csv", "tests/data", "example.png"]
    ran = subprocess.run([sys.executable, *example], capture_output=True, text=True, check=True)
    assert f"{triggered} events picked" in ran.stdout
    assert Path("example.png").stat().st_size > 1000
