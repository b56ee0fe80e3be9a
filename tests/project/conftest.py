"""Fixtures of the tests of the whole."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import execute
from tests.support.deploy import ROOT
from tests.support.statements import logged, refused
from tests.support.up import Up


@pytest.fixture
def data():
    """A path for a data directory that the unprivileged user can reach; pytest's own are 0700."""
    root = Path(tempfile.mkdtemp(prefix="eventindex-up-"))
    root.chmod(0o755)
    yield root / "data"
    shutil.rmtree(root)


@pytest.fixture
def statements(postgres, database_url):
    """All statements of the test's services are such as a cluster of PostgreSQL takes."""
    name = database_url.rpartition("/")[2]
    execute(postgres.url(), f"ALTER DATABASE {name} SET log_statement = 'all'")
    before = len(postgres.log_text())
    yield
    sent = set(logged(postgres.log_text()[before:]))
    assert len(sent) > 1, "nothing was logged"
    found = {statement: why for statement in sent if (why := refused(statement))}
    assert not found


@pytest.fixture
def run_up(data):
    """Start `eventindex up`; whatever still runs at the end of the test is stopped."""
    started: list[Up] = []

    def start(*arguments: str, **environment: str) -> Up:
        started.append(Up(data, *arguments, **environment))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.stop()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """docker-compose.yml as Compose reads it: merge keys resolved, defaults filled in."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    return yaml.safe_load(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text))
