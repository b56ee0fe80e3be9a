"""What the web page has of others: which version, and that nobody changed it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

WEB = Path(__file__).parents[2] / "rest_gateway/web"


def test_vendored_scripts_are_listed_and_unchanged() -> None:
    """Each script and style of others has its version, licence and SHA-256 in vendored.json."""
    listed = json.loads((WEB / "vendored.json").read_text("utf-8"))
    found: dict[str, dict[str, str]] = {}
    for file in sorted((WEB / "assets/vendor").rglob("*")):
        if file.suffix in {".js", ".css"}:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            found.setdefault(file.parent.name, {})[file.name] = digest
    assert {name: one["sha256"] for name, one in listed.items()} == found
    for name, one in listed.items():
        assert (WEB / "assets/vendor" / name / "LICENSE").exists()
        assert one["version"]
        assert one["licence"]
    bundle = (WEB / "assets/vendor/swagger-ui/swagger-ui-bundle.js").read_text("utf-8")
    assert f'PACKAGE_VERSION:"{listed["swagger-ui"]["version"]}"' in bundle
