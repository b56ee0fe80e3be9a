"""The topic decides the decoder: the same for a message that comes in and one that is replayed."""

from __future__ import annotations

from ingest_service.decode.batch import decode_batch, parse_batch
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.decode.cosmic import decode_cosmic
from ingest_service.decode.json_events import decode_json
from ingest_service.decode.topics import Topics
from ingest_service.model import Decoded, Kind, MalformedBatch, Reason
from service_kit.settings import Settings


class TopicDecoder:
    """Decodes payloads by the topics of the settings. For any thread."""

    def __init__(self, settings: Settings) -> None:
        self._topics = Topics(settings)
        self._clocks = clocks_of(settings)

    def kind(self, topic: str) -> Kind:
        """Return what a topic holds; a batch where it is none of ours."""
        route = self._topics.route(topic)
        return Kind.BATCH if route is None else route.kind

    def decode(self, topic: str, payload: bytes) -> Decoded:
        """Return the events of a message; none of an empty one, which clears a retained message.

        Raises:
            MalformedBatch: nothing of the message can be read, or the topic is none of ours.
        """
        if not payload:
            return Decoded(offered=0, runs=[], events=[], olt=[], file_index=[], files=[])
        route = self._topics.route(topic)
        if route is None:
            raise MalformedBatch(f"nothing is defined for topic {topic!a}", Reason.BAD_TOPIC)
        if route.kind is Kind.JSON:
            return decode_json(payload)
        if route.kind is Kind.BATCH:
            return decode_batch(parse_batch(payload))
        return decode_cosmic(payload, route.source, self._clocks)
