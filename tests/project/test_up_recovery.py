"""`eventindex up` after a death of anything: its children, itself, everything."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil
import pytest

from tests.support.up import INSERT, LIMIT_S, assert_gone, is_running, query


@pytest.mark.slow
@pytest.mark.parametrize("name", ["index_service", "broker"])
def test_a_child_that_dies_ends_the_rest_with_its_reason(run_up, name):
    """All stop, the exit code is 1, and the child, its end and its log are named."""
    up = run_up()
    pids = up.endpoints()["pids"]
    os.kill(pids[name], signal.SIGKILL)
    assert up.process.wait(LIMIT_S) == 1
    assert f"{name} was ended by SIGKILL" in up.text
    assert f"logs/{name}.log" in up.text
    assert_gone(pids)


@pytest.mark.slow
def test_kill_9_of_everything_is_recovered(run_up):
    """What was committed is there after the next start, beside stale pid files."""
    up = run_up()
    query(up.endpoints(), "CREATE TABLE kept (event_number bigint)")
    query(up.endpoints(), INSERT)
    up.kill(with_children=True)
    assert query(run_up().endpoints(), "SELECT event_number FROM kept") == [(4917,)]


@pytest.mark.slow
def test_kill_9_of_up_alone_is_recovered(run_up):
    """Children that survived are stopped first: no two servers work on one data directory."""
    up = run_up()
    query(up.endpoints(), "CREATE TABLE kept (event_number bigint)")
    query(up.endpoints(), INSERT)
    children = up.kill(with_children=False)
    assert any(is_running(child.pid) for child in children)
    again = run_up()
    endpoints = again.endpoints()
    assert not any(is_running(child.pid) for child in children)
    assert "stopped postgres, left by a stack that was killed" in again.text
    assert query(endpoints, "SELECT event_number FROM kept") == [(4917,)]


@pytest.mark.slow
def test_a_postmaster_that_is_in_no_record_is_stopped_first(run_up, data):
    """A server that still runs on the data is found without the record of children too."""
    up = run_up()
    postgres = up.endpoints()["pids"]["postgres"]
    children = up.kill(with_children=False)
    (data / "children.json").unlink()
    for child in children:
        # PostgreSQL's own processes come and go.
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.pid != postgres and child.ppid() != postgres:
                child.kill()
    again = run_up()
    assert again.endpoints()["pids"]["postgres"] != postgres
    assert not is_running(postgres)
