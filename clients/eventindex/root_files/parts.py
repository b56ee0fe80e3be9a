"""Picked events on their way: pieces of each input file in a work directory until all is done.

A piece is an awkward array in a `.npz`; a file's list of pieces is written when all of them are
there, so that an interrupted file is read again and a finished one is not.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eventindex.root_files.entries import Found, Layout

UUID_CACHE = "uuids.json"
# Events of a piece: at most so many are held while an input file is read.
_PIECE_BYTES_MAX = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PickedFile:
    """The picked events of one input file.

    Attributes:
        uuid: the file.
        digest: what was wanted of it.
        layout: how its tree looks.
        sizes: events of each piece.
        types: the type of each branch's values in words.
    """

    uuid: str
    digest: str
    layout: Layout
    sizes: list[int] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """Return how many entries were picked."""
        return sum(self.sizes)


class WorkDirectory:
    """A directory of pieces."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def done(self, uuid: str, digest: str) -> PickedFile | None:
        """Return what was picked of a file before, if the same was wanted."""
        try:
            found = json.loads(self._list(uuid).read_text(encoding="utf-8"))
            layout = Layout(
                **{**found["layout"], "unreadable": tuple(found["layout"]["unreadable"])}
            )
            picked = PickedFile(**{**found, "layout": layout})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return picked if picked.digest == digest else None

    def save_piece(self, uuid: str, number: int, found: Found, events: Any) -> None:
        """Keep some picked events."""
        import awkward as ak  # noqa: PLC0415  # may lack

        form, length, buffers = ak.to_buffers(ak.to_packed(events))
        names = list(buffers)
        texts = json.dumps({"form": form.to_json(), "length": length, "names": names})
        arrays = {f"b{place}": np.asarray(buffers[name]) for place, name in enumerate(names)}
        content = io.BytesIO()
        columns = {"text": np.array(texts), **found._asdict(), **arrays}
        np.savez(content, allow_pickle=False, **columns)
        self._piece(uuid, number).write_bytes(content.getvalue())

    def finish(self, picked: PickedFile) -> None:
        """Say that all pieces of a file are there."""
        path = self._list(picked.uuid)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(picked)), encoding="utf-8")
        temporary.replace(path)

    def numbers(self, picked: PickedFile) -> Iterator[Found]:
        """Yield which events each piece holds."""
        for number in range(len(picked.sizes)):
            with np.load(self._piece(picked.uuid, number)) as piece:
                yield Found(piece["entries"], piece["runs"], piece["events"])

    def load_piece(self, uuid: str, number: int) -> Any:
        """Return the events of a piece, an awkward array of records."""
        import awkward as ak  # noqa: PLC0415  # may lack

        with np.load(self._piece(uuid, number)) as piece:
            texts = json.loads(str(piece["text"]))
            buffers = {name: piece[f"b{place}"] for place, name in enumerate(texts["names"])}
        return ak.from_buffers(ak.forms.from_json(texts["form"]), texts["length"], buffers)

    def clear(self, *, everything: bool) -> None:
        """Remove the pieces; the directory too, if it was not there for another purpose."""
        if everything:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        for path in (*self.path.glob("*.npz"), *self.path.glob("*.list")):
            path.unlink(missing_ok=True)

    def _list(self, uuid: str) -> Path:
        return self.path / f"{uuid}.list"

    def _piece(self, uuid: str, number: int) -> Path:
        return self.path / f"{uuid}.{number}.npz"


def joined(windows: Iterator[tuple[slice, Any]], found: Found) -> Iterator[tuple[Found, Any]]:
    """Join windows to pieces that are worth a file of their own."""
    import awkward as ak  # noqa: PLC0415  # may lack

    held: list[Any] = []
    start = stop = 0
    for part, events in windows:
        held.append(events)
        stop = part.stop
        if sum(each.nbytes for each in held) >= _PIECE_BYTES_MAX:
            yield Found(*(column[start:stop] for column in found)), ak.concatenate(held)
            held, start = [], stop
    if held:
        yield Found(*(column[start:stop] for column in found)), ak.concatenate(held)


def difference_of(first: PickedFile, other: PickedFile) -> str:
    """Return in words how a tree differs from the first one; "" if it does not."""
    kinds = (first.layout.ntuple, other.layout.ntuple)
    if not first.sizes or not other.sizes or (first.types == other.types and kinds[0] == kinds[1]):
        return ""
    differing = {name for name, _ in first.types.items() ^ other.types.items()}
    text = ", ".join(sorted(differing)[:10]) or "TTree and RNTuple"
    return f"its branches are not those of the first file ({text}): write a file for each"
