"""docs/architecture.md against the code: the map is complete, the walks go where they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
PACKAGES = ("event_store", "index_service", "ingest_service", "rest_gateway", "service_kit",
            "local_stack", "clients/eventindex")  # fmt: skip
# A module for each command is said once for all.
COMMANDS = ROOT / "clients/eventindex/cli"


def test_the_code_map_names_every_module() -> None:
    """Whoever looks for a module finds it in the map of the code."""
    table = PAGE[PAGE.index("## Code map") : PAGE.index("## The life of a message")]
    named = set(re.findall(r"`(\w+)`", table))
    missing = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not path.stem.startswith("__") and path.parent != COMMANDS and "v1" not in path.parts
        if path.stem not in named
    ]
    assert not missing


@pytest.mark.parametrize("walk", ["The life of a message", "The life of a request"])
def test_a_walk_names_each_file_once_and_functions_that_are_there(walk: str) -> None:
    """A newcomer finds each function of a walk in the file that the walk is in."""
    text = PAGE[PAGE.index(f"## {walk}\n") :].split("\n## ")[0]
    steps = re.findall(r"^\d+\. `([\w/]+\.py)`:((?:.|\n(?!\d+\. |\n))+)", text, re.MULTILINE)
    files = [path for path, _ in steps]
    assert len(files) > 15
    assert len(set(files)) == len(files)
    for path, words in steps:
        code = (ROOT / path).read_text("utf-8")
        first = re.findall(r"`(\w+)`", words)[0]
        assert re.search(rf"def {first}\b", code), (path, first)
