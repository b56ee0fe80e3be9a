"""Long work of a command, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator

import pytest

from eventindex.cli.load_background import in_background


def test_ctrl_c_ends_work_where_it_yields_and_strikes_nothing_in_it():
    """Work goes on to its next step, is closed there, and never sees a KeyboardInterrupt."""
    seen: list[object] = []

    def work() -> Generator[None, None, None]:
        seen.append(threading.current_thread() is threading.main_thread())
        os.kill(os.getpid(), signal.SIGINT)
        try:
            while True:
                yield
        except BaseException as error:  # noqa: BLE001  # told by the test
            seen.append(type(error))

    with pytest.raises(KeyboardInterrupt):
        in_background(work())
    assert seen == [False, GeneratorExit]


def test_errors_of_the_work_are_raised_where_it_is_waited_for():
    """The caller handles what the work raises as if it had run there."""

    def work() -> Generator[None, None, None]:
        yield
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        in_background(work())
