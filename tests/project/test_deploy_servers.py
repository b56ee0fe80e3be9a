"""What deploy/ sets up, in the real servers: the broker's configuration and the reader's role."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import psycopg2
import pytest

from event_store.database.migrate import migrate
from event_store.database.rights import READER_RIGHTS
from eventindex.v1 import admin_pb2, lookup_pb2, lookup_pb2_grpc
from ingest_service.admin.tokens import create_without_service
from tests.conftest import execute, query
from tests.support.ports import free_port
from tests.support.processes import (
    POSTGRES_BIN_PATH,
    Service,
    server_directory,
    wait_until,
)

DEPLOY = Path(__file__).parents[2] / "deploy"


class Broker(NamedTuple):
    """A broker that runs: its port, its directory, its process."""

    port: int
    data: Path
    pid: int
    stations: int


def secret_files(folder: Path, **values: str) -> Path:
    """A directory as Compose mounts its secrets."""
    path = folder / "secrets"
    path.mkdir(exist_ok=True)
    for name, value in values.items():
        (path / name).write_text(value)
    return path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Mosquitto as docker-compose.yml starts it, on a free port of this machine."""
    port = free_port()
    data = server_directory("deploy-mqtt")
    config = tmp_path / "config"
    shutil.copytree(DEPLOY / "mosquitto", config)
    file = config / "mosquitto.conf"
    text = file.read_text("utf-8").replace("/mosquitto/data", str(data))
    file.write_text(text.replace("listener 1883", f"listener {port} 127.0.0.1"), "utf-8")
    data.chmod(0o777)
    stations = free_port()
    file = config / "stations.conf"
    plain = [line for line in file.read_text("utf-8").splitlines() if "file " not in line]
    text = "\n".join(plain).replace("listener 8883", f"listener {stations} 127.0.0.1")
    file.write_text(f"{text}\n", "utf-8")
    certificates = tmp_path / "certs"
    certificates.mkdir()
    (certificates / "server.pem").touch()
    secrets = secret_files(tmp_path, mqtt_ingest_password="in", mqtt_publisher_password="out")
    process = subprocess.Popen(
        ["sh", config / "start.sh", data, config, secrets, certificates], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: listens(port), what="Mosquitto")
    yield Broker(port, data, process.pid, stations)
    process.terminate()
    assert process.wait(30) == 0
    shutil.rmtree(data)


