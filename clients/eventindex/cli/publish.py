"""`eventindex publish`: the events of a file as MQTT messages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from eventindex.addresses import find_address
from eventindex.cli.shared.common import EXIT_NOT_ALL, counted, missing_part, note, open_input
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.ranges import decimal

if TYPE_CHECKING:
    from eventindex.cli.event_files.text import BadRow, EventBlock

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EVENTS_PER_MESSAGE = 100
_BAD_ROWS_SHOWN = 20
# MQTT has two bytes for its length.
_TOPIC_BYTES_MAX = 65_535


def _check_topic(_: click.Context, __: click.Parameter, topic: str) -> str:
    """Refuse a topic that no message can go to, before anything is read."""
    shown = repr(topic if len(topic) <= 60 else topic[:60] + "…")
    if not topic or "\0" in topic or len(topic.encode(errors="replace")) > _TOPIC_BYTES_MAX:
        raise click.BadParameter(f"{shown} is empty, has a NUL, or is above 65,535 bytes")
    if "#" in topic or "+" in topic:
        raise click.BadParameter(f"{shown} has a wildcard (# or +): a message goes to one topic")
    return topic


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--topic",
    required=True,
    callback=_check_topic,
    help="For example cosmic/0/event, eventindex/v1/json/daq.",
)
@click.option(
    "--url",
    metavar="URL",
    help="mqtt://[user:password@]host[:port] or mqtts://… (default: EVENTINDEX_MQTT_URL, or what "
    "`up` runs).",
)
@click.option("--rate", type=decimal(0, above=True), help="Messages a second.")
@click.option(
    "--timeout",
    type=decimal(0, above=True),
    default=30.0,
    show_default=True,
    help="Longest wait for an acknowledgement, seconds.",
)
@click.option("--tls-ca", type=_FILE, help="Certificates to trust, PEM.")
@click.option("--tls-cert", type=_FILE, help="Own certificate, PEM.")
@click.option("--tls-key", type=_FILE, help="Key of the own certificate, PEM.")
@click.option("--alpn", default="", help="ALPN protocol name (AWS IoT: x-amzn-mqtt-ca).")
def publish(
    *,
    file: str,
    topic: str,
    url: str | None,
    rate: float | None,
    timeout: float,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    alpn: str,
) -> None:
    """Send the events of FILE over MQTT.

    At QoS 1; waits until the broker has acknowledged every message.

    A .csv file (all five fields) becomes JSON arrays of up to 100 events; of any other file each
    line is a message as it stands.

    Exit code: 0 all were acknowledged, 3 some rows of a CSV file were not sent, 1 failure, 2 bad
    usage.
    """
    from eventindex.cli.event_files.text import FileFormatError

    try:
        from eventindex.cli.publish_mqtt import Broker, Publisher  # not in a light install
    except ModuleNotFoundError as error:
        raise missing_part("publish", error) from error
    broker = Broker(find_address("mqtt", url), tls_ca, tls_cert, tls_key, alpn)
    with (
        open_input(file) as stream,
        ProgressReport(file, None) as progress,
        Publisher(broker, silence_seconds_max=timeout) as publisher,
    ):
        bad_rows = _BadRows(progress)
        try:
            # Closed before the file that it reads, also when the broker refuses.
            with closing(_messages(stream, Path(file).suffix, bad_rows.report)) as messages:
                for payload in _paced(messages, rate):
                    publisher.publish(topic, payload)
                    progress.at(publisher.acknowledged, counted(publisher.acknowledged, "message"))
        except FileFormatError as error:
            raise click.UsageError(f"{file}: {error}") from error
        publisher.wait()
    note(f"{counted(publisher.acknowledged, 'message')} acknowledged by the broker")
    if publisher.unheard:
        note(
            f"eventindex: nobody is subscribed to {topic}: "
            f"{counted(publisher.unheard, 'message')} dropped"
        )
    if bad_rows.count:
        note(f"eventindex: {counted(bad_rows.count, 'row')} not sent")
    if publisher.unheard or bad_rows.count:
        sys.exit(EXIT_NOT_ALL)


class _BadRows:
    """Prints the first bad rows and counts all."""

    def __init__(self, progress: ProgressReport) -> None:
        self._progress = progress
        self.count = 0

    def report(self, bad: BadRow) -> None:
        self.count += 1
        if self.count <= _BAD_ROWS_SHOWN:
            self._progress.line(f"eventindex: line {bad.line}: {bad.problem}")


def _messages(
    stream: BinaryIO, suffix: str, report: Callable[[BadRow], None]
) -> Generator[bytes, None, None]:
    from eventindex.cli.event_files.text import Defaults, read_csv

    if suffix.lower() == ".csv":
        for block in read_csv(stream, Defaults(), report):
            yield from _arrays(block)
        return
    for line in stream:
        if payload := line.strip():
            yield payload


def _arrays(block: EventBlock) -> Iterator[bytes]:
    """Yield the events of a block as JSON arrays."""
    from eventindex.text_rows import event_objects

    events = event_objects(block.columns).splitlines()
    for start in range(0, len(events), _EVENTS_PER_MESSAGE):
        yield f"[{','.join(events[start : start + _EVENTS_PER_MESSAGE])}]".encode()


def _paced(messages: Iterator[bytes], rate: float | None) -> Iterator[bytes]:
    """Pass messages on at a rate, measured from the first."""
    started = time.monotonic()
    for count, message in enumerate(messages):
        if rate is not None:
            time.sleep(max(0.0, started + count / rate - time.monotonic()))
        yield message
