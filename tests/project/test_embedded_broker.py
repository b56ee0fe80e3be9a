"""The broker of `eventindex up`: who is let in, and what it bounds."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.account import unprivileged_account
from local_stack.broker import broker_problem, find_mosquitto, prepare_mosquitto
from local_stack.broker_access import USER, broker_password, write_client_files
from local_stack.data_dir import DataDir
from tests.support.ports import free_port
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def embedded() -> Iterator[tuple[DataDir, int]]:
    """The broker as `up` starts it, and the data directory of its stack."""
    root = Path(tempfile.mkdtemp(prefix="eventindex-broker-"))
    root.chmod(0o755)
    data, account = DataDir(root, root), unprivileged_account()
    program = find_mosquitto()
    assert program is not None
    address = f"127.0.0.1:{free_port()}"
    password = broker_password(data)
    spec = prepare_mosquitto(program, data, account, address, password, window=100)
    write_client_files(data, address, password)
    assert not any(password in word for word in spec.command)
    process = subprocess.Popen(spec.command, stderr=subprocess.DEVNULL, **account.identity())
    wait_until(lambda: broker_problem(address) is None, what="Mosquitto")
    yield data, int(address.rpartition(":")[2])
    process.terminate()
    assert process.wait(30) == 0
    shutil.rmtree(root)


def run(data: DataDir, program: str, *arguments: str, home: str = "mqtt") -> tuple[int, str]:
    """Exit code and output of a program of Mosquitto that finds its user below `home`."""
    variables = os.environ | {"HOME": str(data.root), "XDG_CONFIG_HOME": str(data.root / home)}
    done = subprocess.run(
        [program, "-q", "1", "-t", "eventindex/v1/json/x", *arguments],
        env=variables,
        check=False,
        timeout=60,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.returncode, done.stdout


def publish(data: DataDir, *arguments: str, home: str = "mqtt") -> int:
    return run(data, "mosquitto_pub", "-V", "5", "-m", "x", *arguments, home=home)[0]


def test_programs_of_mosquitto_find_user_and_password(embedded) -> None:
    """With the files of the stack they are let in and need not even the port; else nobody is."""
    data, port = embedded
    assert publish(data) == 0
    place = ("-h", "127.0.0.1", "-p", str(port))
    for login in ([], ["-u", USER], ["-u", USER, "-P", "guess"], ["-u", "other", "-P", "guess"]):
        assert publish(data, *place, *login, home="nothing") != 0
    for path in (data.broker_password, data.mqtt_clients, data.mqtt_clients / "mosquitto_pub",
                 data.broker, data.broker / "passwd", data.broker / "mosquitto.conf"):  # fmt: skip
        assert path.stat().st_mode & 0o077 == 0
    assert broker_password(data) not in (data.broker / "passwd").read_text()


def test_the_password_stays_and_no_link_is_followed(embedded, tmp_path) -> None:
    """Clients that know it go on after a restart; what lies in the way is replaced, not written."""
    data, _ = embedded
    assert broker_password(data) == broker_password(data)
    target = tmp_path / "target"
    target.write_text("kept")
    other = DataDir(tmp_path, tmp_path)
    other.mqtt_clients.mkdir()
    (other.mqtt_clients / "mosquitto_pub").symlink_to(target)
    write_client_files(other, "127.0.0.1:1", "secret")
    assert target.read_text() == "kept"
    assert not (other.mqtt_clients / "mosquitto_pub").is_symlink()


def test_no_message_is_retained_and_much_is_bounded(embedded) -> None:
    """Whoever subscribes anew gets nothing again; queues, memory and connections have bounds."""
    data, _ = embedded
    for version in ("5", "311"):
        run(data, "mosquitto_pub", "-V", version, "-m", "x", "-r")
    assert run(data, "mosquitto_sub", "-W", "1")[1] == ""
    configuration = (data.broker / "mosquitto.conf").read_text()
    for setting in ("max_connections", "max_queued_messages", "max_queued_bytes", "memory_limit"):
        [value] = [line.split()[1] for line in configuration.splitlines() if setting in line]
        assert int(value) > 0
