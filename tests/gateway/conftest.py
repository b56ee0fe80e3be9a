"""Fixtures of the tests of the gateway."""

from __future__ import annotations

import httpx
import pytest

from tests.support.gateway import (
    Stack,
    database,
    full_stack,
)


@pytest.fixture(scope="module")
def stack(postgres, _template):
    """All services with the sample events, for the tests that change nothing."""
    with database(postgres, _template) as url, full_stack(url) as running:
        yield running


@pytest.fixture
def http(stack: Stack) -> httpx.Client:
    return stack.http
