"""The code itself: nothing is kept that nobody uses."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("event_store", "index_service", "ingest_service", "rest_gateway", "service_kit",
            "local_stack", "clients/eventindex", "benchmarks")  # fmt: skip
MODULES = {
    path: path.read_text("utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.parent.name != "v1"
}


def constants(text: str) -> list[str]:
    """The names that the statements of a module give to values."""
    found = []
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        found += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in found if not name.startswith("__")]


def test_every_constant_has_a_user() -> None:
    """A private constant is used in its module, another one in some module."""
    words = {path: Counter(re.findall(r"\w+", text)) for path, text in MODULES.items()}
    everywhere = sum(words.values(), Counter())
    unused = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in MODULES.items()
        for name in constants(text)
        if (words[path] if name.startswith("_") else everywhere)[name] < 2
    ]
    assert not unused


def test_every_noqa_has_a_reason() -> None:
    """Whoever silences the linter says why, behind it."""
    tests = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in {**MODULES, **tests}.items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(r"# noqa\b(?!: [A-Z]+\d+(, [A-Z]+\d+)*  # \S)", line)
        and "re.search" not in line
    ]
    assert not bare


def test_functions_have_up_to_70_lines() -> None:
    """Tests, generators of dashboards and all others: what is longer is read in parts."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for folder in (*PACKAGES, "tests", "deploy")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.parent.name != "v1"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.end_lineno or 0) - node.lineno + 1 > 70
    ]
    assert not long


def test_docstrings_of_functions_say_what_to_do() -> None:
    """One voice: ruff (D401) knows verbs in the wrong form, and takes these for verbs."""
    no_verbs = {"As", "How", "One", "So", "Where", "Whether", "Which", "Why"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, text in MODULES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not any("property" in ast.unparse(one) for one in node.decorator_list)
        if not any("click" in ast.unparse(one) for one in node.decorator_list)
        if (ast.get_docstring(node) or " ").split(" ")[0] in no_verbs
    ]
    assert not found
