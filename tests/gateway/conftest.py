"""Fixtures of the tests of the gateway."""

from __future__ import annotations

import pytest

from tests.support.gateway import (
    database,
    full_stack,
)


@pytest.fixture(scope="module")
def stack(postgres, _template):
    """All services with the sample events, for the tests that change nothing."""
    with database(postgres, _template) as url, full_stack(url) as running:
        yield running
