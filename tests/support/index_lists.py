"""Calls of the lists of index_service: what was written, all pages of it, and refusals."""

from __future__ import annotations

import uuid

import grpc
import numpy as np
import pytest

from event_store.model import EventColumns, RawFile

FILES = [RawFile(uuid.UUID(int=i + 1), 10 + i // 2) for i in range(4)]
FUIDS = [str(file.fuid) for file in FILES]


def write(store, run, events, index=0, olt=0, files=FILES, source="test"):
    """Store events of a run, all in one file."""
    n = len(events)
    store.write(
        EventColumns(
            np.full(n, run, np.int64),
            np.asarray(events, np.int64),
            np.full(n, olt, np.uint64),
            np.full(n, index, np.int32),
            files,
            np.zeros(n, np.int32),
            [source],
        )
    )


def all_pages(method, request, field):
    """All rows of a list, page by page."""
    rows = []
    for _ in range(1000):
        page = method(request, timeout=20)
        rows += getattr(page, field)
        if not page.next_page_token:
            return rows
        request.page_token = page.next_page_token
    raise AssertionError("the list does not end")


def refusal(call, code):
    """The text of a call that ends with a status."""
    with pytest.raises(grpc.RpcError) as caught:
        result = call()
        if hasattr(result, "__next__"):
            list(result)
    assert caught.value.code() is code
    return caught.value.details()


def invalid(call):
    return refusal(call, grpc.StatusCode.INVALID_ARGUMENT)


def not_found(call):
    return refusal(call, grpc.StatusCode.NOT_FOUND)
