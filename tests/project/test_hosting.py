"""docs/hosting.md and what it installs: units of systemd, a base for Kubernetes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
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


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_the_documented_overlay_makes_what_kubernetes_takes(tmp_path: Path) -> None:
    """kustomize puts images and secrets of an overlay into every pod."""
    page = (ROOT / "docs/hosting.md").read_text("utf-8")
    shown = textwrap.dedent(re.search(r"^    resources: \[.*?(?=^$)", page, re.M | re.S)[0])
    given = yaml.safe_load(shown)
    assert given["resources"] == ["../eventindex/deploy/kubernetes"]
    names = ("migrate", "ingest", "index", "gateway")
    given["secretGenerator"] = [
        {"name": f"eventindex-{name}", "envs": ["ingest.env"]} for name in names
    ]
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    shutil.copytree(BASE, tmp_path / "eventindex/deploy/kubernetes")
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(given))
    (overlay / "ingest.env").write_text("EVENTINDEX_DATABASE_URL=postgresql://x\n")
    made = subprocess.run(["kubectl", "kustomize", overlay], check=True, capture_output=True)
    found = [one for one in yaml.safe_load_all(made.stdout) if one["kind"] != "ServiceMonitor"]
    assert {one["metadata"]["namespace"] for one in found} == {"eventindex"}
    (tmp_path / "made.yaml").write_text(yaml.safe_dump_all(found))
    program = Path(sys.executable).with_name("kubernetes-validate")
    subprocess.run([program, "--strict", "--quiet", tmp_path / "made.yaml"], check=True)
    secrets = {one["metadata"]["name"] for one in found if one["kind"] == "Secret"}
    pods = [one["spec"]["template"]["spec"] for one in found if "template" in one.get("spec", {})]
    read = {
        source["secretRef"]["name"]
        for pod in pods
        for source in pod["containers"][0]["envFrom"]
        if "secretRef" in source
    }
    assert (len(secrets), read) == (len(names), secrets)
    images = [pod["containers"][0]["image"] for pod in pods]
    assert sum(image.startswith("registry.example/") for image in images) == 1


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
            # Two that others are made of.
            assert set(env) <= SETTINGS | {"POD_NAME", "MQTT_CLIENT_ID"}
            listened = {v.rpartition(":")[2] for v in env.values() if v and "0.0.0.0:" in v}
            assert {str(port["containerPort"]) for port in container.get("ports", [])} == listened
            assert template["spec"]["enableServiceLinks"] is False
