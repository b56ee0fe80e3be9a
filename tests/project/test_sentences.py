"""The services' sentences: each reason is in every language of the page, with its parameters."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOLD = ROOT / "rest_gateway" / "web" / "texts" / "told"
_PACKAGES = ("clients/eventindex", "event_store", "service_kit", "index_service", "ingest_service")
_REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_PLACE = re.compile(r"\{(\w+)\}")
# Made of parts: the ends of sentences about a collection, and about a field of a request.
_OF_PARTS = {
    "ingest_service/pipeline/receipts.py": {"collection"},
    "rest_gateway/wrong_fields.py": {"field", "value", "bound"},
}


@cache
def tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text("utf-8"))


def sentences() -> Iterator[tuple[str, set[str]]]:
    """Each reason in the sources, and the parameters of its sentence."""
    for package in (*_PACKAGES, "rest_gateway"):
        for path in sorted((ROOT / package).rglob("*.py")):
            known = _OF_PARTS.get(str(path.relative_to(ROOT)), set())
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"told", "_Kind"}:
                    reason, template, *_ = (getattr(each, "value", "") for each in node.args)
                    if isinstance(reason, str) and isinstance(template, str):
                        yield reason, {*_PLACE.findall(template), *known}
            if path.name == "receipts.py":
                for reason in re.findall(r'"(COLLECTIONS?_[A-Z]+)"', path.read_text("utf-8")):
                    yield reason, known


@pytest.mark.parametrize("language", ["pt", "ru"])
def test_each_sentence_of_the_services_is_translated(language: str):
    """Readers of each language get every sentence, and nothing stands in it that is not sent."""
    texts: dict[str, str] = json.loads((TOLD / f"{language}.json").read_text("utf-8"))
    wanted = {reason: places for reason, places in sentences() if reason}
    assert sorted(texts) == sorted(wanted)
    assert all(_REASON.fullmatch(reason) or reason == "BUSY" for reason in texts)
    foreign = {
        reason: set(_PLACE.findall(text)) - wanted[reason]
        for reason, text in texts.items()
        if set(_PLACE.findall(text)) - wanted[reason]
    }
    assert not foreign


# Errors that a caller reads, by the names of what makes them.
_FOR_CALLERS = {
    "InvalidRequestError",
    "NameTakenError",
    "NotFoundError",
    "Problem",
    "TooManyElementsError",
    "WrongStateError",
    "invalid",
}


def english_alone() -> Iterator[str]:
    """Where a caller's error is made of a text of its own, without a reason."""
    for package in (
        "event_store",
        "service_kit",
        "index_service",
        "ingest_service",
        "rest_gateway",
    ):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _FOR_CALLERS:
                    texts = [
                        each
                        for each in node.args
                        if isinstance(each, ast.JoinedStr)
                        or (isinstance(each, ast.Constant) and " " in str(each.value))
                    ]
                    if texts:
                        yield f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(texts[0])}"


def test_each_error_for_callers_has_a_reason():
    """No refusal of the services is English alone: programs and other languages get a reason."""
    assert list(english_alone()) == []
