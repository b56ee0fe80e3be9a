"""`eventindex up` as a person uses it: real processes in directories of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from local_stack.account import Account, unprivileged_account
from local_stack.broker import find_mosquitto
from local_stack.children import Family
from local_stack.data_dir import DataDir, opened_data_dir
from local_stack.errors import StopRequestedError
from local_stack.postgres_binaries import postgres_programs
from tests.support.up import INSERT, LIMIT_S, Up, assert_gone, open_page, query


@pytest.fixture(scope="module")
def served() -> Iterator[Up]:
    """A stack that runs for all tests that only look at it."""
    root = Path(tempfile.mkdtemp(prefix="eventindex-up-"))
    root.chmod(0o755)
    up = Up(root / "data")
    yield up
    up.stop()
    shutil.rmtree(root)


def test_addresses_answer(served):
    """endpoints.json names what answers, each service with a login of its own."""
    endpoints = served.endpoints()
    assert set(endpoints) == {
        *("index", "ingest", "mqtt", "database", "http", "pids"),
        *("index_metrics", "ingest_metrics", "http_metrics"),
    }
    assert endpoints["mqtt"].startswith("mqtt://")
    for name in ("index_metrics", "ingest_metrics", "http_metrics"):
        assert "eventindex_build_info" in open_page(endpoints[name])
    for name in ("index", "ingest"):
        host, _, port = endpoints[name].rpartition(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
    logins = query(
        endpoints,
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'eventindex' "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1",
    )
    assert [login for (login,) in logins] == ["index_service", "ingest_service", "rest_gateway"]
    assert query(endpoints, "SHOW synchronous_commit") == [("on",)]


@pytest.mark.slow
def test_data_outlives_a_restart(run_up, data):
    """Ctrl-C and SIGTERM stop it all, and the data stays."""
    up = run_up()
    endpoints = up.endpoints()
    query(endpoints, "CREATE TABLE kept (event_number bigint)")
    query(endpoints, INSERT)

    assert up.stop(signal.SIGINT) == 0, up.text
    assert not (data / "endpoints.json").exists()
    assert_gone(endpoints["pids"])

    again = run_up()
    endpoints = again.endpoints()
    assert query(endpoints, "SELECT event_number FROM kept") == [(4917,)]
    assert again.stop(signal.SIGTERM) == 0, again.text
    assert_gone(endpoints["pids"])


def test_nobody_else_can_read_the_password_or_come_in_without_it(served):
    """Both servers ask for passwords: in files for their owner alone, not in arguments or logs."""
    endpoints, data = served.endpoints(), served.data
    secret = ("endpoints.json", "database_password", "broker_password", "mqtt", "logs", "broker")
    for name in secret:
        assert (data / name).stat().st_mode & 0o077 == 0
    password = (data / "database_password").read_text()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(endpoints["database"].replace(password, "guess"))
    of_broker = (data / "broker_password").read_text().strip()
    assert f":{of_broker}@" in endpoints["mqtt"]
    shown = [served.text, *(path.read_text() for path in (data / "logs").iterdir())]
    shown += [" ".join(psutil.Process(pid).cmdline()) for pid in endpoints["pids"].values()]
    assert not [text for text in shown if password in text or of_broker in text]


def connections_of(process: psutil.Process) -> list:
    """The connections of a process; of one that is gone by now, none."""
    try:
        return process.net_connections("inet")
    except (psutil.NoSuchProcess, FileNotFoundError):
        return []


def test_everything_listens_on_loopback_only(served):
    """No child accepts connections from other machines."""
    endpoints = served.endpoints()
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for name, pid in endpoints["pids"].items()
        if name != "up"
        for child in [psutil.Process(pid)]
        for process in (child, *child.children(recursive=True))
        for connection in connections_of(process)
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 6
    assert set(listening) == {"127.0.0.1"}


def test_a_second_up_on_the_same_data_is_refused(served):
    """The second says which directory is in use, and the first goes on."""
    endpoints = served.endpoints()
    second = Up(served.data)
    assert second.process.wait(LIMIT_S) == 1
    used = f"another `eventindex up` uses {served.data}: stop it first"
    assert second.text.strip() == f"eventindex: {used}"
    assert served.process.poll() is None
    assert query(endpoints, "SELECT 1") == [(1,)]


def test_a_port_that_was_asked_for_and_is_taken_is_named(run_up):
    """A port from a setting is not replaced."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        up = run_up(EVENTINDEX_INDEX_ADDRESS=address)
        assert up.process.wait(LIMIT_S) == 1
    assert f"EVENTINDEX_INDEX_ADDRESS is {address}" in up.text


@pytest.mark.slow
def test_amqtt_stands_in_for_mosquitto_and_says_what_it_lacks(run_up):
    """Without Mosquitto the stack runs on amqtt and names its limits."""
    up = run_up("--broker", "amqtt")
    endpoints = up.endpoints()
    assert "3.1.1 only" in up.text
    assert "forgets its messages" in up.text
    command = psutil.Process(endpoints["pids"]["broker"]).cmdline()
    assert "local_stack.amqtt_broker" in command
    assert up.stop() == 0, up.text


