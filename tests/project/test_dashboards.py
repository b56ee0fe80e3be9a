"""The dashboards as files: made from their source, each panel with what makes it readable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import query
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


RUNBOOKS = re.sub(r"\s*\n\s*", " ", (DEPLOY.parent / "docs/runbooks.md").read_text("utf-8"))


def test_runbooks_name_panels_that_are_there() -> None:
    """Who is told to look at a panel finds it, by its title or as a page of the web."""
    titles = {panel["title"] for _, panel in panels()}
    boards = {file.stem for file in DASHBOARDS}
    others = {"critical", "warning", "alerts", "live", "conflicts", "dead letters"}
    for name in re.findall(r"(?<!\*)\*([A-Z][^*.]+)\.?\*(?!\*)", RUNBOOKS):
        assert name in titles or name.lower() in boards | others, name


def test_runbooks_ask_postgresql_what_it_understands(database_url: str) -> None:
    """Nobody mends a query in the middle of the night."""
    queries = re.findall(r'sql -c "([^"]+)"|`((?:SELECT|SHOW) [^`]+)`', RUNBOOKS)
    assert len(queries) > 8
    for command, text in queries:
        query(database_url, (command or text).replace("(pid)", "(NULL)"))
