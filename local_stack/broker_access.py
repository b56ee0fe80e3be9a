"""The password of the embedded broker: made once, for its owner's eyes, and handed to MQTT clients.

It is in no argument list: the broker, the services and `mosquitto_pub` read it from files or their
environment.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from local_stack.account import Account
from local_stack.data_dir import DataDir
from local_stack.errors import StackError
from service_kit.settings import split_address

USER = "eventindex"
# The programs of mosquitto-clients; each reads a file of its name below XDG_CONFIG_HOME.
_CLIENTS = ("mosquitto_pub", "mosquitto_sub", "mosquitto_rr")


def broker_password(data: DataDir) -> str:
    """Return the password; makes it at the first start."""
    if not data.broker_password.exists():
        scratch = data.broker_password.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        write_new(scratch, f"{secrets.token_urlsafe(24)}\n")
        scratch.rename(data.broker_password)
    return data.broker_password.read_text().strip()


def write_client_files(data: DataDir, address: str, password: str) -> None:
    """Write what lets `XDG_CONFIG_HOME=…/mqtt mosquitto_pub` in without a word on who calls."""
    host, port = split_address(address)
    data.mqtt_clients.mkdir(mode=0o700, exist_ok=True)
    for name in _CLIENTS:
        path = data.mqtt_clients / name
        path.unlink(missing_ok=True)
        write_new(path, f"-h {host}\n-p {port}\n-u {USER}\n-P {password}\n")


def write_password_file(program: str, directory: Path, account: Account, password: str) -> Path:
    """Write Mosquitto's own file of users, hashed by its own program.

    Raises:
        StackError: that program is missing or fails.
    """
    beside = os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", os.defpath)])
    tool = shutil.which("mosquitto_passwd", path=f"{beside}{os.pathsep}/usr/bin")
    if tool is None:
        raise StackError(f"{program} is here, mosquitto_passwd is not: install it, or take amqtt")
    path = directory / "passwd"
    path.unlink(missing_ok=True)
    write_new(path, f"{USER}:{password}\n")
    account.own(path)
    done = subprocess.run(  # noqa: S603  # a program that comes with the broker
        [tool, "-U", str(path)],
        check=False,
        cwd="/",
        capture_output=True,
        text=True,
        **account.identity(),
    )
    if done.returncode != 0:
        raise StackError(f"{tool} failed: {done.stderr.strip()}")
    return path


def write_new(path: Path, text: str) -> None:
    """Write a file that its owner alone can read; one that is there is not followed or changed."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
