"""How every service starts: settings from the environment, a log, one clear line when it cannot.

Exit codes: 0 stopped when told to, 1 failed, 2 wrong settings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from event_store.errors import UnusableDatabaseError
from service_kit import production, tracing
from service_kit.errors import IncompleteServiceError, WrongSettingError
from service_kit.grpc_server import PortTakenError, UnsafeAddressError
from service_kit.log import complain, set_up_logging
from service_kit.outgoing import plain_database
from service_kit.settings import Settings
from service_kit.tls_files import check_files

log = logging.getLogger(__name__)


def run_service(
    name: str,
    serve: Callable[[Settings], Coroutine[Any, Any, int]],
    given: Mapping[str, object] = MappingProxyType({}),
) -> int:
    """Read the settings, set up the log and serve; the exit code of the process.

    Args:
        name: what stands before a complaint.
        serve: the service; returns its exit code.
        given: values that override the environment.
    """
    try:
        settings = Settings.model_validate(dict(given))
    except ValidationError as error:
        return _complain(name, "; ".join(map(_sentence, error.errors())), 2)
    if (problem := _problem(settings, name)) is not None:
        return _complain(name, problem, 2)
    set_up_logging(settings, name)
    if settings.mode == "development":
        log.info("%s", production.DEVELOPMENT)
    try:
        check_files(settings)
        tracing.set_up(settings, name)
        return asyncio.run(serve(settings))
    except (UnsafeAddressError, WrongSettingError) as error:
        return _complain(name, str(error), 2)
    except PortTakenError as error:
        return _complain(name, error.strerror or str(error), 1)
    except (UnusableDatabaseError, IncompleteServiceError) as error:
        of_database = isinstance(error, UnusableDatabaseError)
        return _complain(
            name, f"the database cannot be used: {error}" if of_database else str(error), 1
        )


def _problem(settings: Settings, service: str) -> str | None:
    """Return why a service does not start with these settings, None where it does."""
    if settings.mode == "production":
        missing = production.problems(settings, Path.cwd(), service)
        return f"EVENTINDEX_MODE=production: {'; '.join(missing)}" if missing else None
    if not settings.database_url:
        return "EVENTINDEX_DATABASE_URL is not set"
    if settings.allow_plaintext:
        return None
    return plain_database(settings.database_url.get_secret_value())


def _sentence(error: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors with the name of its variable."""
    variable = "_".join(str(part) for part in error["loc"]).upper()
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"EVENTINDEX_{variable}: {text}" if variable else text


def _complain(name: str, text: str, code: int) -> int:
    complain(name, text)
    return code
