"""The worked example of docs/collections.md does what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "collections.md"


def examples(text: str) -> list[tuple[str, str]]:
    """The commands of the page's console blocks, each with what it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ eventindex "), []))
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in found]


def test_the_worked_example_prints_what_is_shown(command):
    """Every command ends well, or says that something is missing, and prints what is there."""
    shown = examples(PAGE.read_text("utf-8"))
    assert len(shown) > 15
    for line, expected in shown:
        result = command(*shlex.split(line))
        # 3: `compare` found something missing.
        assert result.exit_code in ((0, 3) if line.startswith("compare") else (0,)), result.stderr
        if expected:
            assert result.stdout.rstrip("\n") == expected, line
        if line.startswith("load"):
            assert " 0 conflicts, 0 refused" in result.stderr
