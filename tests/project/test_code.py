"""The code itself: nothing is kept that nobody uses, nothing is too long to be read."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("event_store", "index_service", "ingest_service", "rest_gateway", "service_kit",
            "local_stack", "clients/eventindex", "benchmarks")  # fmt: skip


def modules(*folders: str) -> dict[Path, str]:
    """The text of each module that is not generated."""
    return {
        path: path.read_text("utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.parent.name != "v1"
    }


MODULES = modules(*PACKAGES)
EVERYTHING = {**MODULES, **modules("tests", "deploy", "examples")}

LINES_OF_FILE_MAX = 300
LINES_OF_FUNCTION_MAX = 70
# Files that are longer, and why they stay so; no function is.
LONG_FILES = {
    "event_store/database/connection.py": "the whole life of one connection",
    "event_store/pages/copy.py": "one binary format: its writer stands beside its reader",
    "event_store/lookup/cache.py": "one state under one lock, each part of which reads the others",
}


@cache
def tree(path: Path) -> ast.Module:
    """The syntax of a module."""
    return ast.parse(EVERYTHING[path])


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a module and of its classes."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name_of(path: Path) -> str:
    """Where a module is, as people write it."""
    return path.relative_to(ROOT).as_posix()


def constants(path: Path) -> list[str]:
    """The names that the statements of a module give to values."""
    found = []
    for node in tree(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        found += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in found if not name.startswith("__")]


def test_every_constant_has_a_user() -> None:
    """A private constant is used in its module, another one in some module."""
    words = {path: Counter(re.findall(r"\w+", text)) for path, text in MODULES.items()}
    everywhere: Counter[str] = Counter()
    for counted in words.values():
        everywhere.update(counted)
    unused = [
        f"{name_of(path)}: {name}"
        for path in MODULES
        for name in constants(path)
        if (words[path] if name.startswith("_") else everywhere)[name] < 2
    ]
    assert not unused


def test_every_noqa_has_a_reason() -> None:
    """Whoever silences the linter says why, behind it."""
    bare = [
        f"{name_of(path)}:{number}"
        for path, text in EVERYTHING.items()
        if "# noqa" in text
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(r"# noqa\b(?!: [A-Z]+\d+(, [A-Z]+\d+)*  # \S)", line)
        and path != Path(__file__)
    ]
    assert not bare


def test_docstrings_of_functions_say_what_to_do() -> None:
    """One voice: ruff (D401) knows verbs in the wrong form, and takes these for verbs."""
    no_verbs = {"As", "How", "One", "So", "Where", "Whether", "Which", "Why"}
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in functions(path)
        if (ast.get_docstring(node) or " ").split(" ")[0] in no_verbs
        if not any("property" in ast.unparse(one) for one in node.decorator_list)
        if not any("click" in ast.unparse(one) for one in node.decorator_list)
    ]
    assert not found


def test_a_file_can_be_read_in_one_go() -> None:
    """A module is about one thing, in up to 300 lines; a longer one has its reason above."""
    long = {
        name_of(path) for path, text in EVERYTHING.items() if text.count("\n") > LINES_OF_FILE_MAX
    }
    assert not long - LONG_FILES.keys()


def test_a_function_fits_on_a_screen() -> None:
    """A function has up to 70 lines, be it a test or a dashboard: what is longer comes in parts."""
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in EVERYTHING
        for node in functions(path)
        if node.end_lineno - node.lineno >= LINES_OF_FUNCTION_MAX
    ]
    assert not long
