"""Picked events as a ROOT or Parquet file: under a temporary name until it is whole.

Never leaves a half-written file under the name that was asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from eventindex.root_files.entries import Layout
from eventindex.root_files.opening import require_uproot
from eventindex.stored_text import has_pyarrow, needs_pyarrow

# Room for so many pieces of each branch before uproot has to write the tree's header again.
_BASKETS = 64


class Writer(Protocol):
    """Takes events as awkward records, all with the same fields."""

    def write(self, events: Any) -> None:
        """Write some events."""
        ...


@contextmanager
def open_output(path: Path, layout: Layout, left_out: Callable[[str], None]) -> Iterator[Writer]:
    """Open a file for picked events; it has its name when the block ends well.

    Args:
        path: `.parquet` or a ROOT file, by its ending.
        layout: of the tree that the events are from.
        left_out: is told each branch that cannot be written.

    Raises:
        OSError: the file cannot be written.
        ModuleNotFoundError: Parquet needs pyarrow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    opened = _open_parquet if is_parquet(path) else _open_root
    try:
        with opened(temporary, layout, left_out) as writer:
            yield writer
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet by its name."""
    return path.suffix.lower() in {".parquet", ".pq"}


@contextmanager
def _open_root(path: Path, layout: Layout, left_out: Callable[[str], None]) -> Iterator[Writer]:
    uproot = require_uproot()
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        yield _RootWriter(file, layout, left_out)


class _RootWriter:
    """A TTree, or an RNTuple where the events are from one."""

    def __init__(self, file: Any, layout: Layout, left_out: Callable[[str], None]) -> None:
        self._file = file
        self._layout = layout
        self._left_out = left_out
        self._tree: Any = None
        self._names: list[str] = []

    def write(self, events: Any) -> None:
        """Write some events; the first ones say which branches there are."""
        import awkward as ak  # noqa: PLC0415  # may lack

        # uproot takes lists and texts as they lie in memory, not by way of an index.
        events = ak.to_packed(events)
        if self._tree is None:
            self._names = self._writable(events)
            self._tree = _make_tree(
                self._file, self._layout, {name: events[name] for name in self._names}
            )
        self._tree.extend({name: events[name] for name in self._names})

    def _writable(self, events: Any) -> list[str]:
        """Return the branches that can be written; each kind of value is tried once."""
        tried: dict[str, bool] = {}
        names = []
        for name in events.fields:
            kind = str(events[name].type.content)
            if kind not in tried:
                tried[kind] = self._can_write(events[name])
            if tried[kind]:
                names.append(name)
            else:
                self._left_out(name)
        return names

    def _can_write(self, values: Any) -> bool:
        if not self._layout.ntuple and values.fields:
            # A record would become a branch for each of its fields, under other names.
            return False
        try:
            with require_uproot().recreate(io.BytesIO()) as scratch:
                _make_tree(scratch, self._layout, {"x": values}).extend({"x": values})
        except Exception:  # noqa: BLE001  # uproot says so in several ways
            return False
        return True


def _make_tree(file: Any, layout: Layout, columns: dict[str, Any]) -> Any:
    """Make an empty tree; branches that shared a counter, such as nMuon, share it again."""
    types = {name: values.type.content for name, values in columns.items()}
    if layout.ntuple:
        return file.mkrntuple(layout.tree, types)
    return file.mktree(
        layout.tree,
        types,
        counter_name=lambda name: layout.counters.get(name, f"n{name}"),
        initial_basket_capacity=_BASKETS,
    )


@contextmanager
def _open_parquet(path: Path, layout: Layout, left_out: Callable[[str], None]) -> Iterator[Writer]:
    del layout, left_out
    if not has_pyarrow():
        raise ModuleNotFoundError(needs_pyarrow("Parquet"))
    writer = _ParquetWriter(path)
    try:
        yield writer
    finally:
        writer.close()


class _ParquetWriter:
    """A row for each entry; lists stay lists."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, events: Any) -> None:
        """Write some events as a row group."""
        import awkward as ak  # noqa: PLC0415  # may lack
        from pyarrow import parquet  # noqa: PLC0415  # may lack

        table = ak.to_arrow_table(events, extensionarray=False)
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()
