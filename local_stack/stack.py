"""The local stack from start to stop: PostgreSQL, migrations, broker, services.

`running_stack` reads as the list of steps. Never prints: progress goes to `say`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from event_store.database.migrate import migrate
from event_store.errors import StoreError, StoreUnavailableError
from local_stack.account import Account, unprivileged_account
from local_stack.broker import (
    AMQTT_NOTICE,
    broker_problem,
    find_mosquitto,
    prepare_amqtt,
    prepare_mosquitto,
)
from local_stack.broker_access import USER, broker_password, write_client_files
from local_stack.children import Family, stop_leftovers
from local_stack.data_dir import DataDir, opened_data_dir, write_json
from local_stack.endpoints import Endpoints
from local_stack.errors import StackError
from local_stack.logins import LOGINS, make_logins
from local_stack.ports import PortChooser
from local_stack.postgres import postgres_problem, prepare_postgres, stop_leftover_postgres
from local_stack.services import (
    Addresses,
    BrokerInUse,
    readiness_problem,
    service_problem,
    service_spec,
)
from service_kit.settings import Settings, split_address

_POSTGRES_ADDRESS = "127.0.0.1:5432"
_BROKER_ADDRESS = "127.0.0.1:1883"
# Crash recovery after a kill -9 may take a while; a healthy start takes about a second.
_POSTGRES_START_S = 120.0
_START_S = 30.0
# A child gets its own grace period and this much more before it is killed.
_STOP_MARGIN_S = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack in which everything answers."""

    settings: Settings
    endpoints: Endpoints
    family: Family

    def wait(self) -> None:
        """Wait until a signal or a failure ends the stack.

        Raises:
            StopRequestedError: a signal asked for it.
            ChildDiedError: a child ended by itself.
        """
        while True:
            self.family.wait()


@contextlib.contextmanager
def running_stack(settings: Settings, say: Say, *, broker: str = "auto") -> Iterator[Stack]:
    """Start everything, and stop it on the way out.

    Args:
        settings: addresses, URLs and the data directory.
        say: receives one line at a time for the person who waits.
        broker: "auto", "mosquitto" or "amqtt".

    Raises:
        StackError: something cannot start; the text says what.
        StopRequestedError: a signal came before everything answered.
    """
    if settings.tls_cert is not None:
        raise StackError("`eventindex up` serves without TLS: unset EVENTINDEX_TLS_CERT")
    account = unprivileged_account()
    asked = "data_dir" in settings.model_fields_set
    with opened_data_dir(settings.data_dir, account, asked=asked) as data:
        family = Family(data, grace_s=settings.shutdown_grace_s + _STOP_MARGIN_S)
        chooser = PortChooser(say, last=data.last_ports(), usual=_usual_ports())
        with family.signals_noticed(), contextlib.closing(chooser) as ports:
            _clear_leftovers(data, settings, say)
            try:
                starter = _Starter(settings, data, account, family, say, broker, ports)
                endpoints = starter.start()
                endpoints.write(data.endpoints)
                write_json(data.ports, ports.chosen)
                yield Stack(settings, endpoints, family)
            finally:
                data.endpoints.unlink(missing_ok=True)
                say("stopping")
                for name in family.stop():
                    say(f"{name} did not stop in time and was killed")


def _clear_leftovers(data: DataDir, settings: Settings, say: Say) -> None:
    data.endpoints.unlink(missing_ok=True)
    grace_s = settings.shutdown_grace_s + _STOP_MARGIN_S
    for name in stop_leftovers(data, grace_s=grace_s):
        say(f"stopped {name}, left by a stack that was killed")
    stop_leftover_postgres(data, grace_s=grace_s)


