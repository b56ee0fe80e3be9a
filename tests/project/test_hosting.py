"""docs/hosting.md and what it installs: units of systemd, a base for Kubernetes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service_kit.settings import Settings

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
BASE = ROOT / "deploy/kubernetes"
SETTINGS = {f"EVENTINDEX_{name.upper()}" for name in Settings.model_fields}
MONITORING = "monitoring.yaml"  # of an operator's own kind, whose schema is not Kubernetes'


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    """systemd-analyze has nothing to say against them, and calls their exposure OK at most."""
    for unit in UNITS:
        text = re.sub(r"/opt/eventindex/\.venv/bin/\w+", sys.executable, unit.read_text("utf-8"))
        (tmp_path / unit.name).write_text(text, "utf-8")
    for file in tmp_path.iterdir():
        analyze = ["systemd-analyze", "verify", "--man=no", file]
        done = subprocess.run(analyze, check=True, capture_output=True, text=True)
        assert file.name not in done.stderr
        analyze = ["systemd-analyze", "security", "--offline=true", "--threshold=20", file]
        subprocess.run(analyze, check=True, stdout=subprocess.DEVNULL)


def test_units_have_the_time_and_the_page_that_they_name() -> None:
    """Services may drain before they are killed, and come back after whatever happened."""
    assert {unit.stem for unit in UNITS} == {
        f"eventindex-{name}" for name in ("gateway", "index", "ingest", "migrate")
    }
    page = (ROOT / "docs/hosting.md").read_text("utf-8")
    for unit in UNITS:
        text = unit.read_text("utf-8")
        for file in re.findall(r"^EnvironmentFile=/etc/eventindex/(.+)$", text, re.MULTILINE):
            assert f"`{file}`" in page
        if "migrate" not in unit.stem:
            assert "\nTimeoutStopSec=90\n" in text
            assert "\nRestart=always\n" in text


def documents() -> Iterator[dict[str, Any]]:
    for file in kustomization()["resources"]:
        yield from yaml.safe_load_all((BASE / file).read_text("utf-8"))


def kustomization() -> dict[str, Any]:
    return yaml.safe_load((BASE / "kustomization.yaml").read_text("utf-8"))


def test_kubernetes_takes_the_base() -> None:
    """Each document fits the schema of its kind, and the list names every file."""
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == files
    checked = [BASE / name for name in sorted(files - {MONITORING})]
    program = Path(sys.executable).with_name("kubernetes-validate")
    subprocess.run([program, "--strict", "--quiet", *checked], check=True)


def test_pods_are_given_settings_that_exist_and_images_of_this_release() -> None:
    """Names of variables, ports and images agree with the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    images = {image["name"]: image["newTag"] for image in kustomization()["images"]}
    assert set(images.values()) == {project["version"]}
    for document in documents():
        if document["kind"] == "ConfigMap":
            assert set(document["data"]) <= SETTINGS
        template = document.get("spec", {}).get("template")
        for container in template["spec"]["containers"] if template else ():
            assert container["image"] in images
            env = {one["name"]: one.get("value") for one in container.get("env", [])}
            assert set(env) <= SETTINGS
            listened = {v.rpartition(":")[2] for v in env.values() if v and "0.0.0.0:" in v}
            assert {str(port["containerPort"]) for port in container.get("ports", [])} == listened
            assert template["spec"]["enableServiceLinks"] is False
