"""A reconstruction job that picks events: pairs in, RAW files out, in reading order.

    python examples/pick_events.py PAIRS.csv [OUTPUT_DIRECTORY]

PAIRS.csv is a list in any form that `eventindex lookup` reads. For each RAW file that holds some of
them the job writes `<fuid_raw>.csv`, in which the events stand in the order in which they lie in
the file, so that it is read once, from its beginning to its end. What the index does not have
goes to `missing.csv`. The cells (`# %%`) run one by one in an editor or in Jupyter.
"""

# %% The pairs: any list of (run, event) will do, for example a column of a skim.
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import eventindex
from eventindex.pair_lists.text import PairListError, read_pairs

if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
    sys.exit("usage: pick_events.py PAIRS.csv [OUTPUT_DIRECTORY]")
pairs_path = Path(sys.argv[1])
output = Path(sys.argv[2] if len(sys.argv) > 2 else "picked")
try:
    with pairs_path.open("rb") as stream:
        blocks = list(read_pairs(stream))
except PairListError as error:
    print(f"{pairs_path}: {error}", file=sys.stderr)
    sys.exit(2)
wrong = [line for block in blocks for line in block.bad_lines]
for line in wrong[:20]:
    print(f"{pairs_path}: {line}", file=sys.stderr)
if wrong:
    sys.exit(2)
tables = [np.empty((0, 2), np.int64), *(np.column_stack(block.pairs) for block in blocks)]
pairs = np.unique(np.concatenate(tables), axis=0)
print(f"{len(pairs):,} events wanted")

# %% Where they are: one call, whatever their number. The address comes from
# EVENTINDEX_INDEX_ADDRESS or from what `eventindex up` wrote.
with eventindex.connect() as index:
    result = index.lookup(pairs)
print(f"{result.found:,} found in {len(result.files):,} files, {result.not_found:,} not found")

# %% Work lists: each file's events in ascending order of run and event.
output.mkdir(parents=True, exist_ok=True)


def write_list(name: str, positions: np.ndarray) -> None:
    """Write the pairs at these positions of the result, in reading order."""
    runs, events = result.run_numbers[positions], result.event_numbers[positions]
    order = np.lexsort((events, runs))
    rows = np.column_stack((runs, events))[order]
    np.savetxt(output / f"{name}.csv", rows, fmt="%d", delimiter=",")


for file, positions in result.by_file().items():
    if file.dataset_state == eventindex.DatasetState.RETIRED:
        print(f"{file.fuid_raw} belongs to a retired dataset")
    write_list(file.fuid_raw, positions)
    print(f"{file.fuid_raw}  dataset {file.dsid_raw}  {len(positions):,} events")

# %% What to ask about: events that nobody has sent to the index.
if result.not_found:
    write_list("missing", result.missing())
    sys.exit(3)