@dataclass(frozen=True, slots=True)
class _Starter:
    """What every step of a start needs."""

    settings: Settings
    data: DataDir
    account: Account
    family: Family
    say: Say
    broker: str
    ports: PortChooser

    def start(self) -> Endpoints:
        """Start the children in order, each once the one before it answers."""
        addresses = choose_addresses(self.settings, self.ports)
        self.say(f"data in {self.data.root}")
        if self.data.servers != self.data.root:
            self.say(f"user {self.account.name} cannot enter it: servers in {self.data.servers}")
        database = self.settings.database_url.get_secret_value() or self._start_postgres()
        self._migrate(database)
        mqtt = self._broker_in_use()
        embedded = not self.settings.database_url
        logins = make_logins(database) if embedded else dict.fromkeys(LOGINS, database)
        self._start_services(addresses, logins, mqtt)
        return Endpoints(
            index=addresses.index,
            ingest=addresses.ingest,
            mqtt=mqtt.url,
            database=database,
            index_metrics=f"http://{addresses.index_metrics}/metrics",
            ingest_metrics=f"http://{addresses.ingest_metrics}/metrics",
            http=f"http://{addresses.http}",
            http_metrics=f"http://{addresses.http_metrics}/metrics",
            pids={"up": os.getpid(), **self.family.pids()},
        )

    def _start_postgres(self) -> str:
        spec, url = prepare_postgres(self.data, self.account, self.ports.choose(_POSTGRES_ADDRESS))
        child = self.family.start(spec)
        self.family.wait_until_ready(
            child, lambda: postgres_problem(url), limit_s=_POSTGRES_START_S
        )
        return url

    def _migrate(self, database: str) -> None:
        try:
            applied = migrate(database)
        except (StoreError, StoreUnavailableError) as error:
            raise StackError(f"cannot migrate the database: {error}") from error
        if applied:
            self.say(f"migrated the database to {applied[-1]}")

    def _broker_in_use(self) -> BrokerInUse:
        if self.settings.mqtt_url:
            return BrokerInUse(
                self.settings.mqtt_url.get_secret_value(), self.settings.mqtt_version
            )
        address = self.ports.choose(_BROKER_ADDRESS)
        password = broker_password(self.data)
        url = f"mqtt://{USER}:{password}@{address}"
        mosquitto = find_mosquitto() if self.broker != "amqtt" else None
        if mosquitto is not None:
            window = self.settings.mqtt_receive_maximum
            spec = prepare_mosquitto(
                mosquitto, self.data, self.account, address, password, window=window
            )
            in_use = BrokerInUse(url, self.settings.mqtt_version)
        elif self.broker == "mosquitto":
            raise StackError("Mosquitto is not on the PATH")
        else:
            self.say(AMQTT_NOTICE)
            spec = prepare_amqtt(address, self.data)
            # This broker never answers an MQTT 5 client, and noticing that takes 15 s.
            in_use = BrokerInUse(url, "3.1.1")
        child = self.family.start(spec)
        self.family.wait_until_ready(child, lambda: broker_problem(address), limit_s=_START_S)
        write_client_files(self.data, address, password)
        return in_use

    def _start_services(
        self, addresses: Addresses, databases: Mapping[str, str], mqtt: BrokerInUse
    ) -> None:
        # The gateway asks the other two: it starts after them and stops before them.
        for module, stage, problem in (
            ("ingest_service", 2, service_problem(addresses.ingest, addresses.ingest_metrics)),
            ("index_service", 2, service_problem(addresses.index, addresses.index_metrics)),
            ("rest_gateway", 3, partial(readiness_problem, addresses.http_metrics)),
        ):
            spec = service_spec(
                module,
                self.data,
                stage=stage,
                database=databases[module],
                mqtt=mqtt,
                addresses=addresses,
            )
            self.family.wait_until_ready(self.family.start(spec), problem, limit_s=_START_S)


def _usual_ports() -> set[int]:
    fields = ("index", "index_metrics", "ingest", "ingest_metrics", "http", "http_metrics")
    usual = [Settings.model_fields[f"{name}_address"].default for name in fields]
    return {split_address(address)[1] for address in (*usual, _POSTGRES_ADDRESS, _BROKER_ADDRESS)}


def choose_addresses(settings: Settings, ports: PortChooser) -> Addresses:
    """Return the addresses of the services; a taken port is replaced unless its setting was given.

    Raises:
        StackError: a port that was asked for is taken, or an address is not loopback.
    """

    def choose(field: str) -> str:
        asked = f"EVENTINDEX_{field.upper()}" if field in settings.model_fields_set else None
        return ports.choose(getattr(settings, field), asked_as=asked)

    return Addresses(
        index=choose("index_address"),
        index_metrics=choose("index_metrics_address"),
        ingest=choose("ingest_address"),
        ingest_metrics=choose("ingest_metrics_address"),
        http=choose("http_address"),
        http_metrics=choose("http_metrics_address"),
    )
