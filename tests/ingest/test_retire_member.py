"""A member of a share group is taken out for good, as docs/operations.md says."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.conftest import query
from tests.support.processes import Mosquitto, Service, wait_until

PAGE = Path(__file__).parents[2] / "docs/operations.md"
MESSAGES = "eventindex_ingest_received_messages_total"
FILE = str(uuid.UUID(int=1))


def publish(broker: Mosquitto, numbers: range) -> None:
    """Events, each a message, acknowledged by the broker."""
    lines = (
        json.dumps(
            {"run_number": 1, "event_number": n, "olt_result": 0, "dsid_raw": 1, "fuid_raw": FILE}
        )
        for n in numbers
    )
    subprocess.run(
        ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "eventindex/v1/json/x", "-l"],
        input="\n".join(lines),
        text=True,
        check=True,
    )


def member(broker: Mosquitto, database_url: str, number: int) -> Service:
    """One of the group; each has a client id of its own."""
    return Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=broker.url,
        mqtt_share_group="retire",
        mqtt_client_id=f"eventindex-ingest-{number}",
    ).start()


@pytest.mark.slow
def test_nothing_is_lost_when_a_member_leaves(mosquitto: Mosquitto, database_url: str) -> None:
    """Its share is stored before its session ends, and the others get everything after that."""

    def stored(count: int) -> None:
        sql = "SELECT count(*) FROM events"
        wait_until(lambda: query(database_url, sql) == [(count,)], what=f"{count} events")

    stays, leaves = member(mosquitto, database_url, 1), member(mosquitto, database_url, 3)
    try:
        publish(mosquitto, range(200))
        stored(200)
        assert leaves.metric(MESSAGES) > 0
        assert leaves.terminate() == 0
        publish(mosquitto, range(200, 300))  # a sender that was not held back
        leaves.start()
        stored(300)
        assert leaves.metric(MESSAGES) > 0  # its session was not empty: once more
        assert leaves.terminate() == 0
        leaves.start()
        wait_until(lambda: leaves.metric("eventindex_broker_up"), what="broker")
        assert leaves.metric(MESSAGES) == 0
        assert leaves.terminate() == 0
        command = "mosquitto_sub -V 5 -x 0 -i eventindex-ingest-3 -t unused -E"
        assert f"       {command}\n" in PAGE.read_text("utf-8")
        subprocess.run([*command.split(), "-p", str(mosquitto.port)], check=True, timeout=20)
        publish(mosquitto, range(300, 400))
        stored(400)
    finally:
        stays.close()
        leaves.close()
