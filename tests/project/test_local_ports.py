"""Which ports `eventindex up` takes: those of the last start, others than those in use."""

from __future__ import annotations

import contextlib
import socket

import pytest

from local_stack.data_dir import DataDir
from local_stack.errors import StackError
from local_stack.ports import PortChooser


def test_a_usual_port_that_is_taken_is_replaced():
    """Another port of the same host is chosen, and no port twice."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with contextlib.closing(PortChooser()) as ports:
            chosen = [ports.choose(taken) for _ in range(20)]
    assert taken not in chosen
    assert len(set(chosen)) == 20
    assert all(address.startswith("127.0.0.1:") for address in chosen)


def test_the_ports_of_the_last_start_come_first_then_the_next_ones_up():
    """Bookmarks, telescopes and notebooks find the stack again after a restart."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        usual = f"127.0.0.1:{taken}"
        with contextlib.closing(PortChooser(said.append, usual={taken + 1})) as ports:
            found = int(ports.choose(usual).rpartition(":")[2])
            assert ports.chosen == {taken: found}
        assert taken + 1 < found <= taken + 100
        assert said == [f"port {taken} is taken: using 127.0.0.1:{found}"]
        with socket.create_server(("127.0.0.1", 0)) as probe:
            last = probe.getsockname()[1]
        with contextlib.closing(PortChooser(said.append, last={taken: last})) as ports:
            assert ports.choose(usual) == f"127.0.0.1:{last}"
    # The usual port is free now: what everybody has noted stays all the same.
    with contextlib.closing(PortChooser(said.append, last={taken: last})) as ports:
        assert ports.choose(usual) == f"127.0.0.1:{last}"
    assert len(said) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"8080": "x"}', '{"8080": null}', "\0"])
def test_a_broken_record_of_ports_is_no_record(tmp_path, text):
    """A stack starts whatever the file of the last start holds."""
    (tmp_path / "ports.json").write_text(text)
    assert DataDir(tmp_path, tmp_path).last_ports() == {}


def test_two_stacks_do_not_choose_the_same_free_port():
    """A port that another stack has chosen, but not bound yet, counts as taken."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        usual = f"127.0.0.1:{probe.getsockname()[1]}"
    with contextlib.closing(PortChooser()) as first, contextlib.closing(PortChooser()) as second:
        assert first.choose(usual) == usual
        assert second.choose(usual) != usual


def test_an_address_that_others_reach_is_refused():
    """`eventindex up` has neither TLS nor tokens."""
    with pytest.raises(StackError, match=r"EVENTINDEX_INDEX_ADDRESS is 0\.0\.0\.0:50051"):
        PortChooser().choose("0.0.0.0:50051", asked_as="EVENTINDEX_INDEX_ADDRESS")
