"""What the tests of ROOT files share: the real files, trees of a test's own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import uproot

DATA = Path(__file__).parents[1] / "data"
NANOAOD = DATA / "nanoaod_2015_ttbar.root"
NTUPLE = DATA / "nanoaod_rntuple.root"
ZMUMU = DATA / "zmumu.root"
NANOAOD_UUID = "d48060b2-6a57-11ed-8e14-0600a8c0beef"
# Eight branches of it, as events of run 2: uproot needs two seconds to open 947.
MUONS = Path(__file__).with_name("nanoaod_muons.root")
MUONS_UUID = "83289e9a-ec09-11f1-a77a-02fc00000001"


def write_tree(path: Path | str, arrays: dict[str, Any], name: str = "Events") -> None:
    """Write one TTree of flat columns into a new file."""
    columns = {key: np.asarray(values) for key, values in arrays.items()}
    with uproot.recreate(path) as file:
        file.mktree(name, {key: values.dtype for key, values in columns.items()}).extend(columns)


def read_branches(path: Path, *names: str) -> dict[str, Any]:
    """The branches of the only tree of a file, as uproot reads them."""
    path = Path(path).resolve()
    return dict(_read_branches(path, path.stat().st_mtime_ns, names))


@functools.lru_cache(maxsize=32)
def _read_branches(path: Path, _modified: int, names: tuple[str, ...]) -> dict[str, Any]:
    with uproot.open(path) as file:
        tree = file[file.keys()[0]]
        return {name: tree[name].array(library="np") for name in names}
