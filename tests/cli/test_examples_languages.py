"""The examples in other languages, built and run where their tools are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.client import fuid
from tests.support.list_commands import ROOT

EXAMPLES = ROOT / "examples"
# A cold cache of npm takes its time, a registry that is not there must not.
INSTALL_S_MAX = 120


def run_program(*command: object, **options) -> subprocess.CompletedProcess[str]:
    """The end of a program and what it said."""
    texts = [str(word) for word in command]
    return subprocess.run(texts, check=False, capture_output=True, text=True, **options)


def has_cpp() -> bool:
    """Whether CMake, protoc, its plugin and gRPC's C++ are here."""
    tools = all(map(shutil.which, ("cmake", "g++", "protoc", "grpc_cpp_plugin", "pkg-config")))
    return tools and not run_program("pkg-config", "--exists", "grpc++").returncode


@pytest.mark.skipif(shutil.which("protoc") is None, reason="no protoc (protobuf-compiler)")
def test_the_line_of_the_readme_makes_stubs(tmp_path: Path):
    """Copied as it stands, it makes the messages of every file of the contract."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (line,) = re.findall(r"&& protoc (-I protos .*)", readme)
    words = line.replace("/tmp/stubs", str(tmp_path)).split()
    protos = sorted(path.relative_to(ROOT) for path in ROOT.glob("protos/eventindex/v1/*.proto"))
    assert words.pop() == "protos/eventindex/v1/*.proto"
    made = run_program("protoc", *words, *protos, cwd=ROOT)
    assert made.returncode == 0, made.stderr
    assert {path.stem for path in tmp_path.rglob("*.pb.cc")} == {f"{p.stem}.pb" for p in protos}


@pytest.mark.slow
@pytest.mark.skipif(not has_cpp(), reason="no CMake, protoc or gRPC for C++ (libgrpc++-dev)")
def test_the_example_in_cpp(filled: None, index_address: str, tmp_path: Path):
    """It builds as it says, and answers a list in order over a stream."""
    build = tmp_path / "build"
    for step in (("-S", EXAMPLES / "cpp", "-B", build), ("--build", build)):
        made = run_program("cmake", *step)
        assert made.returncode == 0, made.stderr + made.stdout[-2000:]
    pairs = "1 9\n1 4\n\n2 100\n1 999\n"
    done = run_program(build / "lookup", index_address, input=pairs)
    assert done.stdout == f"1 9 {fuid(1)}\n1 4 {fuid(11)}\n2 100 {fuid(12)}\n1 999 -\n"
    assert (done.returncode, done.stderr) == (3, "3 found, 1 not found\n")
    wrong = run_program(build / "lookup", index_address, input="1 9\n1 x\n")
    assert (wrong.returncode, wrong.stderr) == (2, "line 2: not a run and an event number: 1 x\n")
    many = "".join(f"1 {event}\n" for event in range(1, 101)) * 250
    done = run_program(build / "lookup", index_address, input=many)
    assert (done.returncode, done.stderr) == (0, "25000 found, 0 not found\n")


@pytest.fixture(scope="module")
def node_example(tmp_path_factory) -> Path:
    """The example in node with what it needs beside it, as its first lines say to install it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node or no npm")
    # The example reads the contract two folders above.
    root = tmp_path_factory.mktemp("node")
    shutil.copytree(ROOT / "protos", root / "protos")
    example = root / "examples" / "node"
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(EXAMPLES / "node", example, ignore=ignored)
    try:
        made = run_program("npm", "install", "--no-audit", cwd=example, timeout=INSTALL_S_MAX)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install took more than {INSTALL_S_MAX} s")
    if made.returncode:
        pytest.skip(f"npm install: {made.stderr[-300:]}")
    return example / "lookup.js"


@pytest.mark.slow
def test_the_example_in_node(filled: None, index_address: str, node_example: Path):
    """It asks for some events and prints the file of each."""
    script = node_example
    done = run_program("node", script, index_address, "1:9", "1:999")
    assert (done.returncode, done.stdout) == (3, f"1 9 {fuid(1)}\n1 999 -\n"), done.stderr
    assert run_program("node", script, index_address, "1-9").returncode == 2
