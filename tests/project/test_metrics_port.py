"""The port of metrics and probes, in this process."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.request import urlopen

from service_kit.monitoring import MonitoringServer
from tests.support.ports import free_port


def test_silent_connections_keep_no_probe_out() -> None:
    """Who opens many and says nothing loses the oldest ones: a probe is answered all the time."""
    address = f"127.0.0.1:{free_port()}"
    threads = threading.active_count()
    with MonitoringServer(address, live={}, ready={}), contextlib.ExitStack() as opened:
        host, _, port = address.partition(":")
        for _ in range(4):
            for _ in range(30):
                silent = socket.create_connection((host, int(port)), timeout=20)
                opened.enter_context(silent)
            assert urlopen(f"http://{address}/healthz", timeout=10).status == 200
            assert threading.active_count() < threads + 70
