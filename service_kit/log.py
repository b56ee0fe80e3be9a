"""Log lines: text for people, JSON for a collector. Never decides what is worth a line.

Each line bears its service, its worker where there are several, and the id of the call that it is
about; see `calls`.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
import threading
from types import TracebackType

from pydantic_settings import BaseSettings

from service_kit import calls
from service_kit.settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class _JsonFormatter(logging.Formatter):
    """One JSON object a line, with the `extra` fields of the record."""

    def __init__(self, name: str) -> None:
        """`name`: of the service, and of the worker behind it."""
        super().__init__()
        service, _, worker = name.partition(" worker ")
        self._process = {"service": service} | ({"worker": int(worker)} if worker else {})

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **{k: v for k, v in vars(record).items() if k not in _STANDARD and k != "message"},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _TextFormatter(logging.Formatter):
    """A line for people, with the id of the call behind it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name that logging gives it
        """Return the line without a trace."""
        line = super().formatMessage(record)
        request_id = getattr(record, "request_id", "")
        return f"{line} [{request_id}]" if request_id else line


def _add_request_id(record: logging.LogRecord) -> bool:
    if request_id := calls.request_id():
        record.request_id = request_id
    return True


def set_up_logging(settings: Settings, name: str) -> None:
    """Send the log of this process to standard error in the form that the settings name.

    Args:
        settings: say the form and the level.
        name: of the service, with ` worker N` behind it where there are several.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter(name) if settings.log_format == "json" else _TextFormatter()
    )
    handler.addFilter(_add_request_id)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class _Form(BaseSettings):
    """The one setting that is needed where the others are wrong."""

    model_config = Settings.model_config
    log_format: str = "text"


def complain(name: str, text: str) -> None:
    """Say why the service `name` does not start, in the form of the log, which may not be set up.

    Another setting may be wrong: the form is read by itself.
    """
    if _Form().log_format == "json":
        record = logging.makeLogRecord(
            {"name": "service_kit.start", "levelname": "CRITICAL", "msg": text}
        )
        sys.stderr.write(_JsonFormatter(name).format(record) + "\n")
    else:
        sys.stderr.write(f"{name}: {text}\n")


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("the process ends", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        thread = arguments.thread.name if arguments.thread else "a thread"
        logging.getLogger(__name__).critical("%s ends", thread, exc_info=arguments.exc_value)
