"""The embedded PostgreSQL server: made once, listening on loopback, asking for a password.

Never touches a server that somebody else started.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import psycopg2

from event_store.database import session
from event_store.database.session import environment_without_libpq
from local_stack.account import Account
from local_stack.children import ChildSpec, stop_process, wait_for_end
from local_stack.data_dir import DataDir
from local_stack.errors import StackError
from local_stack.postgres_binaries import postgres_programs
from service_kit.settings import split_address

OWNER = "eventindex"
DATABASE = "eventindex"
_OPTIONS = {
    "unix_socket_directories": "",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    # Six for each worker of index_service, so enough for 48 of them.
    "max_connections": "300",
    # Pages are rewritten often and leave dead versions: vacuum more often than once a minute.
    "autovacuum_naptime": "15s",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


def prepare_postgres(data: DataDir, account: Account, address: str) -> tuple[ChildSpec, str]:
    """Make the data directory if it is missing, and say how to run the server.

    Returns:
        The child, and the URL of the owner's database.

    Raises:
        StackError: the programs are missing or `initdb` fails.
    """
    programs = postgres_programs(data, account)
    environment = {**environment_without_libpq(), "LC_ALL": "C"}
    password = _password(data, account)
    if not data.postgres.exists():
        _initialise(programs, data, account, environment)
    host, port = split_address(address)
    options = {**_OPTIONS, "listen_addresses": host, "port": str(port)}
    command = [str(programs / "postgres"), "-D", str(data.postgres)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    spec = ChildSpec(
        "postgres",
        tuple(command),
        stage=0,
        account=account,
        environment=environment,
        directory=data.postgres,
        # Fast shutdown: end the sessions, write a checkpoint.
        stop_signal=signal.SIGINT,
    )
    return spec, f"postgresql://{OWNER}:{password}@{address}/{DATABASE}"


def postgres_problem(url: str) -> str | None:
    """Return why the server does not answer yet, or None; makes the database when it does."""
    try:
        admin_url = url.rpartition("/")[0] + "/postgres"
        with (
            contextlib.closing(
                session.connect(admin_url, name="eventindex up", timeout_s=5)
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg2.OperationalError as error:
        return str(error).strip()
    return None


def stop_leftover_postgres(data: DataDir, *, grace_s: float) -> None:
    """Stop whatever still runs on the data directory, and clear the pid file of a dead server.

    Called with the lock of the data directory held. A server that was killed may leave backends
    that go on writing; and its pid may belong to another program by now, which PostgreSQL would
    take for a running server.
    """
    processes = _processes_in(data.postgres)
    pid_file = data.postgres / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
        postmaster = int(pid_file.read_text().splitlines()[0])
        for process in processes:
            if process.pid == postmaster:
                stop_process(process, signal.SIGINT, grace_s=grace_s)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for process in processes:
        wait_for_end(process, limit_s=grace_s)
    pid_file.unlink(missing_ok=True)


def _processes_in(directory: Path) -> list[psutil.Process]:
    """Return the PostgreSQL processes that work in a data directory; each of them enters it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and Path(process.cwd()) == directory.resolve():
                found.append(process)
    return found


def _initialise(
    programs: Path, data: DataDir, account: Account, environment: dict[str, str]
) -> None:
    """Run `initdb` beside the final place: a directory that is there is whole."""
    scratch = data.servers / "postgres.new"
    if scratch.exists():
        shutil.rmtree(scratch)
    account.make_directory(scratch)
    command = [
        str(programs / "initdb"),
        f"--pgdata={scratch}",
        f"--username={OWNER}",
        f"--pwfile={data.password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
    ]
    done = subprocess.run(  # noqa: S603  # a program of the package
        command,
        check=False,
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        start_new_session=True,
        **account.identity(),
    )
    if done.returncode != 0:
        raise StackError(f"initdb failed: {done.stderr.strip()}")
    scratch.rename(data.postgres)


def _password(data: DataDir, account: Account) -> str:
    if not data.password.exists():
        if data.postgres.exists():
            raise StackError(f"{data.password} is missing, without it {data.postgres} is closed")
        scratch = data.password.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        account.own(scratch)
        scratch.rename(data.password)
    return data.password.read_text()
