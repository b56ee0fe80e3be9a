"""The embedded broker: Mosquitto where it is installed, otherwise amqtt.

Never opens a port to other machines, and never promises more durability than the broker has.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys

from local_stack.account import Account
from local_stack.broker_access import write_new, write_password_file
from local_stack.children import ChildSpec
from local_stack.data_dir import DataDir
from service_kit.settings import split_address

AMQTT_NOTICE = (
    "Mosquitto is not installed: using amqtt, which speaks MQTT 3.1.1 only, moves about 6,600 "
    "messages/s and forgets its messages and sessions when it stops."
)
# Debian puts Mosquitto where the PATH of ordinary users does not look.
_SYSTEM_PROGRAMS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

# Save every 500 changes: a kill -9 loses at most that many messages, at 21,000 messages/s. Saving
# each change would cost six sevenths of that rate. A stop by SIGTERM saves everything.
_MOSQUITTO = """\
# Written by `eventindex up` at each start.
listener {port} {host}
max_connections 1000
allow_anonymous false
password_file {directory}/passwd
# Whoever subscribes anew would get the same message again.
retain_available false
persistence true
persistence_location {directory}/
autosave_on_changes true
autosave_interval 500
max_inflight_messages {window}
max_queued_messages 1000000
max_queued_bytes 1073741824
memory_limit 2147483648
max_packet_size 67108864
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
"""


def find_mosquitto() -> str | None:
    """Return the Mosquitto program of this machine."""
    directories = [os.environ.get("PATH", os.defpath), *_SYSTEM_PROGRAMS]
    return shutil.which("mosquitto", path=os.pathsep.join(directories))


def prepare_mosquitto(
    program: str, data: DataDir, account: Account, address: str, password: str, *, window: int
) -> ChildSpec:
    """Write Mosquitto's configuration and say how to run it.

    `window` is how many messages a subscriber may hold unacknowledged; a smaller one than the
    subscriber's batch would never fill the batch.
    """
    directory = account.make_directory(data.broker)
    host, port = split_address(address)
    configuration = directory / "mosquitto.conf"
    configuration.unlink(missing_ok=True)
    text = _MOSQUITTO.format(port=port, host=host, directory=directory, window=window)
    write_new(configuration, text)
    account.own(configuration)
    write_password_file(program, directory, account, password)
    return ChildSpec(
        "broker",
        (program, "-c", str(configuration)),
        stage=1,
        account=account,
        directory=directory,
    )


def prepare_amqtt(address: str, data: DataDir) -> ChildSpec:
    """Say how to run amqtt."""
    command = (sys.executable, "-P", "-m", "local_stack.amqtt_broker", address)
    return ChildSpec(
        "broker",
        (*command, str(data.broker_password)),
        stage=1,
        account=Account("you"),
        directory=data.root,
    )


def broker_problem(address: str) -> str | None:
    """Return why the broker does not listen yet, or None."""
    try:
        socket.create_connection(split_address(address), timeout=1).close()
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    return None
