"""Variables of the shell that are not for EventIndex: proxies of the web, libpq's PG*."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

import eventindex
from eventindex.channel import Tls
from eventindex.client import Client
from tests.support.ports import free_port
from tests.support.sessions import PG_VARIABLES

PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")


class Trap:
    """A proxy that notes who comes and answers nobody."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.seen: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                with caller:
                    self.seen.append(caller.recv(4096))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A proxy that nobody should ask."""
    proxy = Trap()
    yield proxy
    proxy.close()


def environment(trap: Trap, data: Path, **more: str) -> dict[str, str]:
    """What a shell of somebody with a proxy and other databases may hold."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("EVENTINDEX_")}
    proxies = dict.fromkeys(PROXIES, trap.url)
    others = {"EVENTINDEX_DATA_DIR": str(data), "PROMETHEUS_MULTIPROC_DIR": str(data / "nowhere")}
    return {**kept, **PG_VARIABLES, **proxies, **others, **more}


@contextlib.contextmanager
def demonstration(variables: dict[str, str]) -> Iterator[list[str]]:
    """`make run` until it serves; its lines. Ctrl-C stops it."""
    with subprocess.Popen(
        [sys.executable, "-m", "local_stack.demo"],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line.strip())
                if line.startswith("Open http"):
                    break
            assert lines, "it said nothing"
            assert lines[-1].startswith("Open http"), lines
            yield lines
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
    assert process.returncode == 0, lines


def command(variables: dict[str, str], *arguments: str) -> str:
    """Standard output of a command line that succeeds."""
    program = Path(sys.executable).with_name("eventindex")
    done = subprocess.run(
        [program, *arguments], env=variables, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_make_run_with_tokens_proxies_and_variables_of_libpq(trap):
    """It stores, finds and serves; the documented first token opens it; no proxy hears of it."""
    root = Path(tempfile.mkdtemp(prefix="eventindex-run-"))
    root.chmod(0o755)
    variables = environment(trap, root / "data", EVENTINDEX_REQUIRE_TOKENS="true")
    try:
        with demonstration(variables) as lines:
            assert any(line.startswith("Found 88,974 of 88,974") for line in lines), lines
            [make] = [line for line in lines if line.startswith("export EVENTINDEX_TOKEN=")]
            assert '--database ""' in make
            first = ("--database", "", "--subject", "anna", "--scope", "admin")
            token = command(variables, "token", "create", *first).strip()
            variables["EVENTINDEX_TOKEN"] = token
            assert "make run" in command(variables, "token", "list")
            curl = next(line for line in lines if "curl -H @- " in line)
            request = urllib.request.Request(
                curl.split()[-1], headers={"Authorization": f"Bearer {token}"}
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=30) as answer:
                assert b"fuid_raw" in answer.read()
        assert trap.seen == []
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("tls", [None, Tls()])
def test_a_client_asks_no_proxy_for_this_machine(tls, trap, monkeypatch):
    """Plaintext or TLS: a call to loopback goes there and nowhere else, with its token."""
    for name in PROXIES:
        monkeypatch.setenv(name, trap.url)
    for host in ("127.0.0.1", "localhost"):
        client = made_client(f"{host}:{free_port()}", tls)
        with client, pytest.raises(eventindex.UnavailableError):
            client.lookup([(1, 1)])
    assert trap.seen == []


def test_a_client_takes_the_proxy_for_other_machines_over_tls_alone(trap, monkeypatch):
    """A proxy may carry what it cannot read; a token in clear does not reach it."""
    for name in PROXIES:
        monkeypatch.setenv(name, trap.url)
    monkeypatch.setenv("EVENTINDEX_ALLOW_PLAINTEXT", "true")
    for tls, kind in ((None, eventindex.UnavailableError), (Tls(), eventindex.EventIndexError)):
        assert trap.seen == []
        with made_client("index.invalid:9", tls) as client, pytest.raises(kind):
            client.lookup([(1, 1)])
    assert trap.seen[0].startswith(b"CONNECT ")
    assert b"secret" not in b"".join(trap.seen)


def test_health_checks_of_containers_ask_no_proxy(trap, tmp_path):
    """Docker may give a container http_proxy: its health check asks the container all the same."""
    compose = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text("utf-8"))
    services = ("ingest_service", "index_service", "rest_gateway")
    checks = [compose["services"][name]["healthcheck"]["test"][1:] for name in services]
    (tmp_path / "readyz").write_text("ok")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            for _, *arguments in checks:
                code = re.sub(r":91\d\d/", f":{server.server_port}/", arguments[-1])
                program = [sys.executable, *arguments[:-1], code]
                subprocess.run(program, env=environment(trap, tmp_path), check=True)
        finally:
            server.shutdown()
    assert trap.seen == []


def made_client(address: str, tls: Tls | None) -> Client:
    """A client with a token that gives up soon."""
    return Client(address, None, tls=tls, token="secret", timeout=2, retry_seconds_max=0.2)
