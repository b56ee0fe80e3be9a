"""From a list of events to a plot: picked out of ROOT files, the mass of their two leading muons.

    python examples/dimuon_mass.py PAIRS.csv FILES [PLOT.png]

PAIRS.csv has a run number and an event number on each line, FILES is where the NanoAOD files are:
a directory, a pattern or an address. Nothing is written but the plot. The cells (`# %%`) run one by
one in an editor or in Jupyter.
"""

# %% The list.
from __future__ import annotations

import sys

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np

import eventindex

if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
    sys.exit("usage: dimuon_mass.py PAIRS.csv FILES [PLOT.png]")
pairs_path, files = sys.argv[1:3]
plot = sys.argv[3] if len(sys.argv) > 3 else "mass.png"
pairs = np.loadtxt(pairs_path, dtype=np.int64, delimiter=",", ndmin=2)

# %% The events themselves: the index says in which file each one is, and only those are read.
with eventindex.connect() as index:
    events = index.pick_arrays(pairs, files=files, branches=["Muon_pt", "Muon_eta", "Muon_phi"])
print(f"{len(events):,} events picked")

# %% The invariant mass of two muons without mass.
muons = events[ak.num(events.Muon_pt) >= 2]
pt, eta, phi = muons.Muon_pt, muons.Muon_eta, muons.Muon_phi
angles = np.cosh(eta[:, 0] - eta[:, 1]) - np.cos(phi[:, 0] - phi[:, 1])
mass = np.sqrt(2 * pt[:, 0] * pt[:, 1] * angles)
print(f"{len(mass):,} of them have two muons")

# %% The plot.
plt.hist(ak.to_numpy(mass), bins=30, range=(0, 300))
plt.xlabel("mass of the two leading muons, GeV")
plt.ylabel("events")
plt.savefig(plot)
print(f"see {plot}")
