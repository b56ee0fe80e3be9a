"""One host of a database's URL at a time, and how far a replica is behind; pure parts."""

from __future__ import annotations

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from event_store.database.commit_tokens import CommitToken, parse_token
from event_store.database.hosts import Hosts, Turns, kept_hosts, split_hosts
from event_store.database.replica import ReplicaLag


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://u:p%40@a:1,b:2/d?sslmode=prefer", [("a", "1"), ("b", "2")]),
        ("host=a,b,c port=5433 dbname=d", [("a", "5433"), ("b", "5433"), ("c", "5433")]),
        ("postgresql://a,b/d?load_balance_hosts=random", [("a", None), ("b", None)]),
        ("postgresql://[::1]:1,b:2/d", [("::1", "1"), ("b", "2")]),
    ],
)
def test_a_url_of_several_hosts_is_one_for_each(url: str, places):
    """Each host has its port and all that the URL says beside, but is not one of several."""
    found = [parse_dsn(each) for each in split_hosts(url)]
    assert [(each["host"], each.get("port") or None) for each in found] == places
    assert all(each["dbname"] == "d" and "load_balance_hosts" not in each for each in found)
    assert all("sslmode" not in url or each["sslmode"] == "prefer" for each in found)


@pytest.mark.parametrize(
    "url", ["postgresql://a:1/d", "host=a,b port=1,2,3", "host=a nonsense", ""]
)
def test_another_url_stays_as_it_is(url: str):
    """One host, or what libpq will refuse, is left to libpq."""
    assert split_hosts(url) == [url]


def test_workers_begin_at_all_hosts():
    """Workers with numbers one behind the other use all hosts, and each has them all."""
    url = "postgresql://a,b,c/d"
    hosts = [kept_hosts(url, number) for number in range(5, 8)]
    assert {parse_dsn(each.url)["host"] for each in hosts} == {"a", "b", "c"}


def test_a_host_that_cannot_be_reached_is_left_once_for_all():
    """Connections that fail at the same host go on together, and none skips a host."""
    hosts, away = Hosts(["a", "b", "c"]), {"a"}

    def connect(url: str) -> str:
        if url in away:
            raise psycopg2.OperationalError(f"{url} is away")
        return url

    assert hosts.reach(connect) == ("b", 1)
    assert hosts.reach(connect) == ("b", 1)
    away.add("b")
    assert hosts.reach(connect) == ("c", 2)
    away.add("c")
    with pytest.raises(psycopg2.OperationalError, match="away"):
        hosts.reach(connect)
    away.clear()
    assert hosts.reach(connect)[0] in {"a", "b", "c"}


def test_the_lag_of_a_replica_is_not_how_long_its_primary_had_nothing_to_do():
    """It grows while something waits to be replayed, from the moment when that came."""
    now = [0.0]
    lag = ReplicaLag(lambda: now[0])
    assert lag.of(caught_up=False, age_s=70.0) == 70.0
    assert lag.of(caught_up=True, age_s=3600.0) == 0.0
    now[0] = 2.0
    assert lag.of(caught_up=False, age_s=3602.0) == 2.0
    now[0] = 9.0
    assert lag.of(caught_up=False, age_s=4.0) == 4.0
    assert ReplicaLag(lambda: now[0]).of(caught_up=False, age_s=None) == 0.0


def test_a_token_is_a_position_of_a_database():
    """What no acknowledgement has said is none."""
    assert parse_token("7581234567890123456:A/16B3748") == CommitToken(
        "7581234567890123456", "A/16B3748"
    )
    for text in ("", "1:2", "1:a/b", "1:A/B ", "x:A/B", "1:A/B\n", "1:" + "A" * 9 + "/B"):
        assert parse_token(text) is None


def test_servers_behind_one_address_are_told_of(caplog: pytest.LogCaptureFixture):
    """A balancer that spreads connections shows as a warning, a failover and a restart do not."""
    turns = Turns()
    for number, server in enumerate(("first", "first, restarted", "second")):
        turns.note(server, number)
    assert caplog.records == []
    for number in range(3, 50):
        turns.note(("first, restarted", "second")[number % 2], number)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    turns.note("second", 99)
    turns.note("first, restarted", 100)
    assert len(caplog.records) == 2
