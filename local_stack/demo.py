"""`make run`: the local stack with sample events sent over MQTT and looked up over gRPC.

Keeps serving until Ctrl-C. Never sends anything to a broker or a database that was not started
here unless EVENTINDEX_MQTT_URL or EVENTINDEX_DATABASE_URL says so.
"""

from __future__ import annotations

import shlex
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from prometheus_client.parser import text_string_to_metric_families

import eventindex
from event_store.errors import StoreError, StoreUnavailableError
from eventindex.cli.publish_mqtt import Broker, BrokerError, Publisher
from eventindex.columns import EventColumns, serialize
from eventindex.v1 import admin_pb2
from ingest_service.admin.tokens import create_without_service
from local_stack.command import run_stack, say, say_ready
from local_stack.errors import StackError
from local_stack.samples import (
    RUNS,
    TELESCOPE_DETECTOR,
    TELESCOPE_EVENTS,
    TELESCOPE_RUN,
    generated_events,
    sample_pairs,
    telescope_lines,
)
from local_stack.stack import Stack
from service_kit.settings import Settings

_OUTCOMES = ("inserted", "duplicate", "conflict", "rejected")
_LIMIT_S = 60.0
_POLL_S = 0.05
_TOKEN_LIFETIME_S = 600


def demonstrate(stack: Stack) -> None:
    """Send the samples, look them up, say so, and serve until stopped."""
    say_ready(stack)
    before = _outcomes(stack)
    batches = generated_events()
    pairs = sample_pairs(batches)
    n_events = len(pairs[0])
    sent = _publish(stack, list(_messages(stack.settings, batches)))
    say(
        f"Sent {sent} MQTT messages: {len(TELESCOPE_EVENTS)} events of a cosmic-ray telescope "
        f"(run {TELESCOPE_RUN})\nand {n_events - len(TELESCOPE_EVENTS):,} generated events "
        f"(runs {RUNS[0]} to {RUNS[-1]})."
    )
    stored = _wait_until_stored(stack, before, n_events)
    say(
        f"Stored {stored['inserted']:,} new events; {stored['duplicate']:,} were there before, "
        f"{stored['conflict']:,} in conflict, {stored['rejected']:,} rejected."
    )
    tokens = stack.settings.require_tokens
    _look_up(stack, *pairs, token=_short_token(stack) if tokens else None)
    say("Try it from another terminal:")
    if tokens:
        create = f"{_command(stack.settings)} token create --subject you --scope admin"
        say(f'  export EVENTINDEX_TOKEN=$({create} --database "$EVENTINDEX_DATABASE_URL")')
    say(f"  echo {TELESCOPE_RUN} {TELESCOPE_EVENTS[0]} | {_command(stack.settings)} lookup -")
    event = f"{TELESCOPE_RUN}/{TELESCOPE_EVENTS[0]}"
    header = '-H "Authorization: Bearer $EVENTINDEX_TOKEN" ' if tokens else ""
    say(f"  curl {header}{stack.endpoints.http}/api/v1/events/{event}")
    say("Ctrl-C stops everything.")
    say(f"Open {stack.endpoints.http}")
    stack.wait()


def _messages(settings: Settings, batches: Sequence[EventColumns]) -> Iterator[tuple[str, bytes]]:
    """Yield topic and payload of every sample message."""
    for line in telescope_lines():
        yield f"{settings.mqtt_topic_cosmic}/{TELESCOPE_DETECTOR}/event", line
    for number, batch in enumerate(batches):
        yield f"{settings.mqtt_topic_batch}/demo", serialize(number, batch).data


def _publish(stack: Stack, messages: Sequence[tuple[str, bytes]]) -> int:
    """Send the messages at QoS 1 and wait until the broker has taken them all."""
    try:
        with Publisher(Broker(stack.endpoints.mqtt), silence_seconds_max=_LIMIT_S) as publisher:
            for topic, payload in messages:
                publisher.publish(topic, payload)
            publisher.wait()
    except BrokerError as error:
        raise StackError(f"cannot send the samples to {stack.endpoints.mqtt}: {error}") from error
    return len(messages)


def _outcomes(stack: Stack) -> dict[str, int]:
    """Return what ingest_service has counted over MQTT since it started, events by outcome."""
    counts = dict.fromkeys(_OUTCOMES, 0)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(stack.endpoints.ingest_metrics, timeout=5) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
    except OSError as error:
        # Where ingest_service has died, its own last words say more.
        stack.family.wait(1)
        raise StackError(f"{stack.endpoints.ingest_metrics}: {error}") from error
    for family in families:
        for sample in family.samples:
            for outcome in _OUTCOMES:
                if (
                    sample.name == f"eventindex_ingest_{outcome}_events_total"
                    and sample.labels.get("door") == "mqtt"
                ):
                    counts[outcome] += int(sample.value)
    return counts


def _wait_until_stored(stack: Stack, before: Mapping[str, int], n_events: int) -> dict[str, int]:
    stored: dict[str, int] = {}

    def all_stored() -> bool:
        now = _outcomes(stack)
        stored.update({outcome: now[outcome] - before[outcome] for outcome in _OUTCOMES})
        return sum(stored.values()) >= n_events

    _wait_until(stack, all_stored, "ingest_service")
    return stored


def _short_token(stack: Stack) -> str:
    """Return a token for the lookup below; who may read the database's password may make one."""
    request = admin_pb2.CreateTokenRequest(
        subject="make run",
        scopes=["lookup"],
        lifetime_seconds=min(_TOKEN_LIFETIME_S, stack.settings.token_lifetime_max_s),
    )
    try:
        return create_without_service(stack.endpoints.database, request).secret
    except (StoreError, StoreUnavailableError) as error:
        raise StackError(f"cannot make a token: {error}") from error


def _look_up(
    stack: Stack,
    runs: npt.NDArray[np.int64],
    events: npt.NDArray[np.int64],
    *,
    token: str | None,
) -> None:
    try:
        with eventindex.connect(stack.endpoints.index, token=token) as index:
            started = time.perf_counter()
            result = index.lookup((runs, events))
            seconds = time.perf_counter() - started
            telescope = index.lookup([(TELESCOPE_RUN, event) for event in TELESCOPE_EVENTS])
    except eventindex.EventIndexError as error:
        raise StackError(f"cannot look up the samples: {error}") from error
    say(f"Found {result.found:,} of {len(runs):,} (run, event) pairs over gRPC in {seconds:.2f} s:")
    for event, fuid in zip(TELESCOPE_EVENTS, telescope.fuids(), strict=True):
        say(f"  run {TELESCOPE_RUN} event {event} is in RAW file {fuid}")


def _wait_until(stack: Stack, done: Callable[[], bool], who: str) -> None:
    """Poll, and notice signals and failures meanwhile."""
    limit = time.monotonic() + _LIMIT_S
    while not done():
        if time.monotonic() > limit:
            raise StackError(f"{who} has not taken the samples within {_LIMIT_S:g} s")
        stack.family.wait(_POLL_S)


def _command(settings: Settings) -> str:
    """Return this environment's command line, as it can be pasted into another terminal."""
    program = Path(sys.executable).with_name("eventindex")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    data = settings.data_dir.absolute()
    if data == Path.cwd() / ".eventindex":
        return shlex.quote(str(program))
    return f"EVENTINDEX_DATA_DIR={shlex.quote(str(data))} {shlex.quote(str(program))}"


if __name__ == "__main__":
    sys.exit(run_stack(None, demonstrate))
