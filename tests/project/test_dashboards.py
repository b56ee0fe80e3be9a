"""The dashboards as files: made from their source, each panel with what makes it readable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.monitoring import DASHBOARDS, DEPLOY, panels


def test_dashboards_are_what_their_source_makes(tmp_path: Path) -> None:
    """Nobody edits the JSON by hand: the next one who makes it would lose that."""
    subprocess.run([sys.executable, DEPLOY / "grafana/source", tmp_path], check=True)
    made = {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()}
    assert made == {file.name: file.read_text("utf-8") for file in DASHBOARDS}


def test_panels_say_what_they_show() -> None:
    """Each panel has a unit, a sentence, a legend, and follows the choice of instances."""
    for name, panel in panels():
        what = (name, panel["title"])
        assert panel["fieldConfig"]["defaults"]["unit"], what
        assert panel["description"].endswith("."), what
        for target in panel["targets"]:
            assert target["legendFormat"], what
            outside = r"ALERTS|node_"
            assert "$instance" in target["expr"] or re.search(outside, target["expr"]), what
            if "eventindex_broker_" in target["expr"]:
                # Not exported where no broker is set: "No data" there would look like a fault.
                assert "or on()" in target["expr"], what
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24, what
