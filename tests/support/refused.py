"""A service that must not start."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.processes import Service


def refused(module: str, url: str, code: int = 1) -> str:
    """Start a service that must not start; what it said."""
    service = Service(module, database_url=url)
    try:
        service.start(wait="")
        assert service.process is not None
        assert service.process.wait(30) == code
        assert "Traceback" not in service.tail()
        return service.tail().splitlines()[-1]
    except subprocess.TimeoutExpired:
        pytest.fail(f"{module} started: {service.tail()}")
    finally:
        service.close()
