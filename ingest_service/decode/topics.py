"""Payload formats, and which topic holds which: payloads are not guessed at. Pure.

A new format is a decoder in a module of this package, a line in `FORMATS` and its topic's setting.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from event_store.telescope.names import is_detector_id
from eventindex.told import told
from ingest_service.decode.batch import decode_payload
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.decode.cosmic import decode_cosmic
from ingest_service.decode.json_events import decode_json
from ingest_service.model import Decoded, MalformedBatchError, Reason
from service_kit.settings import Settings

# Senders choose the topics, so remember a bounded number of them.
_REMEMBERED_MAX = 10_000

# A prefix of so many levels shares the one above with others of ours: eventindex/v1/batch.
_DEEP_LEVELS = 3

# The kinds that come over gRPC too. A message on an unknown topic counts as a batch.
BATCH, COSMIC = "batch", "cosmic"


class Format(NamedTuple):
    """A payload format.

    Attributes:
        kind: the value of the metrics' label.
        setting: has the prefix of its topics, `<prefix>/<source>`.
        decoder: payload to events. That of telescopes, with topics `<prefix>/<detector>/event`, is
            also called with the detector and the clocks.
    """

    kind: str
    setting: str
    decoder: Callable[..., Decoded]
    of_telescopes: bool = False


FORMATS = (
    Format(BATCH, "mqtt_topic_batch", decode_payload),
    Format("json", "mqtt_topic_json", decode_json),
    Format(COSMIC, "mqtt_topic_cosmic", decode_cosmic, of_telescopes=True),
)
KINDS = tuple(each.kind for each in FORMATS)


class Route(NamedTuple):
    """A topic: what it holds, from whom (the last level, or the detector), what decodes it.

    Without a decoder the topic is none of ours.
    """

    topic: str
    kind: str
    source: str
    decoder: Callable[[bytes], Decoded] | None
    # Topics that may have been meant.
    meant: tuple[str, ...] = ()

    def decode(self, payload: bytes) -> Decoded:
        """Return the events of a message; none of an empty one, which clears a retained message.

        Raises:
            MalformedBatchError: nothing of the message can be read, or the topic is none of ours.
        """
        if not payload:
            return Decoded(offered=0, runs=[], events=[], olt=[], file_index=[], files=[])
        if self.decoder is None:
            raise MalformedBatchError(self._nothing_here(), Reason.BAD_TOPIC)
        return self.decoder(payload)

    def _nothing_here(self) -> str:
        topic = f"{self.topic!a}"
        if not self.meant:
            return told("BAD_TOPIC", "nothing is defined for topic {topic}", topic=topic)
        return told(
            "BAD_TOPIC_BESIDE",
            "nothing is defined for topic {topic}; there is {topics}",
            topic=topic,
            topics=", ".join(self.meant),
        )


class Topics:
    """The topics of the settings. For any thread."""

    def __init__(self, settings: Settings) -> None:
        self._formats = [(f"{getattr(settings, each.setting)}/", each) for each in FORMATS]
        self._clocks = clocks_of(settings)
        group = settings.mqtt_share_group
        self._share = f"$share/{group}/" if group else ""
        self._routes: dict[bytes, Route] = {}

    @property
    def filters(self) -> list[str]:
        """The topics that hold something."""
        return [self._share + _pattern(prefix, each, "+") for prefix, each in self._formats]

    @property
    def wide_filters(self) -> list[str]:
        """All that lies beside them, so that a message on a wrong topic is seen.

        None lies within another: a broker may send a message once for each that fits.
        """
        roots = sorted({_root(prefix) for prefix, _ in self._formats})
        return [
            f"{self._share}{root}/#"
            for root in roots
            if not any(root.startswith(f"{other}/") for other in roots)
        ]

    def route(self, topic: bytes) -> Route:
        """Return the route of a topic as it came."""
        found = self._routes.get(topic)
        if found is None:
            found = self._find(_text(topic))
            if len(self._routes) < _REMEMBERED_MAX:
                self._routes[topic] = found
        return found

    def _find(self, topic: str) -> Route:
        for prefix, (kind, _, decoder, of_telescopes) in self._formats:
            source = topic.removeprefix(prefix)
            if source == topic:
                continue
            detector = source.removesuffix("/event")
            if not of_telescopes and "/" not in source:
                return Route(topic, kind, source, decoder)
            if of_telescopes and detector != source and is_detector_id(detector):
                bound = partial(decoder, detector_id=detector, clocks=self._clocks)
                return Route(topic, kind, detector, bound)
        return Route(topic, BATCH, "", None, self._meant(topic))

    def _meant(self, topic: str) -> tuple[str, ...]:
        """Return which topics were meant, as far as the beginning tells."""
        return tuple(
            _pattern(prefix, each, "<detector>" if each.of_telescopes else "<source>")
            for prefix, each in self._formats
            if f"{topic}/".startswith(f"{_root(prefix)}/")
        )


def _pattern(prefix: str, form: Format, who: str) -> str:
    return f"{prefix}{who}{'/event' if form.of_telescopes else ''}"


def _root(prefix: str) -> str:
    levels = prefix.removesuffix("/").split("/")
    return "/".join(levels[:-1] if len(levels) >= _DEEP_LEVELS else levels)


def _text(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return "(a topic that is not UTF-8)"
