"""The RAW files of the cached pages, numbered from 1, each with what an answer needs of it.

Files are counted by the pages that use them and forgotten with the last one. Number 0 stands for
"no file". Pure.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Generic

import numpy as np
import numpy.typing as npt

from event_store.lookup.batch import Reply
from event_store.model import DatasetState, Int32
from event_store.pages.format import FUID_DTYPE, Fuids

# Makes what an answer holds for a file (an encoded message, for example) from the file's id of
# 16 bytes, its dataset and the dataset's state.
MakeReply = Callable[[bytes, int, DatasetState], Reply]

_FUID_BYTES = FUID_DTYPE.itemsize
FILE_KEY_VALUES = _FUID_BYTES // 4 + 1
_KEY = np.dtype((np.void, 4 * FILE_KEY_VALUES))

# Measured with tracemalloc for a reply of 50 bytes: key, reply, list and dictionary entries.
FILE_BYTES = 350
# Dictionaries never shrink: above this size one is rebuilt when less than a quarter is left.
_REBUILT_MIN, _REBUILT_SHARE = 1 << 12, 4


class CachedFiles(Generic[Reply]):
    """Numbers for (RAW file id, dataset), and the reply of each number."""

    def __init__(self, make_reply: MakeReply[Reply]) -> None:
        self._make_reply = make_reply
        self._closed: Mapping[int, DatasetState] = {}
        self.clear()

    def clear(self) -> None:
        """Forget every file; states of datasets stay."""
        self._numbers: dict[bytes, int] = {}
        self._keys: list[bytes] = [b""]
        # Made when an answer first needs them: of the files of a page it seldom needs all.
        self._replies: list[Reply | None] = [None]
        self._made = np.zeros(64, bool)
        self._uses: Int32 = np.zeros(64, np.int32)
        self._numbers_most = 0
        self._free = array("i")
        self._mark = np.zeros(64, bool)
        self._position = np.zeros(64, np.uint32)

    def __len__(self) -> int:
        return len(self._numbers)

    def acquire(self, files: Int32) -> Int32:
        """Return the number of each file, given as `file_keys` does; counts one use of each."""
        keys = _bytes(files)
        for key in dict.fromkeys(keys):
            if key not in self._numbers:
                self._add(key)
        numbers: Int32 = np.array([self._numbers[key] for key in keys], np.int32)
        np.add.at(self._uses, numbers, np.int32(1))
        return numbers

    def uses(self, numbers: Int32) -> Int32:
        """Return how often each number is used."""
        return self._uses[numbers]

    def release(self, numbers: Int32) -> None:
        """Give back one use of each number."""
        np.subtract.at(self._uses, numbers, np.int32(1))
        for number in np.unique(numbers[self._uses[numbers] == 0]).tolist():
            del self._numbers[self._keys[number]]
            self._keys[number], self._replies[number] = b"", None
            self._made[number] = False
            self._free.append(number)
        if self._numbers_most > max(_REBUILT_MIN, _REBUILT_SHARE * len(self._numbers)):
            self._numbers = dict(self._numbers)
            self._numbers_most = len(self._numbers)

    def set_closed_datasets(self, closed: Mapping[int, DatasetState]) -> None:
        """Forget the replies of all files whose dataset's state changed."""
        changed = {
            dsid
            for dsid in self._closed.keys() | closed.keys()
            if self._closed.get(dsid) != closed.get(dsid)
        }
        self._closed = dict(closed)
        for key, number in self._numbers.items():
            if _dataset(key) in changed:
                self._made[number] = False

    def answer(self, numbers: Int32) -> tuple[list[Reply], npt.NDArray[np.uint32]]:
        """Give the files of one answer numbers from 1.

        Args:
            numbers: int32, shape (n,), 0 where there is no file.

        Returns:
            The reply of each distinct file, and for each position its place among them from 1
            (uint32, shape (n,)), 0 where there is no file.
        """
        # Assigning by intp, NumPy's own index type, takes a third of the time.
        where = numbers.astype(np.intp)
        mark = self._mark
        try:
            mark[where] = True
            mark[0] = False
            used = np.flatnonzero(mark)
        except BaseException:
            # A mark that stayed would be a file of every later answer.
            mark[:] = False
            raise
        mark[used] = False
        self._position[used] = np.arange(1, len(used) + 1, dtype=np.uint32)
        made = self._made.take(used)
        if not made.all():
            self._make_replies(used[~made].tolist())
        replies: list[Reply] = [self._replies[number] for number in used.tolist()]  # type: ignore[misc]
        return replies, self._position.take(where)

    def answer_unnumbered(self, files: Int32) -> tuple[list[Reply], npt.NDArray[np.uint32]]:
        """Do as `answer` for files that need no number here, given as `file_keys` does."""
        keys = _bytes(files)
        places = dict(zip(dict.fromkeys(keys), range(1, len(keys) + 1), strict=False))
        found = np.fromiter(map(places.__getitem__, keys), np.uint32, len(keys))
        return self._replies_of(places), found

    def _add(self, key: bytes) -> None:
        if self._free:
            number = self._free.pop()
            self._keys[number] = key
        else:
            number = len(self._keys)
            self._keys.append(key)
            self._replies.append(None)
            if number >= len(self._mark):
                self._mark = np.zeros(2 * number, bool)
                self._position = np.zeros(2 * number, np.uint32)
                self._uses = np.concatenate([self._uses, np.zeros(number, np.int32)])
                self._made = np.concatenate([self._made, np.zeros(number, bool)])
        self._numbers[key] = number
        self._numbers_most = max(self._numbers_most, len(self._numbers))

    def _make_replies(self, numbers: list[int]) -> None:
        made = self._replies_of(map(self._keys.__getitem__, numbers))
        for number, reply in zip(numbers, made, strict=True):
            self._replies[number] = reply
        self._made[numbers] = True

    def _replies_of(self, keys: Iterable[bytes]) -> list[Reply]:
        # Most files of an answer are of the same few datasets.
        datasets: dict[bytes, tuple[int, DatasetState]] = {}
        replies = []
        for key in keys:
            dataset = datasets.get(key[_FUID_BYTES:])
            if dataset is None:
                dsid = _dataset(key)
                dataset = (dsid, self._closed.get(dsid, DatasetState.OPEN))
                datasets[key[_FUID_BYTES:]] = dataset
            replies.append(self._make_reply(key[:_FUID_BYTES], *dataset))
        return replies


def file_keys(fuids: Fuids, dsids: Int32) -> Int32:
    """Return what tells files apart, int32 of shape (n, FILE_KEY_VALUES): id and dataset."""
    keys = np.empty((len(fuids), FILE_KEY_VALUES), np.int32)
    keys[:, :-1] = np.ascontiguousarray(fuids).view(np.int32).reshape(-1, FILE_KEY_VALUES - 1)
    keys[:, -1] = dsids
    return keys


def _bytes(files: Int32) -> list[bytes]:
    keys: list[bytes] = np.ascontiguousarray(files).view(_KEY).ravel().tolist()  # type: ignore[assignment]
    return keys


def _dataset(key: bytes) -> int:
    return int.from_bytes(key[_FUID_BYTES:], sys.byteorder)
