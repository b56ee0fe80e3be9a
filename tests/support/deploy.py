"""The files of deploy/ as the tests read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

DEPLOY = ROOT / "deploy"

SERVICES = ("ingest_service", "index_service", "rest_gateway")


def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text("utf-8")
