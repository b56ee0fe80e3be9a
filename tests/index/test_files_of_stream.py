"""Files that a stream of lookups sends once."""

from __future__ import annotations

import threading
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eventindex
from event_store.lookup.batch import Answer, Asked
from event_store.model import DatasetState
from eventindex.errors import ServerError
from eventindex.lookup_messages import decode
from eventindex.pairs import Pairs, to_pairs
from eventindex.stream_results import StreamResults
from index_service import stream_files
from index_service.lookup_reply import encode_file
from index_service.stream_files import Answered, StreamFiles
from tests.conftest import execute
from tests.support.lookups import FILES, request, store_events

FIRST, SECOND, THIRD = (str(file.fuid) for file in FILES)


def test_each_file_is_sent_once_a_stream(database_url, stub):
    """Later responses carry only the files that are new, and say which numbers these get."""
    store_events(database_url, 7, [1, 2, 3], [0, 1, 2])
    asked = [[1], [2, 1, 9], [9], [3, 2, 1]]
    requests = [request([7], events, files_of_stream=True) for events in asked]
    files: dict[int, str] = {}
    seen = []
    for answer in stub.LookupStream(iter(requests)):
        sent = [file.fuid_raw for file in answer.files]
        files |= dict(enumerate(sent, answer.first_file_index))
        seen.append((sent, [files.get(index, "") for index in answer.file_indexes]))
    assert seen == [
        ([FIRST], [FIRST]),
        ([SECOND], [SECOND, FIRST, ""]),
        ([], [""]),
        ([THIRD], [THIRD, SECOND, FIRST]),
    ]


def test_requests_that_do_not_ask_keep_a_list_of_their_own(database_url, stub):
    """On one stream, responses with and without the stream's list do not disturb each other."""
    store_events(database_url, 7, [1, 2], [0, 1])
    requests = [request([7], [2 - i % 2], files_of_stream=i in {0, 3, 4}) for i in range(5)]
    answers = list(stub.LookupStream(iter(requests)))
    assert [answer.first_file_index for answer in answers] == [1, 0, 0, 2, 3]
    assert [[file.fuid_raw for file in answer.files] for answer in answers] == [
        [SECOND],
        [FIRST],
        [SECOND],
        [FIRST],
        [],
    ]


def test_a_single_lookup_may_ask_too(database_url, stub):
    """Without a stream the list is that of the one response."""
    store_events(database_url, 7, [1])
    answer = stub.Lookup(request([7], [1, 2], files_of_stream=True))
    assert (list(answer.file_indexes), answer.first_file_index) == ([1, 0], 1)


def test_a_file_whose_dataset_changed_is_sent_again(database_url, stub):
    """The state in an answer is that of its moment, not of the stream's beginning."""
    store_events(database_url, 7, [1])
    first_came = threading.Event()

    def requests():
        yield request([7], [1], files_of_stream=True)
        assert first_came.wait(20)
        execute(database_url, "UPDATE dataset SET state = 2 WHERE dsid_raw = 0")
        yield request([7], [1], files_of_stream=True)

    states = []
    for answer in stub.LookupStream(requests()):
        states.append([file.dataset_state for file in answer.files])
        first_came.set()
    assert states == [[1], [2]]


def test_the_client_hides_it(database_url, index_address):
    """Results of a stream have the files of their own pairs, as those of single lookups."""
    store_events(database_url, 7, range(3000), np.arange(3000) % 3)
    pairs = [[(7, event) for event in range(n, 40, 2 * n + 1)] for n in range(9)]
    with eventindex.connect(index_address) as client:
        for asked, streamed in zip(pairs, client.lookup_stream(pairs), strict=True):
            alone = client.lookup(asked)
            assert set(streamed.files) == set(alone.files)
            assert list(streamed.fuids()) == list(alone.fuids())


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=12))
def test_any_stream_is_read_as_it_was_meant(batches):
    """Whatever files follow each other, and wherever the list begins again, none is mixed up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_files, "STREAM_FILES_MAX", 10)
        sent, received = StreamFiles(), StreamResults(with_olt_result=False)
        for wanted in batches:
            pairs = to_pairs([(1, number) for number in range(len(wanted))])
            response = decode(sent.encode(answered(pairs, wanted)))
            result = received.result(pairs, response)
            fuids = [file.fuid_raw for file in result.files]
            assert len(set(fuids)) == len(fuids) == len({number for number in wanted if number})
            assert list(result.fuids()) == [
                str(uuid.UUID(int=number)) if number else None for number in wanted
            ]


def answered(pairs: Pairs, wanted: list[int]) -> Answered:
    """An answer in which pair i is in the file `wanted[i]`, 0 in none."""
    files = sorted(set(wanted) - {0})
    return Answered(
        Asked(pairs.runs, pairs.events, with_olt=False, of_stream=True),
        Answer(
            [encode_file(number.to_bytes(16), 1, DatasetState.OPEN) for number in files],
            np.array([files.index(n) + 1 if n else 0 for n in wanted], np.uint32),
            None,
        ),
    )


def test_a_file_that_was_never_sent_is_an_error():
    """A client that was not told of a file says so, and does not take another one."""
    pairs = to_pairs([(1, 1)])
    response = decode(StreamFiles().encode(answered(pairs, [1])))._replace(first_file_index=3)
    with pytest.raises(ServerError, match="3"):
        StreamResults(with_olt_result=False).result(pairs, response)
    response = response._replace(first_file_index=1, files=[])
    with pytest.raises(ServerError, match="file 1 of 0"):
        StreamResults(with_olt_result=False).result(pairs, response)
