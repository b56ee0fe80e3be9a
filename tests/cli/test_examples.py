"""The examples that come with the project, run as a user does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.client import fuid
from tests.support.list_commands import ROOT


def test_the_example_names_wrong_lines(only_read: None, tmp_path: Path):
    """A list of another form is read as `lookup` reads it; a line that is no pair stops the job."""
    script = ROOT / "examples" / "pick_events.py"
    for text, code in (("evt;RunNumber\r9;1\r", 0), ("run,event\n1,9\nnonsense\n", 2)):
        (tmp_path / "pairs.csv").write_text(text)
        done = subprocess.run(
            [sys.executable, script, "pairs.csv", "out"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
    assert done.stderr == "pairs.csv: line 3: not a run and an event number: nonsense\n"


def test_the_example_of_a_reconstruction_job(only_read: None, tmp_path: Path):
    """Pairs in any order and twice come out by file, each file's events in reading order."""
    wanted = "2,100\n1,9\n1,4\n1,9\n2,3\n1,1\n2,2\n1,999\n"
    (tmp_path / "pairs.csv").write_text(wanted)
    script = ROOT / "examples" / "pick_events.py"
    done = subprocess.run(
        [sys.executable, script, "pairs.csv", "out"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr
    found = {path.stem: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert found == {
        fuid(1): "1,1\n1,9\n",
        fuid(11): "1,4\n",
        fuid(2): "2,3\n",
        fuid(12): "2,2\n2,100\n",
        "missing": "1,999\n",
    }
