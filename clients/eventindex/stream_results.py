"""Answers to a stream of batches as results: the service sends each file once a stream. Pure."""

from __future__ import annotations

import numpy as np

from eventindex.errors import ServerError
from eventindex.lookup_messages import Response
from eventindex.pairs import Pairs
from eventindex.results import LookupResult, to_result
from eventindex.values import RawFile, to_file


class StreamResults:
    """Keeps the list of files that the file indexes of a stream mean.

    A call that follows a broken one begins a new list, and says so.
    """

    def __init__(self, with_olt_result: bool) -> None:
        self._with_olt_result = with_olt_result
        self._files: list[RawFile] = []
        self._mark = np.zeros(1, bool)
        self._place = np.zeros(1, np.uint32)

    def result(self, pairs: Pairs, response: Response) -> LookupResult:
        """Return the answer to a batch, with the files of its own pairs.

        Raises:
            ServerError: not one answer for each pair, or a file that was never sent.
        """
        result = to_result(pairs, response, with_olt_result=self._with_olt_result)
        if response.first_file_index:
            self._take(response)
            self._own_files(result)
        return result

    def _take(self, response: Response) -> None:
        first = response.first_file_index - 1
        if first > len(self._files):
            raise ServerError(f"the server sent file {first + 1} after {len(self._files)}")
        self._files[first:] = map(to_file, response.files)
        if len(self._files) >= len(self._mark):
            self._mark = np.zeros(2 * len(self._files), bool)
            self._place = np.zeros(2 * len(self._files), np.uint32)

    def _own_files(self, result: LookupResult) -> None:
        """Let the result's file indexes mean a list of the files that it uses."""
        where = result.file_indexes.astype(np.intp)
        if where.size and where.max() > len(self._files):
            raise ServerError(f"file {where.max()} of {len(self._files)} in an answer")
        self._mark[where] = True
        self._mark[0] = False
        used = np.flatnonzero(self._mark)
        self._mark[used] = False
        self._place[used] = np.arange(1, len(used) + 1, dtype=np.uint32)
        result.file_indexes = self._place.take(where)
        result.files = [self._files[number - 1] for number in used.tolist()]
