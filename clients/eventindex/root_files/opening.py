"""ROOT files and what is in them: the edge to uproot.

A damaged file can make uproot raise anything, so that everything it raises on a file is turned into
a `RootFileError` here. Never decides what is read.
"""

from __future__ import annotations

import importlib
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from eventindex.limits import STORAGE_SECONDS_MAX
from eventindex.root_files.branches import Branch
from eventindex.root_files.errors import RootFileError
from eventindex.root_files.waiting import within

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_TREES = ("TTree", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_PLAIN = re.compile(r"(?:std::)?(?:(u?int)(?:8|16|32|64)_t|(bool)|(float|double))")
_KINDS = {"int": "i", "uint": "u"}


@dataclass(frozen=True, slots=True)
class RootFile:
    """An open ROOT file.

    Attributes:
        address: its path or address.
        uuid: the UUID that ROOT wrote into it; a copy of the file has the same.
        size_bytes: its size.
        seconds_max: how long one read may take; None for files of this machine.
        directory: its contents, an object of uproot.
    """

    address: str
    uuid: str
    size_bytes: int
    seconds_max: float | None
    directory: Any


def require_uproot() -> Any:
    """Return uproot.

    Raises:
        ModuleNotFoundError: it is not installed; says how.
    """
    try:
        importlib.import_module("awkward")
        return importlib.import_module("uproot")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ROOT files need uproot: pip install 'eventindex[root]' ({error.name} is missing)",
            name=error.name,
        ) from error


def is_address(text: str) -> bool:
    """Return whether a text is an address of remote storage, `root://…`, and no path."""
    return _ADDRESS.match(text) is not None


@contextmanager
def open_root(address: str, seconds_max: float = STORAGE_SECONDS_MAX) -> Iterator[RootFile]:
    """Open a ROOT file.

    Args:
        address: a path or an address that fsspec can open.
        seconds_max: longest wait for an answer of remote storage.

    Raises:
        RootFileError: it cannot be read, is no ROOT file, or does not answer.
    """
    limit = seconds_max if is_address(address) else None
    uproot = require_uproot()
    with guarded():
        # A mapping: a colon in a name is not taken for the name of a tree.
        directory = within(limit, lambda: uproot.open({address: None}, array_cache=None))
    try:
        with guarded():
            own = str(directory.file.uuid)
            size_bytes = int(within(limit, lambda: directory.file.source.num_bytes))
            whole_bytes = int(directory.file.fEND)
        if size_bytes < whole_bytes:
            raise RootFileError(
                f"cannot be read: it ends after {size_bytes:,} of its {whole_bytes:,} bytes"
            )
        if uuid.UUID(own).int == 0:
            raise RootFileError("holds no UUID")
        yield RootFile(address, own, size_bytes, limit, directory)
    finally:
        # Closing waits for requests that are under way.
        if limit is None:
            directory.close()


def tree_names(file: RootFile) -> list[str]:
    """Return the paths of the trees and RNTuples in a file, each once, without cycles."""
    with guarded():
        kinds = file.directory.classnames(recursive=True, cycle=False)
    return [name for name, kind in kinds.items() if kind in _TREES]


def get_tree(file: RootFile, name: str) -> Any:
    """Return a tree or an RNTuple, an object of uproot."""
    with guarded():
        tree = within(file.seconds_max, lambda: file.directory[name])
        if is_ntuple(tree):
            within(file.seconds_max, lambda: _mark_leaves(tree))
        return tree


def branches_of(tree: Any) -> list[Branch]:
    """Return the branches of a tree with the kind of their values."""
    with guarded():
        if is_ntuple(tree):
            return [Branch(name, _kind_of_type(kind)) for name, kind in tree.typenames().items()]
        return [Branch(b.name, _kind_of_branch(b)) for b in tree.itervalues(recursive=True)]


def is_ntuple(tree: Any) -> bool:
    """Return whether it is an RNTuple rather than a TTree."""
    return "RNTuple" in tree.classname


@contextmanager
def guarded() -> Iterator[None]:
    """Turn what uproot raises on a file into a `RootFileError`."""
    try:
        yield
    except RootFileError:
        raise
    except FileNotFoundError:
        raise RootFileError("no such file") from None
    except ModuleNotFoundError as error:
        raise RootFileError(_missing_module(error)) from error
    except Exception as error:  # what a damaged file leads to is anybody's guess
        text = " ".join(str(error).split()) or type(error).__name__
        raise RootFileError(f"cannot be read: {text[:200]}") from error


def _mark_leaves(ntuple: Any) -> None:
    """Spare uproot to look among all fields for the children of each: 5 s of 1,300 (measured)."""
    parents = [record.parent_field_id for record in ntuple.field_records]
    with_children = {parent for number, parent in enumerate(parents) if parent != number}
    for number, field in enumerate(ntuple.all_fields):
        if number not in with_children:
            field._fields = []


def _missing_module(error: ImportError) -> str:
    return f"its address needs a package that is missing: {' '.join(str(error).split())[:150]}"


def _kind_of_branch(branch: Any) -> str:
    dtype = getattr(branch.interpretation, "to_dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.shape or dtype.names:
        return ""
    return dtype.kind if dtype.kind in "iufb" else ""


def _kind_of_type(name: str) -> str:
    match = _PLAIN.fullmatch(name)
    if match is None:
        return ""
    if match[1]:
        return _KINDS[match[1]]
    return "b" if match[2] else "f"
