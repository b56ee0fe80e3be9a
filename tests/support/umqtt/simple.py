"""The calls of umqtt.simple that publish, over paho."""

from __future__ import annotations

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

_ANSWER_S_MAX = 5.0


class MQTTException(Exception):  # noqa: N818  # the name that umqtt gives it
    """The broker refuses the connection."""


class MQTTClient:
    """A connection that is made again by `connect` alone."""

    def __init__(  # the arguments of umqtt
        self,
        client_id: str,
        server: str,
        port: int = 0,
        user: str | None = None,
        password: str | None = None,
        keepalive: int = 0,
    ) -> None:
        self._address = server, port, keepalive
        self._client_id = client_id
        self._user = user, password
        self._client: Client | None = None

    def connect(self) -> None:
        """Open a new connection.

        Raises:
            OSError: nobody listens.
        """
        if self._client is not None:
            self._client.loop_stop()
        self._client = Client(
            CallbackAPIVersion.VERSION2, self._client_id, reconnect_on_failure=False
        )
        if self._user[0]:
            self._client.username_pw_set(*self._user)
        self._client.connect(*self._address)
        self._client.loop_start()

    def publish(self, topic: str, msg: str, *, qos: int) -> None:
        """Publish and wait for the acknowledgement.

        Raises:
            OSError: the connection ended before.
        """
        assert self._client is not None
        sent = self._client.publish(topic, msg, qos)
        try:
            sent.wait_for_publish(_ANSWER_S_MAX)
        except (RuntimeError, ValueError) as error:
            raise OSError(-1) from error
        if not sent.is_published():
            raise OSError(-1)

    def ping(self) -> None:
        """Do nothing: the loop keeps the connection alive."""
