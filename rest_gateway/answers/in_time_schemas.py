"""The documents of events in time, as the OpenAPI document describes them. Pure."""

from __future__ import annotations

from rest_gateway.answers.schemas import Count, Document, Time


class EventsOfTime(Document):
    """Events that came in an hour or a day; the time is its beginning, UTC."""

    time: Time
    events: Count


class EventsInTime(Document):
    """Numbers of events by the time in which they came in; times without any are left out."""

    total: Count
    by: str
    counts: list[EventsOfTime]
