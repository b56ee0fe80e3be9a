"""Which topic holds what: the topic decides the decoder, payloads are not guessed at. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ingest_service.decode.fields import is_detector_id
from ingest_service.model import Kind
from service_kit.settings import Settings

# Topics are the senders' to choose: remember a bounded number.
_REMEMBERED_MAX = 10_000


class Route(NamedTuple):
    """What a topic holds and from whom: the last level, or the detector."""

    kind: Kind
    source: str


class Topics:
    """The topics of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._prefixes = {
            f"{settings.mqtt_topic_batch}/": Kind.BATCH,
            f"{settings.mqtt_topic_json}/": Kind.JSON,
        }
        self._cosmic = f"{settings.mqtt_topic_cosmic}/"
        group = settings.mqtt_share_group
        self._share = f"$share/{group}/" if group else ""
        self._known: dict[str, Route] = {}
        self._read: dict[bytes, tuple[str, Route]] = {}

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        filters = [*(f"{prefix}+" for prefix in self._prefixes), f"{self._cosmic}+/event"]
        return [self._share + name for name in filters]

    def read(self, topic: bytes) -> tuple[str, Route]:
        """Return the text and the route of a topic as it came; a batch where it is none of ours."""
        found = self._read.get(topic)
        if found is None:
            text = _text(topic)
            found = text, self.route(text) or Route(Kind.BATCH, "")
            if len(self._read) < _REMEMBERED_MAX:
                self._read[topic] = found
        return found

    def route(self, topic: str) -> Route | None:
        """Return what a topic holds, None when it is none of ours."""
        known = self._known.get(topic)
        if known is None:
            known = self._find(topic)
            if known is not None and len(self._known) < _REMEMBERED_MAX:
                self._known[topic] = known
        return known

    def _find(self, topic: str) -> Route | None:
        for prefix, kind in self._prefixes.items():
            source = topic.removeprefix(prefix)
            if source != topic and "/" not in source:
                return Route(kind, source)
        detector = topic.removeprefix(self._cosmic).removesuffix("/event")
        if topic == f"{self._cosmic}{detector}/event" and is_detector_id(detector):
            return Route(Kind.COSMIC, detector)
        return None


def _text(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return "(a topic that is not UTF-8)"
