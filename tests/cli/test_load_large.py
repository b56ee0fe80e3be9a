"""`eventindex load` with millions of events: flat memory, and interruptions."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.support.command import run
from tests.support.ingest import count_events
from tests.support.load import fuid
from tests.support.processes import wait_until

pytestmark = pytest.mark.usefixtures("in_own_directory")


def write_big_parquet(path: Path, count: int) -> None:
    """Write events in one row group, so that reading it as a whole would show."""
    ids = pa.array([fuid(number) for number in range(100)])
    numbers = np.arange(count, dtype=np.int64)
    fields = {
        "run_number": pa.array(numbers // 500_000),
        "event_number": pa.array(numbers),
        "olt_result": pa.array(numbers % 4096),
        "dsid_raw": pa.array(np.full(count, 7, np.int32)),
        "fuid_raw": pa.DictionaryArray.from_arrays(numbers.astype(np.int32) // 5000 % 100, ids),
    }
    parquet.write_table(pa.table(fields), path, row_group_size=count)


# The peak of the process alone: ru_maxrss would begin with that of the parent.
_LOAD_AND_REPORT = """
import re, sys
from pathlib import Path
from eventindex.cli import main
try:
    main(sys.argv[1:])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("services")
def test_memory_does_not_grow_with_the_file(database_url: str):
    """Three times the rows take no more memory, in a file with a single row group."""
    peaks_mib = []
    for count in (2_000_000, 6_000_000):
        write_big_parquet(Path("big.parquet"), count)
        done = subprocess.run(
            [sys.executable, "-c", _LOAD_AND_REPORT, "load", "big.parquet"],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks_mib.append(int(done.stdout) / 1024)
        assert "0 refused" in done.stderr
    assert count_events(database_url) == 6_000_000
    assert peaks_mib[1] < peaks_mib[0] + 60, peaks_mib


@pytest.mark.slow
@pytest.mark.usefixtures("services")
def test_loading_again_after_an_interruption_completes_it(database_url: str):
    """Ctrl-C ends the load in good order; the same command then stores what was left."""
    write_big_parquet(Path("big.parquet"), 4_000_000)
    program = "from eventindex.cli import main; main()"
    command = [sys.executable, "-c", program, "load", "big.parquet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: count_events(database_url) > 0, what="first events")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "load again to go on" in errors
    assert "Traceback" not in errors
    assert 0 < count_events(database_url) < 4_000_000
    assert run("load", "big.parquet").exit_code == 0
    assert count_events(database_url) == 4_000_000
