"""Runs amqtt: `python -m local_stack.amqtt_broker 127.0.0.1:1883 PASSWORD_FILE`.

The stand-in for Mosquitto on machines without it. Never stores anything on disk.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from local_stack.broker_access import USER
from service_kit.grpc_server import stop_signal


class NamedSessions(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not typed
    """Lets one user in, whose sessions amqtt keeps."""

    @dataclass
    class Config:
        """What `plugins` says."""

        password: str = ""

    async def authenticate(self, *, session: Session) -> bool:
        """Accept the session of who knows the password."""
        session.is_anonymous = False
        given = f"{session.username}:{session.password}".encode(errors="replace")
        return hmac.compare_digest(given, f"{USER}:{self.config.password}".encode())


async def _serve(address: str, password: str) -> None:
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": address}},
            "plugins": {"local_stack.amqtt_broker.NamedSessions": {"password": password}},
        }
    )
    stopping = stop_signal(asyncio.get_running_loop())
    await broker.start()
    await stopping.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2]).read_text().strip()))
