"""The HTTP side port of a service: /metrics, /healthz and /readyz.

Liveness says that the process makes progress, readiness that it can do its work; both answer 200
or 503 with one line a check. Never does the service's own work.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from service_kit.grpc_server import PortTakenError
from service_kit.settings import split_address

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# A check returns None when all is well, or one line that says what is wrong.
Check = Callable[[], str | None]
_Write = Callable[[bytes], object]


class Remark(str):
    """What a check says where all is well nevertheless."""

    __slots__ = ()


class _QuietHandler(WSGIRequestHandler):
    """Requests of probes are not worth a log line."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingWSGIServer):
    """One thread a request: a slow scrape does not hold a probe."""

    daemon_threads = True


class _Server6(_Server):
    """The same on IPv6."""

    address_family = socket.AF_INET6


class MonitoringServer:
    """Serves the three pages from a thread of its own until closed.

    Raises:
        PortTakenError: the address is taken or cannot be bound here.
    """

    def __init__(
        self,
        address: str,
        *,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        host, port = split_address(address)
        metrics: WSGIApplication = make_wsgi_app(registry)
        checks = {"/healthz": live, "/readyz": ready}

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "/")
            if path == "/metrics":
                return metrics(environ, start_response)
            if path in checks:
                status, body = _run_checks(checks[path])
            else:
                status, body = "404 Not Found", "/metrics, /healthz or /readyz\n"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [body.encode()]

        def app_with_head(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            """Answer HEAD with the headers of GET."""
            if environ["REQUEST_METHOD"] != "HEAD":
                return app(environ, start_response)
            started: list[Any] = []

            def note(status: str, headers: list[tuple[str, str]], _: object = None, /) -> _Write:
                started.extend((status, headers))
                return lambda _: None

            body = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, note))
            status, headers = started
            start_response(status, [*headers, ("Content-Length", str(len(body)))])
            return []

        kind = _Server6 if ":" in host else _Server
        try:
            self._server = make_server(host, port, app_with_head, kind, _QuietHandler)
        except OSError as error:
            raise PortTakenError.of(address, error) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="monitoring", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The bound port: the one asked for, or a free one if that was 0."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MonitoringServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _run_checks(checks: Mapping[str, Check]) -> tuple[str, str]:
    results = {name: check() for name, check in checks.items()}
    ok = all(problem is None or isinstance(problem, Remark) for problem in results.values())
    lines = [f"{name}: {problem or 'ok'}\n" for name, problem in results.items()]
    return ("200 OK" if ok else "503 Service Unavailable"), "".join(lines)
