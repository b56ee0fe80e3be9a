"""What is installed: the locks, their hashes, licences, and audits that have no answer."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.deploy import ROOT, dockerfile

EXTRAS = ("index", "ingest", "gateway", "tracing", "server", "dev", "bench")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# A requirement with what stands below it.
ONE = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)(.*(?:\n .*)*)", re.MULTILINE)


def lock(name: str) -> dict[str, tuple[str, str]]:
    """The packages of a lock: version and the rest."""
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    return {canonicalize_name(m[1]): (m[2], m[3]) for m in ONE.finditer(text)}


def script(name: str) -> ModuleType:
    """A script of requirements/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"requirements/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wanted(extra: str) -> list[Requirement]:
    """What an extra asks for by itself and by the extras that it holds."""
    found = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    for text in PROJECT["project"]["optional-dependencies"][extra]:
        one = Requirement(text)
        if one.name == "eventindex":
            found += [more for within in one.extras for more in wanted(within)]
        else:
            found.append(one)
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_lock_has_what_its_extra_asks_for(extra: str) -> None:
    """`make lock` was run after the last change of pyproject.toml and constraints.txt."""
    locked = lock(extra)
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    tested = {canonicalize_name(name): version for name, version in pins}
    for requirement in wanted(extra):
        version, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
    for name, (version, rest) in locked.items():
        assert version == tested.get(name, version), f"{name}: run make lock"
        assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", rest)) > 0, name


def test_everything_is_installed_by_its_hash() -> None:
    """No target and no image installs what no lock names, or builds it here with whatever comes."""
    assert set(lock("build")) >= {
        Requirement(one).name for one in PROJECT["build-system"]["requires"]
    }
    places = {"Makefile": (ROOT / "Makefile").read_text("utf-8"), "Dockerfile": dockerfile()}
    for name, text in places.items():
        whole = text.replace("\\\n", " ").replace("$(LOCKED)", "install --require-hashes")
        whole = whole.replace("$(PROJECT)", "install --no-deps --no-build-isolation")
        lines = [line for line in whole.splitlines() if ":= " not in line]
        commands = re.findall(r"\b(?:install|wheel) --[^&\n]*", "\n".join(lines))
        assert len(commands) > 4
        for one in commands:
            assert "--require-hashes" in one or "--no-deps" in one, (name, one)
    assert "--require-hashes --only-binary :all:" in places["Makefile"]


def test_licences_are_listed() -> None:
    """docs/licences.md is what the packages say themselves, and none of them says nothing."""
    page = script("licences").page()
    assert (ROOT / "docs/licences.md").read_text("utf-8").strip() == page.strip()
    assert "unknown" not in page
    assert "swagger-ui" in page


def test_an_audit_tells_what_it_could_not_ask(monkeypatch, capsys) -> None:
    """A known weakness fails; where there is no answer, that is said with its reason."""
    audit = script("audit")
    no_answer = {"name": "amqtt", "skip_reason": "Dependency not found on PyPI"}
    monkeypatch.setattr(audit, "asked", lambda _: [no_answer])
    assert audit.main() == 0
    assert "not audited, PyPI's advisories cannot be had here" in capsys.readouterr().out
    known = {"id": "PYSEC-1", "fix_versions": ["2"]}
    weak = {"name": "amqtt", "version": "1", "vulns": [known]}
    monkeypatch.setattr(audit, "asked", lambda text: [weak])
    assert audit.main() == 1
    assert "amqtt 1: PYSEC-1" in capsys.readouterr().out

    def away(_: str) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(audit, "asked", away)
    assert audit.main() == 0
    assert "no network" in capsys.readouterr().out