PASSWORDS: dict[str, str] = {}  # of the users that a test made


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def mqtt(program: str, port: int, user: str | None, *arguments: str) -> Any:
    known = {"ingest": "in", "publisher": "out", **PASSWORDS}
    login = ["-u", user, "-P", known[user]] if user else []
    return subprocess.Popen(
        [program, "-h", "127.0.0.1", "-p", str(port), "-V", "5", "-q", "1", *login, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_broker_keeps_strangers_out_and_lets_each_side_do_its_own(broker: Broker) -> None:
    """Nobody enters without a password; publishers write, the ingest service reads."""
    stranger = mqtt("mosquitto_pub", broker.port, None, "-t", "cosmic/0/event", "-m", "x")
    stranger.communicate(timeout=20)
    assert stranger.returncode != 0
    session = ("-c", "-i", "test", "-t", "cosmic/+/event")
    first = mqtt("mosquitto_sub", broker.port, "ingest", *session, "-E")
    first.communicate(timeout=20)
    for user, text in (("ingest", "own side"), ("publisher", "event")):
        mqtt("mosquitto_pub", broker.port, user, "-t", "cosmic/0/event", "-m", text).communicate()
    out, _ = mqtt("mosquitto_sub", broker.port, "ingest", *session, "-C", "1").communicate(
        timeout=20
    )
    assert out == "event\n"


def test_a_detector_gets_a_user_and_loses_it(broker: Broker) -> None:
    """users.sh adds a user to a running broker, who writes one topic, reads and steals nothing."""

    def users(*arguments: str) -> str:
        name = (*arguments, "")[1]
        command = ["sh", DEPLOY / "mosquitto/users.sh", arguments[0], name, broker.data]
        done = subprocess.run(
            [*command, str(broker.pid)], check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    def publish(topic: str) -> int:
        sent = mqtt("mosquitto_pub", broker.port, "det.7", "-t", topic, "-m", "x")
        sent.communicate(timeout=20)
        return sent.returncode

    PASSWORDS["det.7"] = users("add", "det.7")
    users("add", "detx7")
    users("remove", "detx7")
    assert users("list") == "det.7"
    session = ("-c", "-i", "test", "-t", "cosmic/+/event")
    mqtt("mosquitto_sub", broker.port, "ingest", *session, "-E").communicate(timeout=20)
    wait_until(lambda: publish("cosmic/det.7/event") == 0, what="user")
    publish("cosmic/8/event")
    thief = ("-c", "-i", "test", "-t", "#", "-W", "2")
    stolen = mqtt("mosquitto_sub", broker.stations, "det.7", *thief)
    assert stolen.communicate(timeout=20)[0] == ""
    everything = mqtt("mosquitto_sub", broker.port, "ingest", *session, "-W", "2", "-v")
    assert set(everything.communicate(timeout=20)[0].split("\n")) == {"cosmic/det.7/event x", ""}
    # The ingest service asks for its messages from now on; what is retained would come each time.
    topic = ("-t", "cosmic/det.7/event")
    mqtt("mosquitto_pub", broker.port, "det.7", "-r", *topic, "-m", "x").communicate(timeout=20)
    late = mqtt("mosquitto_sub", broker.port, "ingest", *topic, "-W", "1")
    assert late.communicate(timeout=20)[0] == ""
    users("remove", "det.7")
    wait_until(lambda: publish("cosmic/det.7/event") != 0, what="refusal")
    with pytest.raises(subprocess.CalledProcessError):
        users("add", "ingest")


def test_health_check_of_the_broker_needs_no_argument(broker: Broker) -> None:
    """mosquitto_sub finds user and password in the file that start.sh wrote."""
    environment = os.environ | {"XDG_CONFIG_HOME": str(broker.data / "health")}
    asked = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port)]
    asked += ["-t", "eventindex/v1/health", "-E"]
    subprocess.run(asked, env=environment, check=True, timeout=20)


def test_ingest_service_takes_events_from_the_broker(broker: Broker, deployed: str) -> None:
    """The ingest user may subscribe to all topics, and its role stores what a publisher sends."""
    service = Service(
        "ingest_service",
        database_url=deployed.replace("owner@", "ingest_service@"),
        mqtt_url=f"mqtt://ingest:in@127.0.0.1:{broker.port}",
    )
    event = {"run_number": 1, "event_number": 2, "olt_result": 0, "dsid_raw": 3}
    text = json.dumps(event | {"fuid_raw": str(uuid.uuid4())})
    try:
        service.start()
        topic = ("-t", "eventindex/v1/json/deploy", "-m", text)
        mqtt("mosquitto_pub", broker.port, "publisher", *topic).communicate(timeout=20)
        wait_until(lambda: service.metric("eventindex_ingest_inserted_events_total"), what="event")
    finally:
        service.close()
    assert query(deployed, "SELECT run_number, event_number FROM events") == [(1, 2)]


@pytest.fixture
def deployed(postgres: Any, tmp_path: Path) -> Iterator[str]:
    """A migrated database as docker-compose.yml makes it, with the roles; the owner's URL."""
    execute(postgres.url(), "CREATE DATABASE deploy_reader")
    secrets = secret_files(
        tmp_path,
        reader_password="it's secret",
        writer_password="it's a third",
        gateway_password="it's another",
    )
    environment = os.environ | {
        "PATH": f"{POSTGRES_BIN_PATH}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": "owner",
        "PGDATABASE": "deploy_reader",
    }
    for _ in range(2):  # the second start
        subprocess.run([DEPLOY / "postgres/roles.sh", secrets], check=True, env=environment)
        migrate(postgres.url("deploy_reader"))
    yield postgres.url("deploy_reader")
    execute(postgres.url(), "DROP DATABASE deploy_reader WITH (FORCE)")
    for role in ("ingest_service", "index_service", "rest_gateway"):
        execute(postgres.url(), f"DROP ROLE {role}")


@pytest.fixture
def reader_url(deployed: str) -> str:
    """The same as the role of index_service."""
    return deployed.replace("owner@", "index_service@")


def test_gateway_role_may_use_its_jobs_and_nothing_else(deployed: str) -> None:
    """The role of rest_gateway starts it, writes the tables of the jobs, and reads no events."""
    url = deployed.replace("owner@", "rest_gateway@")
    execute(
        url,
        "INSERT INTO http_job (job_id, state, expires, with_olt_result) "
        "VALUES (gen_random_uuid(), 'queued', now(), false)",
    )
    execute(url, "DELETE FROM http_job")
    service = Service("rest_gateway", database_url=url)
    try:
        service.start(wait="/healthz")
        wait_until(lambda: "database: ok" in service.page("/readyz")[1], what="database")
    finally:
        service.close()
    for table in ("run", "event_page", "dead_letter", "cosmic_event"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(url, f"SELECT FROM {table}")


def test_reader_role_may_read_what_the_migrations_make_and_change_nothing(reader_url: str) -> None:
    """The role of index_service selects from the tables of events and the view, and writes none."""
    with contextlib.closing(psycopg2.connect(reader_url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for table in READER_RIGHTS:
            cursor.execute(f"SELECT count(*) FROM {table}")
        cursor.execute("SELECT * FROM events, lookup_event(1, 1)")
        cursor.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("INSERT INTO run (run_number) VALUES (1)")


def test_index_service_answers_with_the_reader_role(reader_url: str) -> None:
    """Lookups and the check of their tokens need no more than the role that may only read."""
    owner_url = reader_url.replace("index_service@", "owner@")
    wanted = admin_pb2.CreateTokenRequest(subject="x", scopes=["lookup"], lifetime_seconds=60)
    secret = create_without_service(owner_url, wanted).secret
    service = Service("index_service", database_url=reader_url, require_tokens=True)
    try:
        with grpc.insecure_channel(service.start().address) as channel:
            request = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1, 2])
            answer = lookup_pb2_grpc.IndexServiceStub(channel).Lookup(
                request, timeout=20, metadata=[("authorization", f"Bearer {secret}")]
            )
    finally:
        service.close()
    assert (list(answer.file_indexes), answer.not_found) == ([0, 0], 2)
