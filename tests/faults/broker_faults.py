"""Faults of the broker and of the way to it."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults.bench import Bench
from tests.faults.proxy import Proxy
from tests.faults.scenario import scenario
from tests.support.processes import Mosquitto, Service, wait_until


def _repeat(bench: Bench, times: int, harm: Callable[[], None], mend: Callable[[], None]) -> float:
    longest = 0.0
    for _ in range(times):
        bench.between(0.3, 1.0)
        harm()
        bench.between(0.2, 0.8)
        mend()
        longest = max(longest, bench.goes_on())
    return longest


def _kill(bench: Bench, times: int, save_after: int) -> float:
    broker = bench.broker(save_after)
    bench.ingest(broker.port)
    # A session that is not saved yet is gone after a kill, and with it what comes until the service
    # is back: no bound holds before.
    broker.save()
    bench.mqtt(broker.port)
    bench.goes_on()
    return _repeat(bench, times, broker.kill, broker.start)


@scenario(
    "the broker is killed, saving after every change",
    "kill -9 of Mosquitto with autosave_on_changes and autosave_interval 1",
    times=10,
)
def broker_killed(bench: Bench, times: int) -> float:
    """At most the message of the last change is gone."""
    bench.loss_max = times
    return _kill(bench, times, 1)


@scenario(
    "the broker is killed, saving after 500 changes",
    "kill -9 of Mosquitto with autosave_interval 500, as deploy/ has it",
    times=10,
)
def broker_killed_500(bench: Bench, times: int) -> float:
    """At most what changed since the last save is gone."""
    bench.loss_max = 499 * times
    return _kill(bench, times, 500)


@scenario("the broker is stopped", "SIGTERM of Mosquitto, then a start", times=10)
def broker_stopped(bench: Bench, times: int) -> float:
    """It saves everything."""
    broker = bench.broker()
    bench.ingest(broker.port)
    bench.mqtt(broker.port)
    bench.goes_on()
    return _repeat(bench, times, broker.stop, broker.start)


@scenario(
    "the broker comes back without its sessions",
    "kill -9 once all is stored, its file removed, a start; load before and after",
    times=5,
)
def session_lost(bench: Bench, times: int) -> float:
    """The service subscribes anew, and says that the session was lost."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    longest = 0.0
    for number in range(times):
        sender = bench.mqtt(broker.port)
        bench.between(0.3, 1.0)
        sender.stop()
        wait_until(lambda: bench.stored() == len(bench.ledger.acknowledged), what="all events")
        _forget(broker)
        # Subscribed again before anybody sends: a broker without the session drops what comes.
        began = time.monotonic()
        wait_until(lambda n=number: _sessions_lost(service) == n + 1, 30, "the lost session")
        longest = max(longest, time.monotonic() - began)
        wait_until(lambda: service.page("/readyz")[0] == 200, what="readiness")
    return longest


def _forget(broker: Mosquitto) -> None:
    broker.kill()
    for path in broker.directory.glob("*.db*"):
        path.unlink()
    broker.start()


def _sessions_lost(service: Service) -> float:
    return service.metric("eventindex_broker_sessions_lost_total")


def _load_by_proxies(bench: Bench) -> tuple[Proxy, Proxy]:
    """Load through a proxy on each side of the broker."""
    broker = bench.broker()
    to_service, to_sender = bench.proxy(broker.port), bench.proxy(broker.port)
    bench.ingest(to_service.port)
    bench.mqtt(to_sender.port)
    bench.goes_on()
    return to_service, to_sender


@scenario("the network to the broker is cut", "a proxy ends the connections of both", times=10)
def broker_cut(bench: Bench, times: int) -> float:
    """What was not acknowledged is sent again."""
    to_service, to_sender = _load_by_proxies(bench)

    def cut() -> None:
        to_service.cut(stay=True)
        to_sender.cut()

    return _repeat(bench, times, cut, to_service.heal)


@scenario("the network to the broker is slow", "proxies pass on 20 kB/s for 5 s", times=3)
def broker_slow(bench: Bench, times: int) -> float:
    """Everything goes on, slower."""
    proxies = _load_by_proxies(bench)

    def slow() -> None:
        for proxy in proxies:
            proxy.bytes_per_s = 20_000
        time.sleep(4)

    def heal() -> None:
        for proxy in proxies:
            proxy.heal()

    return _repeat(bench, times, slow, heal)


@scenario(
    "the network to the broker stalls",
    "a proxy accepts and passes nothing on: both directions, one, the other; keep-alive 5 s",
    times=3,
)
def broker_stalled(bench: Bench, times: int) -> float:
    """The service notices by itself: the broker does not answer its pings."""
    broker = bench.broker()
    link = bench.proxy(broker.port)
    service = bench.ingest(link.port)
    bench.mqtt(broker.port)
    bench.goes_on()
    longest = 0.0
    for number in range(times):
        link.stall(up=number % 3 != 1, down=number % 3 != 2)
        wait_until(lambda: service.page("/readyz")[0] == 503, 60, "notice of the stall")
        # Mended for new connections; the old one the service has given up by itself.
        link.up_stalled.clear()
        link.down_stalled.clear()
        longest = max(longest, bench.goes_on())
    return longest
