"""The REST API against what is written of it: docs/rest.md, the README, its OpenAPI document."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import Stack, database, full_stack

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
REST = (ROOT / "docs/rest.md").read_text("utf-8")
SHOWN_ADDRESS = "http://127.0.0.1:8080"
# A block of commands, and what they print where a block of text stands right behind it.
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)

OPTIONS = [
    # What JSON Schema cannot say: ranges that are reversed, tokens of pages, names of datasets, and
    # text that is a list of pairs. The tests of the API hold what is accepted.
    "--exclude-checks=positive_data_acceptance",
    "--phases=examples,coverage,fuzzing",
    "--max-examples=8",
    "--generation-deterministic",
    "--no-shrink",
    "--warnings=off",
    # A stream without end; test_gateway_live.py reads it.
    "--exclude-path=/api/v1/live",
]


@pytest.fixture(scope="module")
def stack(postgres, _template):
    with database(postgres, _template) as url, full_stack(url) as running:
        yield running


def printed(stack: Stack, directory: Path, commands: str) -> str:
    """What commands print, on this gateway; curl without its progress meter."""
    here = commands.replace(SHOWN_ADDRESS, f"http://{stack.gateway.address}")
    script = f'set -euo pipefail\ncurl() {{ command curl -sS "$@"; }}\n{here}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), commands
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_print_what_is_shown(stack, tmp_path):
    """Every block of docs/rest.md works, in their order, and prints what stands behind it."""
    blocks = BLOCK.findall(REST)
    assert len(blocks) > 5
    for commands, expected in blocks:
        found = printed(stack, tmp_path, commands)
        if expected:
            assert found.rstrip("\n") == expected.rstrip("\n"), commands
        else:
            assert "urn:eventindex:problem" not in found, commands
    (result,) = tmp_path.glob("job-*.parquet")
    assert result.read_bytes()[:4] == b"PAR1"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_of_the_readme_work(stack, tmp_path):
    """Each curl command of the README has an answer that is no problem."""
    section = README.partition("## Over HTTP\n")[2]
    commands = re.findall(r"^    (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    assert [command.startswith("curl") for command in commands].count(True) >= 2
    found = printed(stack, tmp_path, "\n".join(commands))
    assert "73744aa2-1289-5d17-94c5-eba3ad17c43b" in found
    assert '"fuid_raw":null' in found
    assert "urn:eventindex:problem" not in found


def test_the_python_of_the_readme_runs(stack, tmp_path):
    """It finds what is there, says None for what is not, and counts what it streams."""
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "EVENTINDEX_INDEX_ADDRESS": stack.index.address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert "'73744aa2-1289-5d17-94c5-eba3ad17c43b'" in first
    assert first.endswith(" None]")
    assert re.fullmatch(r"[\d,]+ found, [\d,]+ not found", last)


def test_every_call_is_listed(stack):
    """docs/rest.md has every path of the OpenAPI document."""
    paths = stack.http.get("/api/v1/openapi.json").json()["paths"]
    assert [path for path in paths if f"{path}`" not in REST] == []


@pytest.mark.slow
def test_what_the_document_says_holds(stack, tmp_path):
    """No call that the document allows or forbids gets an answer that it does not describe."""
    document = f"http://{stack.gateway.address}/api/v1/openapi.json"
    command = [Path(sys.executable).with_name("schemathesis"), "run", document, *OPTIONS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    log = stack.gateway.log.read_text()
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Traceback" not in log, log
