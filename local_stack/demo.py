"""`make run`: the local stack; into an empty index it sends samples over MQTT, and looks them up.

Keeps serving until Ctrl-C. Never sends anything to a broker or a database that was not started
here unless EVENTINDEX_MQTT_URL or EVENTINDEX_DATABASE_URL says so.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import eventindex
from event_store.errors import StoreError, StoreUnavailableError
from eventindex.cli.publish_mqtt import Broker, BrokerError, Publisher
from eventindex.collection_names import RAW, chosen_name
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
    generated_pairs,
    telescope_lines,
)
from local_stack.stack import Stack
from service_kit.settings import Settings

_OUTCOMES = ("inserted", "duplicates", "conflicts", "rejected")
_LIMIT_S = 60.0
_POLL_S = 0.05
_TOKEN_LIFETIME_S = 600


def demonstrate(stack: Stack) -> None:
    """Send the samples, look them up, say so, and serve until stopped."""
    say_ready(stack)
    tokens = stack.settings.require_tokens
    with eventindex.connect(
        stack.endpoints.index,
        ingest_address=stack.endpoints.ingest,
        token=_short_token(stack) if tokens else None,
    ) as client:
        if _is_empty(client):
            _store_and_look_up(stack, client)
        else:
            say("The index has events already: no samples are stored.")
    say("Try it from another terminal:")
    if tokens:
        create = f"{_command(stack.settings)} token create --subject you --scope admin"
        say(f'  export EVENTINDEX_TOKEN=$({create} --database "")')
    telescope = f"lookup --detector {TELESCOPE_DETECTOR} -"
    say(f"  echo {TELESCOPE_RUN} {TELESCOPE_EVENTS[0]} | {_command(stack.settings)} {telescope}")
    event = f"{TELESCOPE_RUN}/{TELESCOPE_EVENTS[0]}?detector={TELESCOPE_DETECTOR}"
    url = f"{stack.endpoints.http}/api/v1/events/{event}"
    # The shell's own printf: others see the arguments of curl.
    header = "printf 'Authorization: Bearer %s' \"$EVENTINDEX_TOKEN\" | "
    say(f"  {header}curl -H @- {url}" if tokens else f"  curl {url}")
    if not stack.settings.mqtt_url:
        message = '{"RunNumber": 9000001, "EventNumber": 1, "TriggerBits": 1}'
        publish = f"{_mosquitto(stack.settings)} mosquitto_pub -q 1 -t cosmic/roof-2/event"
        say(f"  {publish} -m '{message}'")
    say("Ctrl-C stops everything.")
    say(f"Open {stack.endpoints.http}")
    stack.wait()


def _is_empty(client: eventindex.Client) -> bool:
    """Return whether nobody's events would lie beside the samples."""
    try:
        return client.index_status().events == 0
    except eventindex.EventIndexError as error:
        raise StackError(f"cannot ask what is in the index: {error}") from error


def _store_and_look_up(stack: Stack, client: eventindex.Client) -> None:
    before = _outcomes(stack, client)
    batches = generated_events()
    pairs = generated_pairs(batches)
    n_events = len(TELESCOPE_EVENTS) + len(pairs[0])
    sent = _publish(stack, list(_messages(stack.settings, batches)))
    say(
        f"Sent {sent} MQTT messages: {len(TELESCOPE_EVENTS)} events of a cosmic-ray telescope "
        f"(run {TELESCOPE_RUN})\nand {n_events - len(TELESCOPE_EVENTS):,} generated events "
        f"(runs {RUNS[0]} to {RUNS[-1]})."
    )
    stored = _wait_until_stored(stack, client, before, n_events)
    say(
        f"Stored {stored['inserted']:,} new events; {stored['duplicates']:,} were there before, "
        f"{stored['conflicts']:,} in conflict, {stored['rejected']:,} rejected."
    )
    _look_up(client, *pairs)


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
        raise StackError(f"cannot send the samples: {error}") from error
    return len(messages)


def _outcomes(stack: Stack, client: eventindex.Client) -> dict[str, int]:
    """Return what ingest_service has counted over MQTT since it started, events by outcome."""
    try:
        [mqtt] = [door for door in client.ingest_status(timeout=5) if door.door == "mqtt"]
    except eventindex.EventIndexError as error:
        # If ingest_service has died, report that instead: it says more.
        stack.family.wait(1)
        raise StackError(f"{stack.endpoints.ingest}: {error}") from error
    return {outcome: getattr(mqtt, outcome) for outcome in _OUTCOMES}


def _wait_until_stored(
    stack: Stack, client: eventindex.Client, before: Mapping[str, int], n_events: int
) -> dict[str, int]:
    stored: dict[str, int] = {}

    def all_stored() -> bool:
        now = _outcomes(stack, client)
        stored.update({outcome: now[outcome] - before[outcome] for outcome in _OUTCOMES})
        return sum(stored.values()) >= n_events

    _wait_until(stack, all_stored, "ingest_service")
    return stored


def _short_token(stack: Stack) -> str:
    """Return a token for the calls below; who may read the database's password may make one."""
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
    client: eventindex.Client, runs: npt.NDArray[np.int64], events: npt.NDArray[np.int64]
) -> None:
    try:
        started = time.perf_counter()
        result = client.lookup((runs, events))
        of_telescope = [(TELESCOPE_RUN, event) for event in TELESCOPE_EVENTS]
        telescope = client.lookup(of_telescope, collection=_telescope_collection(client))
        seconds = time.perf_counter() - started
    except eventindex.EventIndexError as error:
        raise StackError(f"cannot look up the samples: {error}") from error
    found, pairs = result.found + telescope.found, len(result) + len(telescope)
    say(f"Found {found:,} of {pairs:,} (run, event) pairs over gRPC in {seconds:.2f} s:")
    for event, fuid in zip(TELESCOPE_EVENTS, telescope.fuids(), strict=True):
        say(
            f"  run {TELESCOPE_RUN} event {event} of telescope {TELESCOPE_DETECTOR} "
            f"is in RAW file {fuid}"
        )


def _telescope_collection(client: eventindex.Client) -> str:
    """Return where the telescope's run is: in data of an older version in "raw"."""
    names = [one.name for one in client.collections_of([TELESCOPE_RUN])]
    own = chosen_name(RAW, TELESCOPE_DETECTOR)
    return own if own in names else RAW


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


def _mosquitto(settings: Settings) -> str:
    """Return what stands before a program of Mosquitto, which then finds the broker's password."""
    directory = settings.data_dir.absolute() / "mqtt"
    if directory.is_relative_to(Path.cwd()):
        directory = directory.relative_to(Path.cwd())
    return f"XDG_CONFIG_HOME={shlex.quote(str(directory))}"


if __name__ == "__main__":
    sys.exit(run_stack(None, demonstrate))
