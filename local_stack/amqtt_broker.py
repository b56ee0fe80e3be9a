"""Runs amqtt on one address: `python -m local_stack.amqtt_broker 127.0.0.1:1883`.

The stand-in for Mosquitto on machines without it. Never stores anything on disk.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from service_kit.grpc_server import stop_signal


class NamedSessions(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not typed
    """Lets everybody in; amqtt keeps the sessions of those alone who give a user name."""

    async def authenticate(self, *, session: Session) -> bool:
        """Accept the session."""
        session.is_anonymous = not session.username
        return True


async def _serve(address: str) -> None:
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": address}},
            "plugins": {"local_stack.amqtt_broker.NamedSessions": {}},
        }
    )
    stopping = stop_signal(asyncio.get_running_loop())
    await broker.start()
    await stopping.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(_serve(sys.argv[1]))