def test_mosquitto_is_looked_for_on_the_path(monkeypatch, tmp_path):
    """The first Mosquitto of the PATH is taken; without one there is none."""
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mosquitto() == str(program)
    program.unlink()
    monkeypatch.setattr("local_stack.broker._SYSTEM_PROGRAMS", ())
    assert find_mosquitto() is None


@pytest.mark.slow
def test_servers_that_are_there_are_used(run_up):
    """With the two URLs set nothing but the services is started."""
    first = run_up().endpoints()
    other = Path(tempfile.mkdtemp(prefix="eventindex-up-"))
    up = Up(
        other / "data",
        EVENTINDEX_DATABASE_URL=first["database"],
        EVENTINDEX_MQTT_URL=first["mqtt"],
        EVENTINDEX_MQTT_CLIENT_ID="second",
    )
    other.chmod(0o755)
    try:
        endpoints = up.endpoints()
        services = {"ingest_service", "index_service", "rest_gateway"}
        assert set(endpoints["pids"]) == {"up", *services}
        assert endpoints["database"] == first["database"]
        assert endpoints["index"] != first["index"]
        assert up.stop() == 0, up.text
    finally:
        shutil.rmtree(other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_directory_that_the_unprivileged_user_cannot_enter_is_named(run_up, data):
    """One line names the directory, the user and the setting."""
    data.parent.chmod(0o700)
    up = run_up()
    assert up.process.wait(LIMIT_S) == 1
    assert len(up.text.splitlines()) == 1
    assert f"cannot enter {data.parent}: set EVENTINDEX_DATA_DIR" in up.text
    assert unprivileged_account().name in up.text


def test_settings_that_are_not_valid_are_named(run_up):
    """A bad setting is one line and exit code 2."""
    up = run_up(EVENTINDEX_MQTT_KEEPALIVE_S="soon")
    assert up.process.wait(LIMIT_S) == 2
    assert up.text.startswith("eventindex: EVENTINDEX_MQTT_KEEPALIVE_S: ")
    assert len(up.text.splitlines()) == 1


@pytest.mark.slow
def test_the_demonstration_stores_samples_into_an_empty_index_only(data):
    """`make run` sends, stores and finds the samples; beside other events it stores none."""
    lines = run_demonstration(data)
    assert "Stored 88,974 new events; 0 were there before, 0 in conflict, 0 rejected." in lines
    assert any(line.startswith("Found 88,974 of 88,974") for line in lines)
    again = run_demonstration(data)
    assert "The index has events already: no samples are stored." in again
    assert not any(line.startswith(("Sent", "Stored")) for line in again)
    assert all(
        any("eventindex lookup --detector 0 -" in line for line in said) for said in (lines, again)
    )


def run_demonstration(data: Path) -> list[str]:
    """Run it without a terminal until it serves, and stop it with Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "local_stack.demo"],
        env={**os.environ, "EVENTINDEX_DATA_DIR": str(data)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("Open http"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, lines
    return lines


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_root_in_a_closed_checkout_keeps_the_servers_elsewhere(data, monkeypatch):
    """The usual directory is replaced for the servers, by the same one at each start."""
    data.parent.chmod(0o700)
    elsewhere = Path(tempfile.mkdtemp(prefix="eventindex-up-"))
    elsewhere.chmod(0o755)
    monkeypatch.setattr("local_stack.data_dir._ELSEWHERE", elsewhere)
    account = unprivileged_account()
    try:
        with opened_data_dir(data, account, asked=False) as first:
            assert first.root == data
            assert first.postgres.parent.parent == elsewhere
            assert account.first_closed(first.servers) is None
        with opened_data_dir(data, account, asked=False) as second:
            assert second == first
    finally:
        shutil.rmtree(elsewhere)


def test_programs_are_copied_to_where_the_user_can_run_them(data, monkeypatch):
    """Where the Python environment is closed to the servers' user a copy runs, and is kept."""
    account = unprivileged_account()
    monkeypatch.setattr(Account, "first_closed", lambda *_: Path("/closed"))
    data.mkdir()
    programs = postgres_programs(DataDir(data, data), account)
    assert programs.is_relative_to(data)
    made = programs.stat().st_mtime_ns
    assert postgres_programs(DataDir(data, data), account).stat().st_mtime_ns == made


def test_a_signal_is_noticed_whichever_thread_takes_it(data):
    """The main thread, which waits, need not be the one that the kernel interrupts."""
    data.mkdir()
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    family = Family(DataDir(data, data), grace_s=1)
    timer = threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGTERM))
    with family.signals_noticed():
        timer.start()
        with pytest.raises(StopRequestedError, match="SIGTERM"):
            family.wait(10)
    done.set()
    other.join()
    timer.join()


@pytest.mark.slow
def test_a_reader_of_its_output_that_goes_away_does_not_end_it(data):
    """`eventindex up | head -1` goes on serving."""
    reader, writer = os.pipe()
    os.close(reader)
    data.mkdir()
    up = Up(data, stdout=writer)
    os.close(writer)
    try:
        up.endpoints()
    finally:
        assert up.stop() == 0
