"""What `load --dry-run` sends events to: checks them as the service would and stores nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import click

from eventindex.cli.event_files.rows import EventBlock, RecordBlock
from eventindex.cli.shared.common import missing_part
from eventindex.values import Ack, Rejection

_EPOCH = date(2000, 1, 1)


class DryRun:
    """Acknowledges good events as inserted, and talks to nobody."""

    def __init__(self, detector: str) -> None:
        self._detector = detector

    def events(self, blocks: Iterable[EventBlock]) -> Iterator[Ack]:
        """Count events; the readers have checked every value."""
        for block in blocks:
            yield Ack(len(block), 0, 0, 0, ())

    def records(self, blocks: Iterable[RecordBlock]) -> Iterator[Ack]:
        """Check telescope records with the service's own decoder.

        Raises:
            click.UsageError: the detector id cannot be one.
            Failure: the server parts are not installed.
        """
        try:
            # Not in the light install.
            from ingest_service.decode.clocks import Clocks  # not in the light install
            from ingest_service.decode.cosmic import decode_records  # not in the light install
            from ingest_service.model import MalformedBatchError  # not in the light install
        except ModuleNotFoundError as error:
            raise missing_part("load --dry-run of telescope events", error) from error
        clocks = Clocks(_EPOCH)
        for block in blocks:
            try:
                decoded = decode_records(block.records, self._detector, clocks)
            except MalformedBatchError as error:
                raise click.UsageError(str(error)) from error
            refused = tuple(Rejection(r.position, r.detail) for r in decoded.rejections)
            yield Ack(len(block) - len(refused), 0, 0, len(refused), refused)
